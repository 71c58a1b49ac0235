"""A straight copy lies along the axes of the body and says of every place what the scan says of it."""

import numpy as np
import pytest
from medseg_napari.layers import image_layer, labels_on
from medseg_napari.layers.straight import STRAIGHT_OF, StraightRequest, can_be_straightened, straight_copy
from napari.layers import Layer

from medseg.errors import Cancelled
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelTable

SHAPE = (12, 10, 8)
SPACING = (0.8, 0.9, 2.5)
SLOPE = np.array([2.0, -3.0, 5.0])


def _axes(kind):
    """Columns towards left, back and head, in RAS: oblique by two turns, or slices that lean against the table."""
    a, b = np.radians(17), np.radians(-23)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    upright = np.diag([-1.0, -1.0, 1.0])
    if kind == "oblique":
        return about_z @ about_x @ upright
    return np.column_stack([*(about_x @ upright).T[:2], [0, 0, 1]])


def _scan(kind, *, dtype=np.float64):
    """A volume whose value is linear in the place, so that linear interpolation has nothing to lose."""
    matrix = np.eye(4)
    matrix[:3, :3] = _axes(kind) * SPACING
    matrix[:3, 3] = (10.0, -20.0, 30.0)
    places = np.indices(SHAPE).reshape(3, -1).T @ matrix[:3, :3].T + matrix[:3, 3]
    values = (places @ SLOPE).reshape(SHAPE).astype(dtype)
    metadata = ImageMetadata(value_unit="HU", modality="CT", instance_uids=tuple("abcdefgh"))
    return Image(values[np.newaxis], Affine(matrix, frame=WorldFrame.RAS), "CXYZ", metadata)


def _copied(layer, *, are_labels=False, **options):
    request = StraightRequest(layer.metadata["medseg"], np.asarray(layer.data), are_labels, "copy", {})
    progress, cancelled = options.get("progress", lambda _: None), options.get("cancelled", lambda: False)
    return straight_copy(request, progress, cancelled)


def _places(data, settings):
    """RAS place of each voxel of a layer, from what napari is told alone: z, y, x of LPS."""
    zyx = np.indices(data.shape).reshape(3, -1).T * settings["scale"] + settings["translate"]
    return zyx[:, ::-1] * (-1, -1, 1)


def _in_scan(image, places):
    """Index in the scan of each place."""
    matrix = image.affine.matrix
    return (places - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T


@pytest.mark.parametrize("kind", ["oblique", "tilted"])
def test_every_voxel_of_the_copy_has_the_value_of_its_place(kind):
    image = _scan(kind)
    layer = Layer.create(*image_layer(image, name="scan")[0])
    assert can_be_straightened(layer)
    data, settings, layer_type = _copied(layer)
    places = _places(data, settings)
    index = _in_scan(image, places)
    inside = ((index >= 0) & (index <= np.array(SHAPE) - 1)).all(axis=1)
    assert layer_type == "image"
    assert inside.sum() > 300
    assert np.allclose(data.reshape(-1)[inside], (places @ SLOPE)[inside], atol=1e-9)
    far = ((index < -0.51) | (index > np.array(SHAPE) - 0.49)).any(axis=1)
    assert far.any()
    assert (data.reshape(-1)[far] == image.array.min()).all()


@pytest.mark.parametrize("kind", ["oblique", "tilted"])
def test_the_copy_holds_the_whole_scan_in_voxels_of_its_size(kind):
    image = _scan(kind)
    layer = Layer.create(*image_layer(image, name="scan")[0])
    data, settings, _ = _copied(layer)
    assert settings["scale"] == pytest.approx(SPACING[::-1])
    copy = _places(data, settings)
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(SHAPE) - 1)
    scan = corners @ image.affine.matrix[:3, :3].T + image.affine.matrix[:3, 3]
    # Its first voxels stand at the scan's outermost centres in LPS, its last less than a voxel beyond the others.
    assert copy[:, 2].min() == pytest.approx(scan[:, 2].min())
    assert copy[:, :2].max(axis=0) == pytest.approx(scan[:, :2].max(axis=0))
    beyond = np.array([*(scan[:, :2].min(0) - copy[:, :2].min(0)), copy[:, 2].max() - scan[:, 2].max()])
    assert (beyond >= -1e-6).all()
    assert (beyond < SPACING).all()


def test_labels_are_taken_from_the_nearest_voxel():
    image = _scan("oblique")
    origin = image_layer(image, name="scan")[0][1]["metadata"]["medseg"]
    numbers = np.random.default_rng(3).integers(1, 200, SHAPE).astype(np.uint16)
    table = LabelTable.from_names(("background", "lesion"))
    layer = Layer.create(*labels_on(origin, origin.to_layer(numbers), table=table, name="lesions"))
    data, settings, layer_type = _copied(layer, are_labels=True)
    index = _in_scan(image, _places(data, settings))
    nearest = np.rint(index).astype(int)
    certain = (np.abs(index - nearest) < 0.499).all(axis=1)
    inside = ((nearest >= 0) & (nearest < SHAPE)).all(axis=1)
    assert (layer_type, data.dtype) == ("labels", np.uint16)
    expected = numbers[tuple(nearest[inside & certain].T)]
    assert np.array_equal(data.reshape(-1)[inside & certain], expected)
    assert not data.reshape(-1)[~inside & certain].any()


def test_whole_numbers_stay_whole_and_are_rounded():
    image = _scan("oblique", dtype=np.int16)
    data, _, _ = _copied(Layer.create(*image_layer(image, name="scan")[0]))
    floats = image.replace(array=image.array.astype(np.float64))
    between, _, _ = _copied(Layer.create(*image_layer(floats, name="scan")[0]))
    assert data.dtype == np.int16
    assert np.abs(between - np.rint(between)).max() > 0.4
    assert np.abs(data - between).max() < 0.501


def test_a_copy_knows_what_it_is_a_copy_of_and_is_no_series_any_more():
    image = _scan("tilted")
    layer = Layer.create(*image_layer(image, name="scan")[0])
    _, settings, _ = _copied(layer)
    metadata = settings["metadata"]
    assert metadata[STRAIGHT_OF].image is image
    assert not metadata["medseg"].is_oblique
    assert metadata["medseg"].image.metadata.instance_uids == ()
    assert metadata["medseg"].image.metadata.value_unit == "HU"
    assert settings["units"] == ("mm",) * 3


def test_an_upright_scan_and_a_picture_need_no_copy(marked_volume):
    from napari.layers import Image as ImageLayer

    assert not can_be_straightened(Layer.create(*image_layer(marked_volume(), name="scan")[0]))
    assert not can_be_straightened(ImageLayer(np.zeros((4, 5))))


def test_a_copy_tells_how_far_it_is_and_stops_when_told(monkeypatch):
    monkeypatch.setattr("medseg_napari.layers.straight._VOXELS_AT_ONCE", 1)
    layer = Layer.create(*image_layer(_scan("oblique"), name="scan")[0])
    fractions = []
    whole = _copied(layer, progress=fractions.append)[0]
    assert fractions == [(slice_ + 1) / len(whole) for slice_ in range(len(whole))]
    with pytest.raises(Cancelled):
        _copied(layer, cancelled=lambda: True)
    monkeypatch.undo()
    assert np.allclose(_copied(layer)[0], whole, atol=1e-9)
