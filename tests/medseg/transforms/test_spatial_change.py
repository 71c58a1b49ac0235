import math

import numpy as np
import pytest
from scipy import ndimage

from medseg.config import Augmentation
from medseg.transforms.spatial_change import (
    SpatialChange,
    cubic_basis,
    draw_spatial_change,
    reflected,
    take_patch,
)

STRONG = Augmentation(
    affine_probability=1, rotate_degrees=30, scale_fraction=0.2, elastic_probability=1, elastic_sigma_voxel=3
)


def patch_of(array, change, patch_size):
    """The linearly interpolated patch of one layer."""
    layers, _ = take_patch(
        [array[None].astype(np.float32)], np.zeros(array.shape, np.uint8), change, patch_size=patch_size
    )
    return layers[0]


def blobs(shape, seed=3):
    """Smooth random regions, some voxels wide."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 4)
    return (noise > 0).astype(np.uint8)


def test_reflection_mirrors_at_the_outermost_voxels():
    assert reflected(np.arange(-4, 8), 4).tolist() == [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    assert reflected(np.array([-1.5, 3.25]), 4).tolist() == [1.5, 2.75]
    assert reflected(np.arange(-2, 3), 1).tolist() == [0, 0, 0, 0, 0]


def test_patch_without_change_is_the_region_itself():
    array = np.arange(80, dtype=np.float32).reshape(8, 10)
    change = SpatialChange(start=(2, 3), flips=(False, False))
    np.testing.assert_array_equal(patch_of(array, change, (4, 5)), array[2:6, 3:8])


@pytest.mark.parametrize("shape", [(5, 9), (3, 9, 7)])
def test_patch_larger_than_the_image_is_mirrored_like_numpy_reflect(shape):
    array = np.random.default_rng(0).random(shape).astype(np.float32)
    change = SpatialChange(start=(-2,) * len(shape), flips=(False,) * len(shape))
    expected = np.pad(array, 2, mode="reflect")
    np.testing.assert_array_equal(patch_of(array, change, expected.shape), expected)


def test_axis_of_one_voxel_is_repeated():
    array = np.arange(6.0).reshape(1, 6)
    change = SpatialChange(start=(-1, 0), flips=(False, False))
    np.testing.assert_array_equal(patch_of(array, change, (3, 6)), np.repeat(array, 3, axis=0))
    sampled = SpatialChange(start=(-1, 0), flips=(False, False), matrix=np.eye(2))
    np.testing.assert_allclose(patch_of(array, sampled, (3, 6)), np.repeat(array, 3, axis=0), atol=1e-5)


def test_interpolated_patch_beyond_the_image_agrees_with_the_copied_one():
    array = np.random.default_rng(0).random((6, 20)).astype(np.float32)
    copied = SpatialChange(start=(-3, 15), flips=(False, False))
    sampled = SpatialChange(start=(-3, 15), flips=(False, False), matrix=np.eye(2))
    np.testing.assert_allclose(patch_of(array, sampled, (11, 12)), patch_of(array, copied, (11, 12)), atol=1e-5)


def test_quarter_turn_then_flip_move_a_marked_voxel_where_they_should():
    array = np.zeros((4, 4))
    array[0, 1] = 1
    # numpy's rot90 turns from the first axis towards the second: (0, 1) -> (4 - 1 - 1, 0).
    turned = patch_of(array, SpatialChange((0, 0), (False, False), quarter_turns=1), (4, 4))
    assert np.argwhere(turned).tolist() == [[2, 0]]
    flipped = patch_of(array, SpatialChange((0, 0), (True, False)), (4, 4))
    assert np.argwhere(flipped).tolist() == [[3, 1]]


def test_rotation_by_45_degrees_moves_a_marked_voxel_onto_the_axis():
    array = np.zeros((41, 41))
    array[20 + 7, 20 + 7] = 1.0
    array = ndimage.gaussian_filter(array, 1.0)
    cosine = math.cos(math.pi / 4)
    # Out offset u comes from M u: (7 sqrt 2, 0) turned by +45 degrees is (7, 7).
    change = SpatialChange((0, 0), (False, False), matrix=np.array([[cosine, -cosine], [cosine, cosine]]))
    place = np.array(ndimage.center_of_mass(patch_of(array, change, (41, 41)))) - 20
    np.testing.assert_allclose(place, [7 * math.sqrt(2), 0], atol=0.05)


def test_turned_patch_shows_the_image_beyond_the_unturned_region():
    # A patch in the middle of a larger image: no voxel of the result may stem from mirroring at the patch's own edge.
    rows = np.broadcast_to(np.arange(100.0)[:, None], (100, 100))
    cosine = math.cos(math.pi / 4)
    matrix = np.array([[cosine, -cosine], [cosine, cosine]])
    patch = patch_of(rows, SpatialChange((40, 40), (False, False), matrix=matrix), (21, 21))
    # The corner (0, 20) has the offset (-10, 10), which M turns to the row offset -10 cos - 10 cos.
    assert patch[0, 20] == pytest.approx(50 - 20 * cosine, abs=1e-3)


def test_scale_above_one_shows_things_larger():
    disc = (np.hypot(*np.mgrid[-32:33, -32:33]) <= 10).astype(np.uint8)
    settings = Augmentation(
        affine_probability=1, rotate_degrees=0, scale_fraction=0.5, elastic_probability=0, flip_probability=0
    )
    areas, scales = [], []
    for seed in range(6):
        change = draw_spatial_change(
            np.random.default_rng(seed), settings, start=(0, 0), patch_size=(65, 65), spacing_mm=(1.0, 1.0)
        )
        scales.append(1.0 / change.matrix[0, 0])
        areas.append(patch_of(disc, change, (65, 65)).sum())
    assert min(scales) < 0.9
    assert max(scales) > 1.1
    np.testing.assert_allclose(np.array(areas) / disc.sum(), np.square(scales), rtol=0.03)


def test_ellipsoid_keeps_its_axes_in_mm_where_voxels_are_three_times_as_long_along_one_axis():
    # Turned about the middle, a patch of 48 mm reaches at most 24 sqrt(3) = 42 mm: inside the image of 96 mm.
    x, y, z = np.mgrid[-48:49, -48:49, -16:17] * np.array([1.0, 1.0, 3.0]).reshape(3, 1, 1, 1)
    solid = np.exp(-0.5 * (np.square(x / 6) + np.square(y / 4) + np.square(z / 4)))
    patch_size = (49, 49, 17)
    offsets = np.stack([x, y, z])[:, 24:73, 24:73, 8:25].reshape(3, -1)
    settings = Augmentation(
        affine_probability=1, rotate_degrees=40, scale_fraction=0, elastic_probability=0, flip_probability=0
    )
    for seed in range(4):
        change = draw_spatial_change(
            np.random.default_rng(seed),
            settings.replace(rotate90_probability=0),
            start=(24, 24, 8),
            patch_size=patch_size,
            spacing_mm=(1.0, 1.0, 3.0),
        )
        turned = patch_of(solid, change, patch_size).astype(np.float64).reshape(-1)
        covariance = (offsets * turned) @ offsets.T / turned.sum()
        assert abs(covariance[0, 2]) > 0.3
        np.testing.assert_allclose(np.sqrt(np.linalg.eigvalsh(covariance)), [4, 4, 6], rtol=0.08)


@pytest.mark.parametrize(("length", "spacing"), [(64, 32.0), (65, 16.0), (7, 32.0), (1, 8.0), (100, 12.5)])
def test_cubic_basis_reproduces_constants_and_straight_lines(length, spacing):
    basis = cubic_basis(length, spacing)
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, atol=1e-5)
    line = basis @ np.arange(basis.shape[1])
    np.testing.assert_allclose(np.diff(line), 1.0 / spacing, atol=1e-4)


def test_equal_displacements_shift_the_patch():
    array = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    counts = (cubic_basis(16, 8.0).shape[1],) * 2
    displacements = np.stack([np.full(counts, 2.0), np.full(counts, -3.0)]).astype(np.float32)
    change = SpatialChange((10, 10), (False, False), displacements=displacements, lattice_voxel=(8.0, 8.0))
    np.testing.assert_allclose(patch_of(array, change, (16, 16)), array[12:28, 7:23], atol=1e-4)


@pytest.mark.parametrize(("shape", "patch"), [((90, 77), (64, 49)), ((50, 41, 30), (32, 32, 24)), ((40, 40), (64, 64))])
def test_label_follows_the_image_through_every_change(shape, patch):
    classes = blobs(shape)
    layer = classes[None].astype(np.float32)
    for seed in range(5):
        change = draw_spatial_change(
            np.random.default_rng(seed),
            STRONG,
            start=(3,) * len(shape),
            patch_size=patch,
            spacing_mm=(1.0,) * len(shape),
        )
        (image,), labels = take_patch([layer], classes, change, patch_size=patch)
        assert image.shape == labels.shape == patch
        # The linear value is above a half where the nearest voxel says 1, but for voxels right at a region's border
        # (and for a tip so thin that bending hides its border between two samples).
        border = ndimage.binary_dilation(labels) ^ ndimage.binary_erosion(labels, border_value=1)
        assert ((image > 0.5)[~border] != (labels[~border] == 1)).mean() < 5e-4
        assert (~border).mean() > 0.3


def test_layers_of_image_and_weights_are_interpolated_alike():
    array = np.random.default_rng(0).random((1, 50, 50)).astype(np.float32)
    change = draw_spatial_change(
        np.random.default_rng(0), STRONG, start=(5, 5), patch_size=(32, 32), spacing_mm=(1.0, 1.0)
    )
    both, _ = take_patch([array, array], np.zeros((50, 50), np.uint8), change, patch_size=(32, 32))
    np.testing.assert_array_equal(both[0], both[1])


def test_same_change_applied_twice_gives_the_same_bytes():
    array = np.random.default_rng(0).random((50, 50))
    change = draw_spatial_change(
        np.random.default_rng(0), STRONG, start=(5, 5), patch_size=(32, 32), spacing_mm=(1.0, 1.0)
    )
    assert patch_of(array, change, (32, 32)).tobytes() == patch_of(array, change, (32, 32)).tobytes()


def test_no_quarter_turn_where_the_patch_or_its_voxels_are_not_square():
    settings = Augmentation(rotate90_probability=1)
    for patch_size, spacing in (((16, 32), (1.0, 1.0)), ((16, 16), (1.0, 2.0))):
        for seed in range(10):
            change = draw_spatial_change(
                np.random.default_rng(seed), settings, start=(0, 0), patch_size=patch_size, spacing_mm=spacing
            )
            assert change.quarter_turns == 0
