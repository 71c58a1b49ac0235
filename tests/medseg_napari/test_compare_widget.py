"""The Compare dock in a real window: differences in three colours that follow edits, and scores beside them."""

import numpy as np
import pytest
from medseg_napari._sample_data import ct_with_lesions
from medseg_napari.layers import origin_of
from medseg_napari.layers.placement import labels_on
from medseg_napari.review.comparison import Difference
from medseg_napari.reviewing.session import review_of
from medseg_napari.widgets.compare import CompareWidget

from medseg.images import LabelTable

pytestmark = pytest.mark.viewer
LESION = LabelTable.from_names(["background", "lesion"])


@pytest.fixture
def docked(make_napari_viewer_proxy, qtbot):
    """A CT, a reference with objects 2 and 3, objects 5 (where 2 is, one slice more) and 7 (where nothing is)."""
    viewer = make_napari_viewer_proxy()
    data, settings, _ = ct_with_lesions()[0]
    image = viewer.add_image(data, **settings)
    reference, objects = np.zeros((2, *data.shape), np.uint16)
    reference[10:14, 40:48, 40:48], reference[30:34, 60:66, 60:66] = 2, 3
    objects[10:15, 40:48, 40:48], objects[50:52, 90:94, 90:94] = 5, 7
    for name, labels in (("reference", reference), ("objects", objects)):
        values, given, _ = labels_on(origin_of(image), labels, table=LESION, name=name)
        viewer.add_labels(values, **given)
    widget = CompareWidget(viewer)
    viewer.window.add_dock_widget(widget)
    return viewer, widget


def compared(qtbot, widget):
    widget.start()
    qtbot.waitUntil(lambda: widget._job is None and widget.comparison is not None, timeout=30_000)
    measured(qtbot, widget)


def measured(qtbot, widget):
    qtbot.waitUntil(lambda: widget.scores["hd95"].text() not in {"…", "–"}, timeout=30_000)


@pytest.mark.parametrize("most_voxels_now", [4_000_000, 0])  # on the spot, and beside the window
def test_differences_and_scores_follow_the_edits(most_voxels_now, docked, qtbot, monkeypatch):
    monkeypatch.setattr("medseg_napari.widgets.compare._MOST_VOXELS_NOW", most_voxels_now)
    viewer, widget = docked
    assert (widget.objects.currentText(), widget.reference.currentText()) == ("objects", "reference")
    compared(qtbot, widget)
    drawn, objects = widget.differences.data, viewer.layers["objects"]
    counts = {key: int((drawn == key).sum()) for key in Difference}
    assert counts[Difference.BOUNDARY] == 8 * 8
    assert counts[Difference.MISSED] == 4 * 6 * 6
    assert counts[Difference.SPURIOUS] == 2 * 4 * 4
    texts = [widget.counts[key].text() for key in (Difference.MISSED, Difference.SPURIOUS)]
    assert texts == ["1 missed", "1 spurious"]
    both, reference, found = 4 * 64, 4 * 64 + 4 * 36, 5 * 64 + 2 * 16
    assert widget.scores["dice"].text() == f"{2 * both / (reference + found):.3f}"
    assert widget.differences.scale.tolist() == objects.scale.tolist()

    review = review_of(objects, viewer)
    review.delete([7])
    qtbot.waitUntil(lambda: widget._update is None, timeout=10_000)
    assert widget.counts[Difference.SPURIOUS].text() == "0 spurious"
    assert not (drawn == Difference.SPURIOUS).any()
    assert widget.scores["dice"].text() == f"{2 * both / (reference + 5 * 64):.3f}"
    assert widget.scores["hd95"].text() == "…"
    measured(qtbot, widget)
    assert widget.scores["hd95"].text().endswith(" mm")
    objects.undo()
    review.grow(5)
    objects.undo()
    qtbot.waitUntil(lambda: widget._update is None, timeout=10_000)
    assert widget.scores["dice"].text() == f"{2 * both / (reference + found):.3f}"
    assert (drawn == Difference.SPURIOUS).sum() == 2 * 4 * 4


def test_rejected_objects_do_not_count_and_the_dock_says_so(docked, qtbot):
    viewer, widget = docked
    objects = viewer.layers["objects"]
    review_of(viewer.layers["reference"], viewer).reject([3])
    compared(qtbot, widget)
    assert widget.counts[Difference.MISSED].text() == "0 missed"
    assert widget.status.text().endswith("Rejected and left out: 1 of the reference.")
    review_of(objects, viewer).reject([7])
    measured(qtbot, widget)
    assert widget.counts[Difference.SPURIOUS].text() == "0 spurious"
    assert widget.status.text().endswith("Rejected and left out: 1 object, 1 of the reference.")
    assert widget.scores["dice"].text() == f"{2 * 4 / (4 + 5):.3f}"  # slices of 8 x 8
    objects.undo()
    assert widget.counts[Difference.SPURIOUS].text() == "1 spurious"


def test_a_click_on_a_missed_object_shows_its_place(docked, qtbot):
    viewer, widget = docked
    compared(qtbot, widget)
    widget._fly(widget.list.item(0))
    layer = viewer.layers["objects"]
    at = layer.world_to_data(viewer.dims.point)[0]
    assert 30 <= round(float(at)) < 34  # slices of the reference object that was missed


def test_masks_on_different_grids_are_refused_in_words(docked):
    viewer, widget = docked
    viewer.add_labels(np.ones((4, 5, 6), np.uint8), name="other", scale=(2.0, 2.0, 2.0))
    widget.reference.setCurrentText("other")
    assert "different grids" in widget.status.text()
    assert "4 × 5 × 6 voxels of 2 × 2 × 2" in widget.status.text()
    assert not widget.button.isEnabled()


def test_the_comparison_ends_with_its_layer(docked, qtbot):
    viewer, widget = docked
    compared(qtbot, widget)
    viewer.layers.remove(widget.differences)
    assert widget.comparison is None
    review_of(viewer.layers["objects"], viewer).delete([7])  # nobody listens any more
    assert widget.scores["dice"].text() == "–"
    compared(qtbot, widget)
    widget.stop()
    assert [layer.name for layer in viewer.layers] == ["CT", "reference", "objects"]


def test_without_two_masks_it_says_how_to_begin(make_napari_viewer_proxy, qtbot):
    widget = CompareWidget(make_napari_viewer_proxy())
    qtbot.addWidget(widget)
    assert "two layers of labels" in widget.status.text()
    assert not widget.button.isEnabled()
