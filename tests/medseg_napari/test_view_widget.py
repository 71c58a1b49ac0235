"""The View dock in a real window: planes, 3-D, windows and their keys, straight copies, all as a person would."""

import numpy as np
import pytest
from medseg_napari.layers import image_layer, labels_layer
from medseg_napari.layers.straight import STRAIGHT_OF
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable

pytestmark = pytest.mark.viewer


@pytest.fixture
def dock(make_napari_viewer_proxy):
    from medseg_napari.widgets.view import ViewWidget

    viewer = make_napari_viewer_proxy(show=True)
    widget = ViewWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right", name="View")
    return viewer, widget


def _scan(degrees):
    """A scan in HU and a mask on it, turned about the left-right axis."""
    turn = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:3, :3] = [[-1, 0, 0], [0, -np.cos(turn), -np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]]
    array = np.random.default_rng(1).integers(-100, 100, (1, 24, 22, 20)).astype(np.int16)
    image = Image(array, Affine(matrix, frame=WorldFrame.RAS), "CXYZ", ImageMetadata(value_unit="HU", modality="CT"))
    lesions = LabelMap(
        (array[0] > 90).astype(np.uint8), image.affine, "XYZ", LabelTable.from_names(("background", "lesion"))
    )
    return [*image_layer(image, name="CT"), labels_layer(lesions, name="lesions", image=image)]


@pytest.fixture
def oblique():
    return _scan(20)


def _add(viewer, layers):
    return [getattr(viewer, f"add_{kind}")(data, **settings) for data, settings, kind in layers]


def _pressed(buttons):
    return [name for name, button in buttons.items() if button.isChecked()]


def test_without_a_scan_the_dock_says_how_to_begin_and_nothing_can_be_pressed(dock):
    viewer, widget = dock
    assert "Open a scan" in widget.note.text()
    viewer.add_image(np.zeros((20, 20)))
    assert not widget.planes.isEnabled()
    assert not widget.windows.isEnabled()


def test_windows_follow_buttons_keys_boxes_and_the_sliders_of_napari(dock, qtbot):
    viewer, widget = dock
    ct, lesions = _add(viewer, _scan(0))
    assert widget.windows.isEnabled()
    assert viewer.layers.selection.active.name == lesions.name  # the CT below it is meant all the same
    assert _pressed(widget.window_buttons) == ["Soft tissue"]
    assert (widget.level.value(), widget.width_of_window.value()) == (40, 400)
    widget.window_buttons["Lung"].click()
    assert tuple(ct.contrast_limits) == (-1350, 150)
    assert _pressed(widget.window_buttons) == ["Lung"]
    qtbot.keyClick(widget.window(), Qt.Key.Key_F7)
    assert tuple(ct.contrast_limits) == (-450, 1050)
    assert (widget.level.value(), widget.width_of_window.value()) == (300, 1500)
    widget.width_of_window.setValue(100)
    assert tuple(ct.contrast_limits) == (250, 350)
    assert _pressed(widget.window_buttons) == []
    ct.contrast_limits = (0, 80)
    assert _pressed(widget.window_buttons) == ["Brain"]
    viewer.layers.clear()
    assert not widget.windows.isEnabled()


def test_planes_and_3d_are_one_click_and_the_button_shows_which(dock):
    viewer, widget = dock
    _add(viewer, _scan(0))
    assert _pressed(widget.plane_buttons) == ["Axial"]
    widget.plane_buttons["Sagittal"].click()
    assert tuple(viewer.dims.order) == (2, 0, 1)
    assert _pressed(widget.plane_buttons) == ["Sagittal"]
    widget.plane_buttons["3-D"].click()
    assert viewer.dims.ndisplay == 3
    assert _pressed(widget.plane_buttons) == ["3-D"]
    viewer.dims.ndisplay = 2
    assert _pressed(widget.plane_buttons) == ["Axial"]


def _blocks():
    """A body with blocks at head, left and face, and a wall at the back that the face must hide."""
    array = np.zeros((40, 40, 40), np.uint8)
    array[16:24, 16:24, 32:38] = 1  # head
    array[32:38, 16:24, 16:24] = 2  # patient's left
    array[12:24, 2:8, 12:24] = 3  # face
    array[14:22, 32:38, 14:22] = 4  # back, right behind the face
    affine = Affine(np.eye(4), frame=WorldFrame.LPS).to_frame(WorldFrame.RAS)
    return LabelMap(array, affine, "XYZ", LabelTable.from_names(("background", "head", "left", "face", "back")))


