"""The Segment dock: the fitting model is chosen, a run ends on its image or nowhere, and equals the command line."""

from pathlib import Path

import numpy as np
import pytest
from medseg_napari._sample_data import cells, ct_with_lesions
from medseg_napari.layers import Origin, image_layer, origin_of
from medseg_napari.segmenting.fit import Fit, best_fitting, distance_of_values, fit_of, fits_of
from medseg_napari.segmenting.models import ModelChoice, model_choices
from medseg_napari.segmenting.run import RunRequest, region_of, run

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata
from medseg.images.spatial import crop
from medseg.inference import installed_models, load_model

CT_MODEL = "ct-phantom-lesions"


@pytest.fixture(scope="module")
def ct():
    return ct_with_lesions()[0]


@pytest.fixture(scope="module")
def whole(ct):  # a run of the shipped model over the generated CT
    origin = ct[1]["metadata"]["medseg"]
    return run(RunRequest(installed_models()[CT_MODEL], origin, device="cpu"), lambda _: None, lambda: False)


PICTURE, STACK, SCAN = "CYX", "CZYX", "CXYZ"
DOUBT = Fit(True, ("of another size",))
NO = Fit(False, ("takes volumes",))


@pytest.mark.parametrize(
    ("axes", "modality", "cells_fit", "ct_fit", "expected"),
    [
        (SCAN, "CT", Fit(True), Fit(True), "ct"),
        (SCAN, "CT", Fit(True), DOUBT, "ct"),  # of the modality; the doubt is told
        (SCAN, "MR", Fit(True), DOUBT, None),
        (SCAN, None, Fit(True), Fit(True), "ct"),
        (SCAN, None, Fit(True), DOUBT, "ct"),  # its values are those of a CT; the doubt is told
        (SCAN, None, Fit(True), Fit(True, ("other values",), 1.5), None),  # nor is it one for pictures
        (PICTURE, None, Fit(True), NO, "cells"),
        (STACK, None, Fit(True), DOUBT, "cells"),
        (PICTURE, None, DOUBT, NO, None),
    ],
)
def test_the_best_fitting_model_is_proposed_and_none_where_none_fits(axes, modality, cells_fit, ct_fit, expected):
    choices = [ModelChoice("cells", Path(), "", None, 2), ModelChoice("ct", Path(), "", "CT", 3)]
    ndim = len(axes) - 1
    affine = Affine(np.eye(ndim + 1), frame=WorldFrame.RAS)
    image = Image(np.zeros((1,) * len(axes), np.uint8), affine, axes, ImageMetadata(modality=modality))
    best = best_fitting(choices, [cells_fit, ct_fit], image)
    assert (None if best is None else choices[best].title) == expected


def test_values_tell_models_of_one_kind_apart():
    trained = {"5": 0.0, "50": 100.0, "95": 200.0}
    flat = distance_of_values(np.full((1, 4, 4), 100.0), trained, absolute=True)
    assert flat == pytest.approx((100 + 0 + 100) / 3 / 200)
    assert distance_of_values(np.zeros((1, 2, 2)), {}, absolute=True) == 0.0
    # The same shape of values in other units, and one of another shape: 0, 0.1 and 1 against 0, 0.5 and 1.
    even, skewed = np.linspace(0, 6e4, 1001), np.linspace(0, 1, 1001)
    assert distance_of_values(even, trained, absolute=False) == pytest.approx(0, abs=1e-3)
    assert distance_of_values(skewed, {"5": 0.0, "50": 10.0, "95": 100.0}, absolute=False) == pytest.approx(0.4 / 3)
    choices = [ModelChoice(name, Path(), "", None, 2) for name in ("far", "near", "farthest")]
    picture = cells()[0][1]["metadata"]["medseg"].image
    fits = [Fit(True, distance=0.3), Fit(True, distance=0.1), Fit(True, distance=3.0)]
    assert best_fitting(choices, fits, picture) == 1
    assert best_fitting(choices[2:], fits[2:], picture) is None


def test_no_installed_model_is_proposed_for_generated_cells():
    choices = [choice for choice in model_choices() if choice.title in {CT_MODEL, "em-membranes"}]
    picture = cells()[0][1]["metadata"]["medseg"].image
    fits = fits_of([choice.folder for choice in choices], picture)
    assert best_fitting(choices, fits, picture) is None


def test_without_models_none_is_proposed(ct):
    assert best_fitting([], [], ct[1]["metadata"]["medseg"].image) is None


def test_a_folder_without_a_model_is_not_offered(tmp_path):
    assert len(model_choices([tmp_path])) == len(installed_models())


def test_a_fit_says_what_is_unlike_the_training_images(ct):
    image = ct[1]["metadata"]["medseg"].image
    assert fit_of(installed_models()[CT_MODEL], image).sentences == ()
    picture = cells()[0][1]["metadata"]["medseg"].image
    refused = fit_of(installed_models()[CT_MODEL], picture)
    assert not refused.can_run
    assert "takes volumes" in refused.sentences[0]


def test_the_plugin_and_the_library_answer_byte_for_byte_alike(ct, whole):
    image = ct[1]["metadata"]["medseg"].image
    expected = load_model(installed_models()[CT_MODEL], device="cpu").predict(image).label_map
    assert whole.label_map.array.tobytes() == expected.array.tobytes()
    origin = ct[1]["metadata"]["medseg"]
    assert np.array_equal(whole.numbers > 0, origin.to_layer(expected.array) > 0)
    assert set(whole.class_of) == set(np.unique(whole.numbers)) - {0}


