import numpy as np
import pytest
from cases.grids import ALL, VOLUMES, rotation
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import assert_mark_stays_in_place, assert_round_trip, assert_same_item, marked, world_of_mark
from strategies import grids, images, label_maps, orientations, voxels_of

from medseg.errors import GeometryError, InputError
from medseg.geometry import Affine, Grid, Interpolation, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable, crop, pad, reorient, resample_to

RAS = WorldFrame.RAS
LABELS = LabelTable.from_names(["background", "organ"])
UIDS = ("1.2.0", "1.2.1", "1.2.2")


def ct(**metadata):
    """A CT of 4 x 5 x 3 voxels as read from DICOM, its numbers telling its voxels apart."""
    array = np.arange(60, dtype=np.int16).reshape(1, 4, 5, 3)
    affine = Affine.from_spacing((1, 2, 3), frame=WorldFrame.LPS, origin_mm=(10, 20, 30)).to_frame(RAS)
    return Image(array, affine, "CXYZ", ImageMetadata(modality="CT", instance_uids=UIDS, **metadata))


def micrograph():
    return Image(np.arange(12, dtype=np.uint8).reshape(1, 3, 4), Affine.from_spacing((2, 1), frame=RAS), "CYX")


def volume_on(grid, dtype=np.uint8):
    letters = "XYZ" if grid.ndim == 3 else "YX"
    return LabelMap(np.zeros(grid.spatial_shape, dtype), grid.affine, letters, LABELS)


# A marked voxel keeps its place in the world


@pytest.mark.parametrize("case", VOLUMES, ids=lambda case: case.name)
@pytest.mark.parametrize("wanted", ["RAS", "SPL", "AIR"])
def test_a_marked_voxel_keeps_its_place_when_reoriented(case, wanted):
    item = volume_on(case.grid)
    voxel = tuple(size - 1 if axis else 0 for axis, size in enumerate(case.grid.spatial_shape))
    assert_mark_stays_in_place(item, voxel, lambda item: reorient(item, wanted))
    assert reorient(item, wanted).affine.orientation == wanted


@given(images(3), orientations(), st.data())
def test_a_marked_voxel_of_an_image_keeps_its_place_when_reoriented_and_back(image, wanted, data):
    voxel = data.draw(voxels_of(image.spatial_shape))
    assert_mark_stays_in_place(image, voxel, lambda item: reorient(item, wanted))
    assert_mark_stays_in_place(image, voxel, lambda item: reorient(reorient(item, wanted), item.affine.orientation))


@given(st.one_of(images(), label_maps()), st.data())
def test_a_marked_voxel_keeps_its_place_when_cropped_and_padded(item, data):
    voxel = data.draw(voxels_of(item.spatial_shape))
    start = [data.draw(st.integers(0, index)) for index in voxel]
    stop = [data.draw(st.integers(index + 1, size)) for index, size in zip(voxel, item.spatial_shape, strict=True)]
    assert_mark_stays_in_place(item, voxel, lambda item: crop(item, start, stop))
    after = [size - end for size, end in zip(item.spatial_shape, stop, strict=True)]
    assert_mark_stays_in_place(item, voxel, lambda item: pad(item, start, after, fill=0))
    assert_mark_stays_in_place(item, voxel, lambda item: pad(crop(item, start, stop), start, after, fill=0))


@given(label_maps(3), orientations(), st.integers(1, 3), st.data())
def test_a_marked_voxel_keeps_its_place_through_reorient_pad_crop_resample_and_back(item, wanted, factor, data):
    voxel = data.draw(voxels_of(item.spatial_shape))

    def there_and_back(item):
        moved = pad(reorient(item, wanted), (1, 2, 0), (0, 1, 2), fill=0)
        cut = crop(moved, (1, 0, 0), moved.spatial_shape)
        fine = resample_to(cut, cut.grid.with_spacing([spacing / factor for spacing in cut.spacing_mm]))
        return resample_to(fine, item.grid)

    assert_mark_stays_in_place(item, voxel, there_and_back)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_the_centre_of_a_linearly_resampled_mark_is_the_marked_voxel(case):
    # Three times finer: the samples of the mark lie symmetrically about its centre (border voxels are left out).
    grid = case.grid.padded([1] * case.grid.ndim, [1] * case.grid.ndim)
    voxel = (1,) * grid.ndim
    item = marked(volume_on(grid), voxel)
    axes = "C" + item.axes
    image = Image(item.array[np.newaxis].astype(np.float32), item.affine, axes)
    fine = resample_to(image, grid.with_spacing([spacing / 3 for spacing in grid.spacing_mm]))
    found = np.argwhere(fine.array[0])
    weights = fine.array[0][tuple(found.T)]
    centre = weights @ fine.affine.apply(found) / weights.sum()
    np.testing.assert_allclose(centre, item.affine.apply(voxel), atol=1e-5 * max(grid.spacing_mm))