def test_3d_shows_the_face_the_head_above_and_the_left_on_the_right(dock):
    viewer, widget = dock
    (body,) = _add(viewer, [labels_layer(_blocks(), name="body")])
    body.iso_gradient_mode = "fast"
    widget.plane_buttons["Sagittal"].click()  # the head is up there, which must not turn the body over
    widget.plane_buttons["3-D"].click()
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    seen = {name: _places(picture, body.get_color(value)) for value, name in enumerate(("head", "left", "face"), 1)}
    middle = seen["face"].mean(0)
    assert seen["head"].mean(0)[0] < middle[0] - 20
    assert seen["left"].mean(0)[1] > middle[1] + 20
    assert len(_places(picture, body.get_color(4))) == 0


def _places(picture, colour):
    """Row and column of the pixels of a colour, whatever the light on it."""
    hue = np.asarray(colour)[:3] / np.linalg.norm(np.asarray(colour)[:3])
    pixels = picture / np.maximum(np.linalg.norm(picture, axis=-1, keepdims=True), 1)
    return np.argwhere((pixels @ hue > 0.99) & (picture.sum(-1) > 100))


def test_the_letters_are_on_the_canvas(dock):
    viewer, _ = dock
    _add(viewer, _scan(0)[:1])
    viewer.layers[0].opacity = 0  # the letters alone
    shown = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    bright = np.argwhere(shown.sum(-1) > 300)
    height, width = shown.shape[:2]
    near = {
        "left": (bright[:, 1] < 40) & (abs(bright[:, 0] - height / 2) < 30),
        "right": (bright[:, 1] > width - 40) & (abs(bright[:, 0] - height / 2) < 30),
        "top": (bright[:, 0] < 40) & (abs(bright[:, 1] - width / 2) < 30),
        "bottom": (bright[:, 0] > height - 40) & (abs(bright[:, 1] - width / 2) < 30),
    }
    assert all(pixels.sum() > 10 for pixels in near.values()), {side: pixels.sum() for side, pixels in near.items()}


def _millimetres(layer, point):
    """The numbers of the status at a point of the viewer."""
    words = layer.get_status(point, world=True)["coords"].split()
    return [
        float(number) * (1 if letter in "LPS" else -1) for letter, number in zip(words[:-1:2], words[1::2], strict=True)
    ]


def test_show_straight_adds_copies_on_each_other_that_cannot_be_painted(dock, qtbot, oblique):
    viewer, widget = dock
    ct, lesions = _add(viewer, oblique)
    assert "does not lie along the axes of the body" in widget.note.text()
    assert widget.straight.isVisible()
    ct.contrast_limits = (-50, 50)
    viewer.layers.selection.select_only(ct)
    viewer.layers.selection.add(lesions)
    viewer.dims.set_point(range(3), ct.data_to_world((5, 6, 7)))
    place = _millimetres(ct, ct.data_to_world((5, 6, 7)))
    widget.straight.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=30_000)
    scan, mask = viewer.layers[2], viewer.layers[3]
    assert [layer.name for layer in (scan, mask)] == ["CT, straight", "lesions, straight"]
    assert np.array_equal(scan.extent.world, mask.extent.world)
    assert tuple(scan.contrast_limits) == (-50, 50)
    assert not mask.editable
    assert STRAIGHT_OF in scan.metadata
    assert _millimetres(scan, viewer.dims.point) == pytest.approx(place, abs=0.55)  # the same place, on a slice of 1 mm
    assert (ct.visible, lesions.visible) == (False, False)
    viewer.layers.selection.select_only(scan)
    assert not widget.straight.isVisible()


def test_cancel_adds_nothing_and_it_can_be_asked_again(dock, qtbot, oblique):
    viewer, widget = dock
    (scan,) = _add(viewer, oblique[:1])
    widget.straight.click()
    (cancel,) = widget.straightening.dialog.findChildren(QPushButton)
    with qtbot.waitSignal(widget.straightening.ended, timeout=30_000):
        cancel.click()
    assert len(viewer.layers) == 1
    assert scan.visible
    assert widget.straight.isEnabled()


def test_the_entry_of_the_layers_menu_does_the_same(make_napari_viewer, qtbot, oblique):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer(show=True)
    (scan,) = _add(viewer, oblique[:1])
    get_app_model().commands.execute_command("medseg.show_straight")
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    assert viewer.layers[1].name == "CT, straight"
    assert not scan.visible
    get_app_model().commands.execute_command("medseg.show_straight")  # of the copy, which is straight: a word, no copy
    assert len(viewer.layers) == 2
