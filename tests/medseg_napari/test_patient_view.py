"""Letters stand at the right edges, the patient is never a mirror image, and places are told in the patient's words."""

import itertools

import numpy as np
import pytest
from medseg_napari.layers import image_layer, labels_on
from medseg_napari.layers.letters import edge_letters
from medseg_napari.layers.patient_view import patient_layer, watch
from medseg_napari.layers.planes import PLANES, plane_shown, show_in_3d, show_plane
from medseg_napari.layers.window_choice import show_window, windowed_layer
from medseg_napari.layers.windows import WINDOWS, level_and_width, limits_of
from napari.components import ViewerModel
from napari.layers import Layer

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelTable

ALL_ORDERS = [
    "".join(letters) for axes in itertools.permutations(("RL", "AP", "SI")) for letters in itertools.product(*axes)
]
RAS_STEPS = {"R": (1, 0, 0), "L": (-1, 0, 0), "A": (0, 1, 0), "P": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
SPACING = (0.8, 0.9, 2.5)
SIDES = ("left", "right", "top", "bottom")


def _volume(direction, *, shape=(3, 4, 5), **metadata):
    """A volume of three channels, whose values are the RAS place of each voxel."""
    matrix = np.eye(4)
    matrix[:3, :3] = direction * SPACING
    matrix[:3, 3] = (10.0, -20.0, 30.0)
    index = np.indices(shape).reshape(3, -1)
    places = (matrix[:3, :3] @ index + matrix[:3, 3:]).reshape(3, *shape)
    return Image(places, Affine(matrix, frame=WorldFrame.RAS), "CXYZ", ImageMetadata(**metadata))


def _showing(image, name="scan"):
    viewer = ViewerModel()
    watch(viewer)
    for data, settings, _ in image_layer(image, name=name):
        viewer.add_image(data, **settings)
    return viewer


def _letters(viewer):
    overlays = [viewer.canvas.overlays[f"medseg_{side}"] for side in SIDES]
    return tuple(overlay.text for overlay in overlays) if all(one.visible for one in overlays) else None


def _read_off(channels, order, camera):
    """The letters by the places that stand at the edges of what is drawn: no affine of ours is asked."""
    places = np.stack([np.transpose(data, order)[0] for data in channels])  # (xyz, vertical, horizontal)
    down = places[:, -1, 0] - places[:, 0, 0]
    right = places[:, 0, -1] - places[:, 0, 0]
    down, right = down * (1 if camera[0] == "down" else -1), right * (1 if camera[1] == "right" else -1)

    def letter(step):
        axis = int(np.argmax(np.abs(step)))
        return ("RL", "AP", "SI")[axis][0 if step[axis] > 0 else 1]

    return tuple(letter(step) for step in (-right, right, -down, down))


@pytest.mark.parametrize("orientation", ALL_ORDERS)
def test_letters_name_the_places_at_the_edges_in_any_of_48_orders_and_every_view(orientation):
    layers = image_layer(_volume(np.array([RAS_STEPS[letter] for letter in orientation], float).T), name="scan")
    channels = [data for data, _, _ in layers]
    layer = Layer.create(*layers[0])
    # Whatever the file's order is, slices stand as on film.
    assert _read_off(channels, (0, 1, 2), ("down", "right")) == ("R", "L", "A", "P")
    for order in itertools.permutations(range(3)):
        for camera in itertools.product(("up", "down"), ("left", "right")):
            letters = edge_letters(layer, order[1:], ndim=3, orientation=camera)
            assert tuple(getattr(letters, side) for side in SIDES) == _read_off(channels, order, camera), (
                order,
                camera,
            )


def test_the_canvas_follows_when_axes_are_rolled_transposed_or_turned_over():
    viewer = _showing(_volume(_turned(0)))
    channels = [layer.data for layer in viewer.layers]
    for change in (viewer.dims.roll, viewer.dims.transpose, viewer.dims.roll):
        change()
        assert _letters(viewer) == _read_off(channels, viewer.dims.order, ("down", "right"))
    viewer.scene.camera.orientation2d = ("up", "left")
    assert _letters(viewer) == _read_off(channels, viewer.dims.order, ("up", "left"))


def _turned(degrees):
    """Axes towards left, back and head, turned about the left-right axis: the back of a slice towards the feet."""
    turn = np.radians(degrees)
    return np.array([[-1, 0, 0], [0, -np.cos(turn), -np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]])


def test_an_oblique_slice_has_two_letters_the_nearer_first():
    viewer = _showing(_volume(_turned(20)))
    # By hand: rows lead to the back (cos 20) and the feet (sin 20), slices to the head (cos 20) and the back (sin 20).
    assert _letters(viewer) == ("R", "L", "AS", "PI")
    show_plane(viewer, "Sagittal")
    assert _letters(viewer) == ("AS", "PI", "SP", "IA")


def test_three_degrees_are_not_worth_a_second_letter():
    assert _letters(_showing(_volume(_turned(3)))) == ("R", "L", "A", "P")


def test_a_layer_rotated_in_napari_takes_its_letters_along():
    viewer = _showing(_volume(_turned(0)))
    for layer in viewer.layers:
        # A quarter turn in the plane: the layer's y now grows along the world's x, and its x against the world's y.
        layer.affine = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    assert _letters(viewer) == ("A", "P", "L", "R")


def test_no_letters_in_3d_over_pictures_or_over_an_axis_that_is_no_place():
    viewer = _showing(_volume(_turned(0)))
    viewer.dims.ndisplay = 3
    assert _letters(viewer) is None
    viewer.dims.ndisplay = 2
    viewer.add_image(np.zeros((2, 3, 4, 5)))
    viewer.layers.selection.active = viewer.layers[0]
    assert _letters(viewer) == ("R", "L", "A", "P")
    viewer.dims.order = (1, 2, 0, 3)  # time runs down the screen
    assert _letters(viewer) is None
    viewer.layers.clear()
    viewer.add_image(np.zeros((6, 7)))
    assert _letters(viewer) is None


def test_the_letters_are_those_of_the_active_scan():
    viewer = _showing(_volume(_turned(0)), name="upright")
    data, settings, _ = image_layer(_volume(_turned(20)), name="oblique")[0]
    oblique = viewer.add_image(data, **settings)
    assert patient_layer(viewer) is oblique
    viewer.layers.selection.active = viewer.layers[0]
    assert _letters(viewer) == ("R", "L", "A", "P")
    viewer.layers.selection.active = viewer.add_points(ndim=3)
    assert patient_layer(viewer) is oblique  # the topmost of those that are seen
    oblique.visible = False
    assert _letters(viewer) == ("R", "L", "A", "P")


def test_side_by_side_there_are_letters_where_they_are_right_for_all():
    viewer = _showing(_volume(_turned(0)))
    viewer.canvas.grid.enabled = True
    assert _letters(viewer) == ("R", "L", "A", "P")
    data, settings, _ = image_layer(_volume(_turned(20)), name="oblique")[0]
    oblique = viewer.add_image(data, **settings)
    assert _letters(viewer) is None
    oblique.visible = False
    assert _letters(viewer) == ("R", "L", "A", "P")
    viewer.add_image(np.zeros((4, 5)))
    assert _letters(viewer) is None
    viewer.canvas.grid.enabled = False
    assert _letters(viewer) == ("R", "L", "A", "P")


def test_a_layer_turned_over_by_its_scale_takes_its_letters_along():
    viewer = _showing(_volume(_turned(0)))
    viewer.layers[-1].scale = np.array(viewer.layers[-1].scale) * (1, 1, -1)
    assert _letters(viewer) == ("L", "R", "A", "P")
    assert str(viewer.scene.camera.orientation[0]) == "towards"  # turned over once more, it is no mirror image


def _is_mirrored(viewer):
    """By hand: (right, down, away) is right-handed, as is (left, back, head), which are the layer's axes 2, 1 and 0."""
    depth, vertical, horizontal = (str(one) for one in viewer.scene.camera.orientation)
    frame = np.zeros((3, 3))
    for row, (axis, sign) in enumerate(
        zip(viewer.dims.order, (depth == "away", vertical == "down", horizontal == "right"), strict=True)
    ):
        frame[2 - row, 2 - axis] = 1 if sign else -1
    return np.linalg.det(frame) < 0


def test_no_order_of_axes_and_no_orientation_makes_a_mirror_image():
    viewer = _showing(_volume(_turned(0)))
    for order in itertools.permutations(range(3)):
        viewer.dims.order = order
        for camera in itertools.product(("towards", "away"), ("up", "down"), ("left", "right")):
            viewer.scene.camera.orientation = camera
            assert not _is_mirrored(viewer), (order, camera)


def test_watching_twice_is_watching_once():
    viewer = ViewerModel()
    watch(viewer)
    first = viewer.layers.shown_by_medseg
    watch(viewer)
    assert viewer.layers.shown_by_medseg is first


@pytest.mark.parametrize(
    ("plane", "expected"),
    [("Axial", ("R", "L", "A", "P")), ("Coronal", ("R", "L", "S", "I")), ("Sagittal", ("A", "P", "S", "I"))],
)
def test_planes_stand_as_on_film(plane, expected):
    viewer = _showing(_volume(_turned(0)))
    show_in_3d(viewer)
    show_plane(viewer, plane)
    assert _letters(viewer) == expected
    assert plane_shown(viewer) == plane
    assert not _is_mirrored(viewer)


def test_planes_leave_time_in_front():
    viewer = _showing(_volume(_turned(0)))
    viewer.add_image(np.zeros((2, 3, 4, 5)))
    show_plane(viewer, "Coronal")
    assert viewer.dims.order == (0, 2, 1, 3)
    assert plane_shown(viewer) == "Coronal"


def test_3d_looks_from_the_front_with_the_head_up():
    viewer = _showing(_volume(_turned(0)))
    show_plane(viewer, "Sagittal")
    show_in_3d(viewer)
    assert plane_shown(viewer) is None
    assert viewer.scene.camera.view_direction == pytest.approx((0, 1, 0), abs=1e-6)  # z, y, x: to the back
    assert viewer.scene.camera.up_direction == pytest.approx((1, 0, 0), abs=1e-6)  # to the head
    assert not _is_mirrored(viewer)
    assert set(PLANES) == {"Axial", "Coronal", "Sagittal"}


@pytest.mark.parametrize("degrees", [0, 20])
def test_the_status_names_the_place_in_the_patient_and_the_value(degrees):
    image = _volume(_turned(degrees), value_unit="HU")
    viewer = _showing(image)
    index = (1, 2, 2)
    viewer.dims.current_step = index
    for axis, layer in enumerate(viewer.layers):
        x, y, z = (channel.data[index] for channel in viewer.layers)  # the channels are the place, in RAS
        status = layer.get_status(layer.data_to_world(index), world=True)
        expected = [("LR", -x), ("PA", -y), ("SI", z)]
        words = "  ".join(f"{letters[0 if value >= 0 else 1]} {abs(value):.1f}" for letters, value in expected)
        assert status["coords"] == f"{words} mm"
        assert status["coordinates"] == f"{words} mm: {status['value']}"
        number, unit = status["value"].split()
        assert unit == "HU"
        assert float(number) == pytest.approx((x, y, z)[axis], rel=1e-2)
    assert status["layer_name"] == viewer.layers[-1].name


def test_the_status_of_labels_has_no_unit_and_beside_the_canvas_nothing_is_said():
    viewer = _showing(_volume(_turned(0), value_unit="HU"))
    origin = viewer.layers[0].metadata["medseg"]
    table = LabelTable.from_names(("background", "lesion"))
    data, settings, _ = labels_on(origin, np.ones(origin.shape, np.uint8), table=table, name="lesions")
    labels = viewer.add_labels(data, **settings)
    assert labels.get_status(labels.data_to_world((1, 1, 1)), world=True)["value"].startswith("1")
    assert "HU" not in labels.get_status(labels.data_to_world((1, 1, 1)), world=True)["value"]
    assert labels.get_status()["coords"] == ""
    outside = viewer.layers[0].get_status((500.0, 500.0, 500.0), world=True)
    assert outside["value"] == ""
    assert outside["coordinates"] == outside["coords"]


def test_windows_are_for_the_active_ct_and_for_nothing_else():
    viewer = _showing(_volume(_turned(0)))
    before = [tuple(layer.contrast_limits) for layer in viewer.layers]
    show_window(viewer, "Lung")
    assert windowed_layer(viewer) is None
    assert [tuple(layer.contrast_limits) for layer in viewer.layers] == before
    data, settings, _ = image_layer(_volume(_turned(0), value_unit="HU"), name="CT")[0]
    ct = viewer.add_image(data, **settings)
    viewer.layers.selection.active = viewer.layers[0]
    show_window(viewer, "Lung")
    assert tuple(ct.contrast_limits) == (-1350.0, 150.0)


def test_a_window_is_its_level_and_width():
    # The settings in common use: lung -600/1500, soft tissue 40/400.
    assert level_and_width(WINDOWS["Lung"]) == (-600, 1500)
    assert limits_of(40, 400) == WINDOWS["Soft tissue"]
