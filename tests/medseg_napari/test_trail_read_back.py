"""A mask that was reviewed, exported and opened again: its objects are as the review left them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from medseg_napari.exporting.export import ExportRequest, export
from medseg_napari.exporting.formats import Choices
from medseg_napari.exporting.prepared import prepared
from medseg_napari.layers import Origin, image_layer, origin_of
from medseg_napari.layers.results import ResultNote, objects_layer
from medseg_napari.opening.reading import opened
from medseg_napari.opening.survey import survey
from medseg_napari.review.audit import AuditTrail
from medseg_napari.review.records import AlgorithmType, MadeBy, ObjectState
from medseg_napari.reviewing.session import review_of
from medseg_napari.reviewing.source import shows_classes
from napari.components import ViewerModel

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelTable
from medseg.io import read_image

MODEL = MadeBy("finder", "ab" * 32)
TABLE = LabelTable.from_names(("background", "lesion", "cyst"))


VOLUME = Image(np.zeros((1, 24, 16, 6), np.int16), Affine.from_spacing((1.0, 1.0, 2.0), frame=WorldFrame.RAS), "CXYZ")
PICTURE = Image(np.zeros((1, 16, 24), np.uint8), Affine.from_spacing((0.001, 0.001), frame=WorldFrame.RAS), "CYX")


def _reviewed(viewer, content=VOLUME):
    """Objects 1 to 4 of a model: 1 is accepted, 2 rejected, 3 is a cyst, 4 nobody looked at."""
    ((values, settings, _),) = image_layer(content, name="image")
    image = viewer.add_image(values, **settings)
    numbers = np.zeros(image.data.shape, np.uint8)
    for number in (1, 2, 3, 4):
        numbers[..., 5:8, 4 * number : 4 * number + 3] = number
    note = ResultNote(TABLE, dict.fromkeys((1, 2, 3, 4), "lesion"), {1: 0.5, 4: 0.75}, MODEL)
    data, given, _ = objects_layer(origin_of(image), numbers, note, name="found")
    layer = viewer.add_labels(data, **given)
    review = review_of(layer, viewer)
    review.accept([1])
    review.reject([2])
    review.reclassify([3], "cyst")
    return layer, review


def _exported(layer, viewer, folder, key="nifti", *, as_objects=True):
    request = ExportRequest(folder, "mask", (key,), Choices(as_objects=as_objects))
    result = export(request, prepared(layer, viewer), lambda _: None, lambda: False)
    assert result.failures == ()
    return result.paths[0], result.paths[1]


def _opened(path, viewer=None, images=()):
    """A viewer with nothing but what lies at the path, the layer, and what was told."""
    (entry,) = survey([path])
    result = opened(entry, images=images)
    viewer = viewer or ViewerModel()
    ((data, settings, kind),) = result.layers
    return viewer, getattr(viewer, f"add_{kind}")(data, **settings), result.notes


@pytest.mark.parametrize(
    ("content", "key"), [(VOLUME, "nifti"), (PICTURE, "ome_tiff"), (PICTURE, "ome_zarr"), (PICTURE, "png")]
)
def test_states_classes_and_makers_are_as_they_were_left(content, key, tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer, content)
    mask, _ = _exported(layer, viewer, tmp_path, key)
    again, reopened, notes = _opened(mask)
    assert notes == ()
    table = review_of(reopened, again).table
    assert table.ids == (1, 3, 4)
    assert {number: table.record(number) for number in table.ids} == {n: review.audit.objects[n] for n in (1, 3, 4)}
    states = {number: str(table.record(number).state) for number in table.ids}
    assert states == {1: "accepted", 3: "edited", 4: "proposed"}
    assert table.record(3).class_name == "cyst"
    assert table.record(4).made_by == MODEL
    assert review_of(reopened, again).audit.objects[3].algorithm_type is AlgorithmType.SEMIAUTOMATIC
    review_of(reopened, again).reclassify([4], "cyst")  # it can be painted on and reviewed further


def test_what_nobody_reviewed_after_it_was_opened_keeps_its_trail_when_it_is_exported(tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer)
    mask, trail = _exported(layer, viewer, tmp_path)
    again, reopened, _ = _opened(mask)
    (tmp_path / "second").mkdir()
    _, second = _exported(reopened, again, tmp_path / "second", as_objects=None)
    first_trail, second_trail = (AuditTrail.from_json(one.read_text()) for one in (trail, second))
    kept = {number: first_trail.objects[number] for number in (1, 3, 4)}
    assert {number: second_trail.objects[number] for number in kept} == kept
    assert second_trail.objects[2].state is ObjectState.REMOVED  # it was rejected, and so not in the mask
    assert review.audit.objects[2].state is ObjectState.REJECTED


def test_a_mask_lies_on_the_open_image_of_the_same_grid(tmp_path):
    viewer = ViewerModel()
    layer, _ = _reviewed(viewer)
    mask, _ = _exported(layer, viewer, tmp_path)
    image = origin_of(layer).image
    other = image.replace(array=image.array[..., :-1])
    _, reopened, _ = _opened(mask, images=[other, image])
    assert origin_of(reopened).image is image
    assert (np.asarray(reopened.data) == np.where(layer.data == 2, 0, layer.data)).all()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A mask of objects 1, 3 and 4, and its trail."""
    viewer = ViewerModel()
    layer, _ = _reviewed(viewer)
    return _exported(layer, viewer, tmp_path_factory.mktemp("exported"))


def _damage(trail):
    trail.write_text(trail.read_text()[:-40])


def _no_text(trail):
    trail.write_bytes(b"\xff\xfe\x00")


def _nested(trail):
    trail.write_text("[" * 100_000)


def _class_is_a_number(trail):
    content = json.loads(trail.read_text())
    content["objects"]["1"]["class_name"] = 5
    trail.write_text(json.dumps(content))


def _one_object_more(trail):
    content = json.loads(trail.read_text())
    content["objects"]["9"] = content["objects"]["1"]
    trail.write_text(json.dumps(content))


def _one_object_less(trail):
    content = json.loads(trail.read_text())
    del content["objects"]["4"]
    trail.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_damage, "damaged"),
        (_no_text, "damaged"),
        (_nested, "damaged"),
        (_class_is_a_number, "damaged"),
        (_one_object_more, "other objects"),
        (_one_object_less, "other objects"),
    ],
)
def test_a_trail_that_is_damaged_or_of_another_mask_is_told_and_left_out(spoil, reason, exported, tmp_path):
    mask, trail = (Path(shutil.copy(path, tmp_path)) for path in exported)
    spoil(trail)
    again, reopened, (told,) = _opened(mask)
    assert reason in told
    assert "\n" not in told
    assert {record.state for record in review_of(reopened, again).audit.objects.values()} == {ObjectState.PROPOSED}


def test_a_mask_of_classes_says_that_its_trail_is_of_objects(tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer)
    review.delete([4])  # classes 1 and 2 are left, and objects 1 and 3
    mask, _ = _exported(layer, viewer, tmp_path, as_objects=False)
    _, reopened, (told,) = _opened(mask)
    assert "the mask holds classes" in told
    assert shows_classes(reopened)


def test_a_file_without_a_trail_opens_as_an_image_as_before(tmp_path):
    viewer = ViewerModel()
    layer, _ = _reviewed(viewer)
    mask, trail = _exported(layer, viewer, tmp_path)
    trail.unlink()
    _, reopened, notes = _opened(mask)
    assert type(reopened).__name__ == "Image"
    assert notes == ()
    assert isinstance(origin_of(reopened), Origin)
    assert read_image(mask).spatial_shape == origin_of(reopened).image.spatial_shape