@given(label_maps(3, max_side=5), grids(3, is_oblique=True), st.data())
def test_on_an_oblique_grid_a_label_stands_only_where_its_voxel_is(item, target, data):
    voxel = data.draw(voxels_of(item.spatial_shape))
    # The target around the marked voxel, so that they meet.
    matrix = target.affine.matrix.copy()
    middle = target.affine.apply([size // 2 for size in target.spatial_shape])
    matrix[:3, 3] += item.affine.apply(voxel) - middle
    target = Grid(target.spatial_shape, Affine(matrix, frame=RAS))
    moved = resample_to(marked(item, voxel), target)
    found = np.argwhere(moved.array)
    assert len(found) >= 1
    index = item.affine.apply_inverse(target.affine.apply(found))
    assert np.abs(index - voxel).max() <= 0.5 + 1e-5


# Reorient


@given(st.one_of(images(3), label_maps(3)), orientations())
def test_reorienting_and_back_gives_the_same_item(item, wanted):
    original = item.affine.orientation

    def back(moved):
        # UIDs are dropped when slices no longer lie along the last axis: all else comes back.
        returned = reorient(moved, original)
        if returned.metadata.instance_uids or not item.metadata.instance_uids:
            return returned
        return returned.replace(metadata=item.metadata)

    assert_round_trip(item, lambda item: reorient(item, wanted), back)


def test_reorienting_a_dicom_volume_to_ras_turns_rows_and_columns_and_keeps_the_slices_uids():
    image = reorient(ct(), "RAS")
    assert image.axes == "CXYZ"
    assert image.metadata.instance_uids == UIDS
    assert image.array[0, 0, 0, 2] == ct().array[0, 3, 4, 2]
    assert image.array.flags.c_contiguous


def test_turning_the_slices_round_turns_their_uids_round():
    image = reorient(ct(), "LPI")
    assert image.metadata.instance_uids == UIDS[::-1]
    assert image.array[0, 0, 0, 0] == ct().array[0, 0, 0, 2]


def test_slices_along_another_axis_have_no_uids_and_letters_stay_with_their_axes():
    image = reorient(ct(value_unit="HU"), "SPL")
    assert image.axes == "CZYX"
    assert image.metadata == ImageMetadata(modality="CT", value_unit="HU")


def test_uids_of_another_number_than_slices_are_not_handed_on():
    odd = ct().replace(metadata=ImageMetadata(instance_uids=("1", "2")))
    assert reorient(odd, "RAS").metadata.instance_uids == ()


def test_the_own_orientation_gives_the_same_object():
    image = ct()
    assert reorient(image, "LPS") is image


def test_planes_cannot_be_reoriented():
    with pytest.raises(GeometryError, match="Anatomical letters exist for volumes only"):
        reorient(micrograph(), "RAS")


# Crop and pad


def test_cropping_cuts_the_array_the_grid_and_the_uids():
    part = crop(ct(), (1, 0, 1), (3, 5, 3))
    np.testing.assert_array_equal(part.array, ct().array[:, 1:3, :, 1:])
    assert part.metadata.instance_uids == UIDS[1:]
    # LPS origin (10, 20, 30) plus one voxel of 1 mm in x and of 3 mm in z, written in RAS.
    assert part.affine.origin_mm == (-11.0, -20.0, 33.0)


def test_a_crop_does_not_hold_on_to_the_whole_image():
    image = ct()
    assert not np.shares_memory(crop(image, (0, 0, 0), (2, 2, 2)).array, image.array)


def test_cropping_and_padding_a_plane_keep_the_uid_of_its_one_instance():
    plane = micrograph().replace(metadata=ImageMetadata(instance_uids=("1.2.3",)))
    assert crop(plane, (0, 1), (2, 3)).metadata.instance_uids == ("1.2.3",)
    assert pad(plane, (0, 1), (2, 3), fill=0).metadata.instance_uids == ("1.2.3",)


def test_padding_in_plane_keeps_uids_and_padding_slices_drops_them():
    assert pad(ct(), (1, 1, 0), (0, 2, 0), fill=-1024).metadata.instance_uids == UIDS
    padded = pad(ct(), (0, 0, 1), (0, 0, 0), fill=-1024)
    assert padded.metadata.instance_uids == ()
    assert (padded.array[..., 0] == -1024).all()
    np.testing.assert_array_equal(padded.array[..., 1:], ct().array)


def test_padding_a_label_map_fills_with_the_label():
    item = LabelMap(np.ones((1, 2), np.uint8), Affine.from_spacing((1, 1), frame=RAS), "YX", LABELS)
    np.testing.assert_array_equal(pad(item, (0, 1), (1, 0), fill=0).array, [[0, 1, 1], [0, 0, 0]])


@pytest.mark.parametrize(
    ("start", "stop"), [((0, 0), (4, 4)), ((-1, 0), (2, 2)), ((1, 1), (1, 2)), ((0,), (2,)), ((0, 0), (2, 2, 2))]
)
def test_boxes_that_leave_the_image_or_are_empty_are_refused(start, stop):
    with pytest.raises(GeometryError, match=r"crop: expected a box inside the \(3, 4\) voxels, got"):
        crop(micrograph(), start, stop)


@pytest.mark.parametrize(
    ("before", "after"), [((-1, 0), (0, 0)), ((0, 0), (0, -1)), ((0,), (0, 0)), ((0, 0), (0, 0, 0))]
)
def test_negative_or_misfitting_margins_are_refused(before, after):
    with pytest.raises(GeometryError, match="pad: expected 2 numbers of at least 0 for each end of the axes, got"):
        pad(micrograph(), before, after, fill=0)


def test_a_margin_that_the_type_cannot_hold_is_refused():
    with pytest.raises(InputError, match="expected a value that uint8 can hold, got -1024"):
        pad(micrograph(), (1, 1), (1, 1), fill=-1024)


# Resample


@given(st.one_of(images(), label_maps()))
def test_resampling_onto_the_own_grid_gives_the_same_object(item):
    assert resample_to(item, item.grid) is item
    lps = Grid(item.spatial_shape, item.affine.to_frame(WorldFrame.LPS))
    assert resample_to(item, lps) is item


@settings(max_examples=25)
@given(label_maps(), st.integers(2, 4))
def test_a_label_map_comes_back_from_a_finer_grid_as_it_was(item, factor):
    fine = item.grid.with_spacing([spacing / factor for spacing in item.spacing_mm])
    assert_round_trip(item, lambda item: resample_to(item, fine), lambda moved: resample_to(moved, item.grid))


def test_every_channel_is_resampled_and_becomes_float():
    array = np.stack([np.full((2, 2), 10, np.uint16), np.full((2, 2), 500, np.uint16)])
    image = Image(array, Affine.from_spacing((1, 1), frame=RAS), "CYX", ImageMetadata(channel_names=("dna", "wall")))
    fine = resample_to(image, image.grid.with_spacing((0.5, 0.5)))
    assert fine.array.dtype == np.float32
    np.testing.assert_array_equal(fine.array, array.repeat(2, axis=1).repeat(2, axis=2))
    assert fine.metadata.channel_names == ("dna", "wall")


def test_a_finer_ct_has_no_dark_rim_and_no_uids():
    image = ct().replace(array=np.full((1, 4, 5, 3), 40, np.int16))
    fine = resample_to(image, image.grid.with_spacing((0.5, 0.5, 0.5)), fill=-1024)
    np.testing.assert_array_equal(fine.array, np.full((1, 8, 20, 18), 40, np.float32))
    assert fine.metadata == ImageMetadata(modality="CT")


def test_nearest_keeps_the_type_of_an_image():
    fine = resample_to(ct(), ct().grid.with_spacing((0.5, 2, 3)), interpolation="nearest")
    assert fine.array.dtype == np.int16
    np.testing.assert_array_equal(fine.array, ct().array.repeat(2, axis=1))


def test_letters_follow_their_axes_onto_a_grid_of_another_order():
    reordered = reorient(ct(), "SPL")
    grid = reordered.grid.with_spacing((1.5, 1, 1))
    assert resample_to(ct(), grid).axes == "CZYX"
    turned = Affine.from_spacing((1, 1, 1), frame=RAS, direction=rotation(10, 5, 20)[:, [2, 0, 1]])
    assert resample_to(ct(), Grid((3, 3, 3), turned)).axes == "CZXY"


def test_a_grid_in_lps_gives_an_image_in_ras():
    lps = Affine.from_spacing((1, 1, 1), frame=WorldFrame.LPS, origin_mm=(10, 20, 30))
    image = resample_to(ct(), Grid((4, 9, 7), lps), fill=0)
    assert image.affine.frame == RAS
    assert image.affine.origin_mm == (-10.0, -20.0, 30.0)
    assert image.array[0, 1, 2, 3] == ct().array[0, 1, 1, 1]


@pytest.mark.parametrize("method", ["linear", Interpolation.CUBIC])
def test_labels_are_never_interpolated(method):
    item = LabelMap(np.ones((1, 2), np.uint8), Affine.from_spacing((1, 1), frame=RAS), "YX", LABELS)
    with pytest.raises(
        InputError, match=r"expected interpolation 'nearest', got .*. Label values have no values in betw"
    ):
        resample_to(item, item.grid.with_spacing((2, 2)), interpolation=method)
    assert_same_item(resample_to(item, item.grid, interpolation="nearest"), item)


def test_a_plane_does_not_fit_on_a_volume():
    with pytest.raises(GeometryError, match="two grids with as many axes"):
        resample_to(micrograph(), ct().grid)


def test_the_mark_helper_finds_a_single_voxel_only():
    item = volume_on(Grid((2, 2), Affine.from_spacing((1, 1), frame=RAS)))
    with pytest.raises(AssertionError, match="0 voxels carry the mark"):
        world_of_mark(item)
