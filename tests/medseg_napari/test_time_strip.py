"""Objects per frame: counted by hand, linked both ways with the frame slider, up to date after edits."""

import numpy as np
import pytest
from medseg_napari.layers import origin_of
from medseg_napari.reviewing.frames import objects_per_frame
from medseg_napari.reviewing.session import review_of

SEQUENCE = np.zeros((4, 12, 12), np.uint16)
SEQUENCE[0, 1:3, 1:3], SEQUENCE[0, 6:8, 6:8] = 1, 2
SEQUENCE[1, 1:3, 2:4], SEQUENCE[1, 6:8, 7:9], SEQUENCE[1, 10, 10] = 1, 2, 3
SEQUENCE[3, 4, 4] = 2


def test_an_object_counts_in_each_frame_that_it_is_in():
    assert objects_per_frame(SEQUENCE).tolist() == [2, 3, 0, 1]
    assert objects_per_frame(np.ones((2, 3, 3), np.int32)).tolist() == [1, 1]  # a frame without background


@pytest.fixture
def docked(make_napari_viewer_proxy, qtbot):
    from medseg_napari.widgets.time_strip import TimeStripWidget

    viewer = make_napari_viewer_proxy()
    viewer.add_image(SEQUENCE.astype(np.float32), name="cells", scale=(1, 0.5, 0.5))
    layer = viewer.add_labels(SEQUENCE.copy(), name="tracked", scale=(1, 0.5, 0.5))
    widget = TimeStripWidget(viewer)
    viewer.window.add_dock_widget(widget, area="bottom")
    qtbot.waitUntil(lambda: widget.bars.counts.size == 4, timeout=10_000)
    return viewer, layer, widget


@pytest.mark.viewer
def test_the_slider_and_the_strip_follow_each_other(docked, qtbot):
    viewer, _, widget = docked
    viewer.dims.set_point(0, 1)
    assert widget.headline.text() == "Frame 1 of 0-3: 3 objects"
    widget.bars.resize(400, 90)
    width = widget.bars.width()
    widget.bars.clicked.emit(widget.bars.frame_at(width * 0.9))
    assert viewer.dims.point[0] == 3
    assert (widget.bars.frame, widget.headline.text()) == (3, "Frame 3 of 0-3: 1 object")


@pytest.mark.viewer
def test_the_strip_follows_edits_and_the_list_of_layers(docked, qtbot):
    viewer, layer, widget = docked
    layer.data_setitem((np.array([2]), np.array([5]), np.array([5])), 9)  # a stroke before there is a review
    layer.events.paint(value=[((np.array([2]), np.array([5]), np.array([5])), np.array([0]), 9)])
    assert widget.bars.counts.tolist() == [2, 3, 1, 1]
    review = review_of(layer, viewer)
    review.delete([9])  # the strip finds the review by itself, and counts again
    qtbot.waitUntil(lambda: widget.bars.counts.tolist() == [2, 3, 0, 1], timeout=10_000)
    review.delete([2])
    assert widget.bars.counts.tolist() == [1, 2, 0, 0]
    layer.undo()
    assert widget.bars.counts.tolist() == [2, 3, 0, 1]
    viewer.layers.remove(layer)
    assert widget.bars.counts.size == 0
    assert "sequence" in widget.headline.text()


@pytest.mark.viewer
def test_a_stack_becomes_a_time_series_once_a_person_says_so(docked):
    viewer, _, widget = docked
    stack = viewer.layers["cells"]
    viewer.layers.selection.active = stack
    assert not widget.as_frames.isHidden()
    widget.as_frames.click()
    series = viewer.layers[-1]
    assert series.name == "cells · 4 frames"
    assert origin_of(series).times.numbers == (0, 1, 2, 3)
    assert series.axis_labels == ("t", "y", "x")
    assert np.shares_memory(series.data, stack.data)
    assert not stack.visible
    viewer.layers.selection.active = series
    assert widget.as_frames.isHidden()  # it is one already
