import numpy as np
import pytest

from medseg.errors import GeometryError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable
from medseg.transforms.placement import (
    CROP_MARGIN_VOXEL,
    CropToForeground,
    FindForeground,
    Magnify,
    Respace,
    is_body_ct,
    is_body_mr,
)
from medseg.verdicts import RefusedImageError

TABLE = LabelTable.from_names(["background", "organ"])


def sample(array, *, spacing, label=None, known=True):
    affine = Affine.from_spacing(spacing, frame=WorldFrame.RAS, origin_mm=[10.0] * len(spacing))
    axes = "XYZ"[: len(spacing)]
    image = Image(array[np.newaxis], affine, f"C{axes}", ImageMetadata(source="scan.nii", spacing_is_known=known))
    label = np.zeros(array.shape, np.uint8) if label is None else label
    return {"image": image, "label": LabelMap(label, affine, axes, TABLE)}


def test_respacing_interpolates_images_and_keeps_label_values():
    # Voxels of 2 mm, halved: the new centres lie a quarter of an old voxel to each side of the old ones.
    result = Respace((1.0, 2.0))(
        sample(
            np.array([[0.0], [4.0], [8.0]], np.float32), spacing=[2.0, 2.0], label=np.array([[0], [1], [0]], np.uint8)
        )
    )
    np.testing.assert_allclose(result["image"].array[0, :, 0], [0, 1, 3, 5, 7, 8], atol=1e-6)
    assert result["label"].array[:, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert result["image"].grid.is_same_as(result["label"].grid)
    assert result["image"].affine.origin_mm == pytest.approx((9.5, 10.0))


def test_equal_spacing_is_not_resampled():
    given = sample(np.zeros((3, 4), np.float32), spacing=[0.5, 0.50004])
    assert Respace((0.5, 0.5))(given)["image"] is given["image"]


def test_spacing_of_an_image_without_voxel_size_is_refused():
    with pytest.raises(
        GeometryError,
        match=r"scan.nii: expected a known voxel size, .* asks for 0.5 x 0.5 mm, .* leave out spacing_mm",
    ):
        Respace((0.5, 0.5))(sample(np.zeros((3, 4), np.float32), spacing=[1.0, 1.0], known=False))


def test_magnifying_needs_no_voxel_size():
    # The values are those of halving voxels of 2 mm above; the size of a voxel is unknown, so it counts as 1.
    given = sample(
        np.array([[0.0], [4.0], [8.0]], np.float32),
        spacing=[1.0, 1.0],
        label=np.array([[0], [1], [0]], np.uint8),
        known=False,
    )
    result = Magnify(2.0)(given)
    np.testing.assert_allclose(result["image"].array[0], np.repeat([[0], [1], [3], [5], [7], [8]], 2, 1), atol=1e-6)
    assert result["label"].array[:, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert result["image"].affine.origin_mm == pytest.approx((9.75, 9.75))
    assert result["image"].grid.is_same_as(result["label"].grid)


def test_a_voxel_size_that_would_fill_the_memory_is_refused_before_any_is_taken():
    # 64 voxels of 50 m at 1 mm: 3.2e6 voxels along each axis, 1.3e20 bytes.
    affine = Affine.from_spacing((50_000.0,) * 3, frame=WorldFrame.RAS)
    image = Image(np.zeros((1, 64, 64, 64), np.float32), affine, axes="CXYZ")
    with pytest.raises(RefusedImageError, match="over-budget"):
        Respace((1.0, 1.0, 1.0))({"image": image})


def test_air_around_the_body_is_cut_off_and_places_are_kept():
    array = np.full((60, 50, 40), -1000.0, np.float32)
    array[20:40, 15:30, 12:20] = 40.0
    given = sample(array, spacing=[1.0, 1.0, 2.0])
    result = CropToForeground()(FindForeground(is_body_ct)(given))
    margin = CROP_MARGIN_VOXEL
    assert result["image"].spatial_shape == (20 + 2 * margin, 15 + 2 * margin, 8 + 2 * margin)
    assert result["label"].spatial_shape == result["image"].spatial_shape
    first = np.argwhere(result["image"].array[0] > 0)[0]
    assert result["image"].affine.apply(first) == pytest.approx(given["image"].affine.apply([20, 15, 12]))
    assert "box" not in result


def test_labelled_voxels_outside_the_body_are_kept():
    array = np.full((60, 8), -1000.0, np.float32)
    array[30, 4] = 0.0
    label = np.zeros((60, 8), np.uint8)
    label[55, 4] = 1
    result = CropToForeground()(FindForeground(is_body_ct)(sample(array, spacing=[1.0, 1.0], label=label)))
    assert result["label"].array.sum() == 1


def test_image_of_air_only_keeps_all_voxels():
    result = CropToForeground()(
        FindForeground(is_body_ct)(sample(np.full((9, 8), -1000.0, np.float32), spacing=[1, 1]))
    )
    assert result["image"].spatial_shape == (9, 8)


def test_noise_around_an_mr_head_is_no_body():
    rng = np.random.default_rng(0)
    array = np.abs(rng.normal(0, 5, (40, 40))).astype(np.float32)
    array[10:30, 10:30] += 400
    mask = is_body_mr(array)
    assert mask[10:30, 10:30].all()
    assert mask.sum() == 400


def test_a_few_voxels_below_the_background_do_not_make_the_background_body():
    array = np.zeros((60, 60), np.float32)
    array[20:40, 20:40] = 90.0
    array[19, 19] = -20.0
    assert is_body_mr(array).sum() == 400