def test_a_region_is_put_back_where_it_was(ct, whole):
    origin = ct[1]["metadata"]["medseg"]
    depth, height, width = origin.shape
    box = (slice(0, depth), slice(height // 4, height), slice(width // 4, width))
    part = run(RunRequest(installed_models()[CT_MODEL], origin, box=box, device="cpu"), lambda _: None, lambda: False)
    assert part.numbers.shape == origin.shape
    outside = np.ones(origin.shape, bool)
    outside[box] = False
    assert not part.numbers[outside].any()
    # Cropped by hand along x and y, which an identity direction does not turn, and put through the same model.
    image = origin.image
    start = [0, 0, 0]
    for layer_axis, old in enumerate(origin.reordering.permutation):
        start[old] = (0, height // 4, width // 4)[layer_axis]
    assert not any(origin.reordering.flips)
    alone = load_model(installed_models()[CT_MODEL], device="cpu").predict(crop(image, start, image.spatial_shape))
    assert np.array_equal(part.numbers[box] > 0, origin.to_layer(alone.label_map.array) > 0)
    assert part.label_map is None


def test_a_region_of_a_flipped_image_is_that_part_of_the_picture():
    values = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    affine = Affine(np.diag([1.0, 1.0, 1.0, 1.0]), frame=WorldFrame.RAS)  # x and y run against LPS
    origin = Origin(Image(values, affine, "CXYZ"), 0)
    box = (slice(1, 3), slice(0, 2), slice(1, 2))
    image, in_image = region_of(origin, box)
    assert np.array_equal(np.transpose(image.array[0], (2, 1, 0))[:, ::-1, ::-1], origin.to_layer(values[0])[box])
    assert np.array_equal(values[0][in_image], image.array[0])


@pytest.fixture
def dock(make_napari_viewer_proxy, qtbot):
    from medseg_napari.widgets.segment import SegmentWidget

    viewer = make_napari_viewer_proxy(show=True)
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="Segment")
    qtbot.waitUntil(lambda: widget.model.count() >= 2, timeout=60_000)
    yield viewer, widget
    widget.cancel()


def _add(viewer, layers):
    for data, settings, kind in layers:
        getattr(viewer, f"add_{kind}")(data, **settings)


@pytest.mark.viewer
def test_without_an_image_the_dock_says_how_to_begin(dock):
    _, widget = dock
    assert "Open an image" in widget.fit.text()
    assert not widget.run_button.isEnabled()


@pytest.mark.viewer
def test_run_puts_the_objects_on_the_image(dock, qtbot, ct, whole):
    viewer, widget = dock
    _add(viewer, [ct])
    qtbot.waitUntil(widget.run_button.isEnabled, timeout=30_000)
    assert widget.model.currentText().startswith(CT_MODEL)
    assert "✓" in widget.fit.text()
    widget.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=120_000)
    image, objects = viewer.layers
    assert np.array_equal(objects.data, whole.numbers)
    assert np.array_equal(image.extent.world, objects.extent.world)
    assert objects.units == image.units
    assert origin_of(objects).image is origin_of(image).image
    assert "found" in widget.status.text()


@pytest.mark.viewer
def test_cancel_shows_nothing_and_another_run_can_follow(dock, qtbot, ct):
    viewer, widget = dock
    _add(viewer, [ct])
    qtbot.waitUntil(widget.run_button.isEnabled, timeout=30_000)
    widget.run_button.click()
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60_000)
    assert len(viewer.layers) == 1
    assert "Cancelled" in widget.status.text()
    assert widget.run_button.isEnabled()


@pytest.mark.viewer
def test_the_result_of_a_closed_image_is_not_shown(dock, qtbot, ct):
    viewer, widget = dock
    _add(viewer, [ct])
    qtbot.waitUntil(widget.run_button.isEnabled, timeout=30_000)
    widget.run_button.click()
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not widget.is_running, timeout=120_000)
    assert len(viewer.layers) == 0
    assert "closed or changed" in widget.status.text()


@pytest.mark.viewer
def test_for_a_picture_that_no_model_knows_none_is_chosen_and_the_dock_says_what_to_do(dock, qtbot, ct):
    viewer, widget = dock
    picture = cells()[0][1]["metadata"]["medseg"].image
    black_and_white = np.indices(picture.spatial_shape).sum(axis=0, keepdims=True).astype(np.uint16) // 8 % 2 * 60_000
    _add(viewer, image_layer(picture.replace(array=black_and_white), name="odd"))
    qtbot.waitUntil(lambda: "No model" in widget.fit.text(), timeout=30_000)
    assert (widget.model.currentIndex(), widget.run_button.isEnabled()) == (-1, False)
    assert "Choose one above" in widget.fit.text()
    widget.model.setCurrentIndex(widget.model.findText(CT_MODEL))
    widget.model.activated.emit(widget.model.currentIndex())
    assert "✗" in widget.fit.text()
    assert "takes volumes" in widget.fit.text()
    _add(viewer, [ct])
    widget.image.setCurrentIndex(1)  # the choice for the picture cannot be meant for the scan as well
    qtbot.waitUntil(widget.run_button.isEnabled, timeout=30_000)
    assert widget.model.currentText() == CT_MODEL
