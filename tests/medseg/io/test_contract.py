"""The written contract of readers and writers, run on each of them."""

import contextlib

import numpy as np
import pytest
from cases.grids import volume
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import world_of_mark
from strategies import label_maps

from medseg.errors import GeometryError, ImageFormatError, InputError, MedsegError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg.io import read_image, read_label_map, write_image, write_label_map
from medseg.io.base import ReadRequest
from medseg.io.dispatch import READERS, WRITERS, reader_of

LABELS = LabelTable.from_names(["background", "organ", "lesion"])
VOLUMES = (".nii", ".nii.gz", ".tif", ".tiff", ".ome.tif", ".ome.tiff")
PICTURES = (".png", ".tif", ".ome.tif", ".nii.gz")
GRID_2D = Affine([[0.0, 0.7, 12.0], [0.3, 0.0, -4.0], [0.0, 0.0, 1.0]], frame=WorldFrame.RAS)
"""Rows along y, 0.3 mm; columns along x, 0.7 mm."""
WRITABLE = {
    "nifti": (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64),
    "tiff": (np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64),
}


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.floating):
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def picture(dtype=np.uint8, channels=1, affine=GRID_2D):
    return Image(values((channels, 5, 7), dtype), affine, axes="CYX")


def stack(dtype=np.uint8):
    """A z, y, x stack 0.05 x 0.004 x 0.006 mm."""
    affine = Affine([[0, 0, 0.006, 1], [0, 0.004, 0, 2], [0.05, 0, 0, 3], [0, 0, 0, 1]], frame=WorldFrame.RAS)
    return Image(values((1, 3, 5, 7), dtype), affine, axes="CZYX")


def test_no_two_readers_or_writers_claim_one_suffix():
    for group in (READERS, WRITERS):
        suffixes = [suffix for one in group for suffix in one.suffixes]
        assert len(set(suffixes)) == len(suffixes)
        assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
@pytest.mark.parametrize("dtype", WRITABLE["tiff"])
def test_a_stack_reads_back_the_same_from_tiff(tmp_path, suffix, dtype):
    image = stack(dtype)
    write_image(image, tmp_path / f"a{suffix}")
    again = read_image(tmp_path / f"a{suffix}")
    assert again.array.dtype == dtype
    np.testing.assert_array_equal(again.array, image.array)
    assert again.axes == "CZYX"
    np.testing.assert_allclose(again.affine.matrix, image.affine.matrix, rtol=1e-12, atol=1e-12)
    assert again.metadata.spacing_is_known


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", WRITABLE["nifti"])
def test_a_volume_reads_back_the_same_from_nifti(tmp_path, suffix, dtype):
    grid = volume("LPS")
    image = Image(values((1, *grid.spatial_shape), dtype), grid.affine, axes="CXYZ")
    write_image(image, tmp_path / f"a{suffix}")
    again = read_image(tmp_path / f"a{suffix}")
    assert again.array.dtype == dtype
    np.testing.assert_array_equal(again.array, image.array)
    assert again.axes == "CXYZ"
    assert again.grid.is_same_as(image.grid)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ome.tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_picture_reads_back_the_same_with_its_voxel_size(tmp_path, suffix, dtype):
    image = picture(dtype)
    write_image(image, tmp_path / f"a{suffix}")
    again = read_image(tmp_path / f"a{suffix}")
    assert again.array.dtype == dtype
    np.testing.assert_array_equal(again.array, image.array)
    assert again.axes == "CYX"
    np.testing.assert_allclose(again.affine.matrix, GRID_2D.matrix, rtol=1e-12, atol=1e-12)
    assert again.metadata.spacing_is_known


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nii.gz"])
def test_an_unknown_voxel_size_stays_unknown(tmp_path, suffix):
    image = picture().replace(metadata=ImageMetadata(spacing_is_known=False), affine=volume_free_affine())
    write_image(image, tmp_path / f"a{suffix}")
    again = read_image(tmp_path / f"a{suffix}")
    assert not again.metadata.spacing_is_known
    assert again.spacing_mm == (1.0, 1.0)


def volume_free_affine():
    return Affine([[0, 1, 0], [1, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)


def test_three_channels_of_8_bits_become_a_colour_png(tmp_path):
    image = picture(np.uint8, channels=3)
    write_image(image, tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").array, image.array)


@pytest.mark.parametrize(("suffix", "axes"), [(".tif", None), (".nii.gz", "XYZC")])
def test_channels_keep_their_order(tmp_path, suffix, axes):
    image = stack(np.float32)
    image = image.replace(array=values((4, 3, 5, 7), np.float32))
    write_image(image, tmp_path / f"p{suffix}")
    again = read_image(tmp_path / f"p{suffix}", axes=axes)
    assert again.num_channels == 4
    expected = image.array if suffix == ".tif" else image.array.transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(again.array, expected)


def test_channel_names_survive_ome_tiff(tmp_path):
    image = stack().replace(array=values((2, 3, 5, 7), np.uint8), metadata=ImageMetadata(channel_names=("dapi", "gfp")))
    write_image(image, tmp_path / "a.ome.tif")
    assert read_image(tmp_path / "a.ome.tif").metadata.channel_names == ("dapi", "gfp")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".nii.gz"])
@pytest.mark.parametrize(("highest", "dtype"), [(2, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_labels_take_the_smallest_type(tmp_path, suffix, highest, dtype):
    array = np.zeros((5, 7), dtype=np.int64)
    array[1, 2], array[4, 6] = highest, 1
    label_map = LabelMap(array, GRID_2D, "YX", LABELS, LabelKind.INSTANCES)
    write_label_map(label_map, tmp_path / f"m{suffix}")
    again = read_label_map(tmp_path / f"m{suffix}", labels=LABELS, kind=LabelKind.INSTANCES)
    assert again.array.dtype == dtype
    assert (again.labels, again.kind) == (LABELS, LabelKind.INSTANCES)
    assert sorted(np.unique(again.array)) == sorted({0, 1, highest})
    stored = array if again.axes == "YX" else array.T
    np.testing.assert_array_equal(again.array, stored)


@pytest.mark.parametrize("suffix", [".tif", ".nii.gz"])
def test_more_than_65535_objects_are_kept(tmp_path, suffix):
    array = np.arange(70_000, dtype=np.int32).reshape(7, 100, 100)
    label_map = LabelMap(array, stack().affine, "ZYX", LABELS, LabelKind.INSTANCES)
    write_label_map(label_map, tmp_path / f"m{suffix}")
    again = read_label_map(tmp_path / f"m{suffix}", labels=LABELS, kind=LabelKind.INSTANCES)
    assert again.array.dtype == np.uint32
    assert int(again.array.max()) == 69_999


@given(label_map=label_maps(ndim=3, is_oblique=False), suffix=st.sampled_from(VOLUMES), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_marked_voxel_keeps_its_place_in_the_world(tmp_path, label_map, suffix, data):
    voxel = tuple(data.draw(st.integers(0, size - 1)) for size in label_map.spatial_shape)
    array = np.zeros_like(label_map.array)
    array[voxel] = 1
    label_map = label_map.replace(array=array)
    write_label_map(label_map, tmp_path / f"m{suffix}")
    again = read_label_map(tmp_path / f"m{suffix}", labels=label_map.labels, kind=label_map.kind)
    where = label_map.affine.apply(voxel)
    tolerance = max(label_map.grid.tolerance_mm, 1e-6 * np.abs(where).max())  # NIfTI's affine is in float32
    np.testing.assert_allclose(world_of_mark(again), where, rtol=0, atol=tolerance)


@given(label_map=label_maps(ndim=3, is_oblique=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_an_oblique_grid_keeps_its_place_in_nifti(tmp_path, label_map):
    write_label_map(label_map, tmp_path / "m.nii")
    again = read_label_map(tmp_path / "m.nii", labels=label_map.labels, kind=label_map.kind)
    ours = np.sort(label_map.grid.corners_mm, axis=0)
    theirs = np.sort(again.grid.corners_mm, axis=0)
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=max(label_map.grid.tolerance_mm, 1e-6 * np.abs(ours).max()))


def test_the_same_map_gives_the_same_bytes(tmp_path):
    label_map = LabelMap(values((3, 5, 7), np.uint8) % 3, stack().affine, "ZYX", LABELS)
    for suffix in (".tif", ".nii", ".nii.gz"):
        write_label_map(label_map, tmp_path / f"m{suffix}")
        first = (tmp_path / f"m{suffix}").read_bytes()
        write_label_map(label_map, tmp_path / f"m{suffix}")
        assert (tmp_path / f"m{suffix}").read_bytes() == first, suffix


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_an_oblique_grid_is_refused_where_it_cannot_be_held(tmp_path, suffix):
    from cases.grids import rotation

    grid = volume("RAS", turn=rotation(0, 0, 10))
    label_map = LabelMap(np.zeros(grid.spatial_shape, np.uint8), grid.affine, "XYZ", LABELS)
    with pytest.raises(GeometryError, match=r"along x, y, z only, and this one is oblique. Write .nii.gz instead"):
        write_label_map(label_map, tmp_path / f"m{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.npy", "a.jpg", "a", "a.dcm"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path, name):
    with pytest.raises(InputError, match=r"cannot write this suffix\. Known: \.mha, \.nii, .*\.nrrd, \.ome\.tif"):
        write_image(picture(), tmp_path / name)


def test_a_volume_is_no_png(tmp_path):
    with pytest.raises(GeometryError, match=r"m.png: expected a 2-D image, got a volume. Write .tif or .nii.gz"):
        write_image(stack(), tmp_path / "m.png")
    assert list(tmp_path.iterdir()) == []


def test_floats_are_no_png(tmp_path):
    with pytest.raises(InputError, match=r"8 or 16 unsigned bits or three of 8, got 1 of float32. Write .tif"):
        write_image(picture(np.float32), tmp_path / "m.png")


def test_values_of_64_bits_are_refused_where_they_do_not_fit(tmp_path):
    image = picture(np.uint8).replace(array=np.full((1, 5, 7), 2**40, dtype=np.int64))
    for suffix in (".tif", ".nii.gz"):
        with pytest.raises(InputError, match="at most 32 bits"):
            write_image(image, tmp_path / f"m{suffix}")


def test_a_name_that_is_too_long_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="Check the path"):
        read_image(tmp_path / ("a" * 5000 + ".png"))


def test_a_source_on_another_grid_is_refused(tmp_path):
    label_map = LabelMap(np.zeros((5, 7), np.uint8), volume_free_affine(), "YX", LABELS)
    with pytest.raises(GeometryError, match="label map and its image differ in spacing"):
        write_label_map(label_map, tmp_path / "m.tif", source=picture())


BROKEN = (".nii", ".nii.gz", ".tif", ".png", ".jpg", ".nrrd", ".mha", ".nhdr", ".mhd", ".dcm")


@pytest.mark.parametrize("suffix", BROKEN)
@pytest.mark.parametrize(
    "content", [b"this is a text file, not an image\n" * 40, bytes(4000), b"\x00"], ids=["text", "zeros", "one byte"]
)
def test_a_file_that_is_something_else_is_refused_in_one_line(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(ImageFormatError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [*BROKEN, ""])
def test_a_missing_file_is_an_input_error(tmp_path, suffix):
    with pytest.raises(InputError, match=r"no such file or folder. Check the path"):
        read_image(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [*BROKEN, ".xyz"])
def test_an_empty_file_is_refused(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(b"")
    with pytest.raises(ImageFormatError, match="a file of zero bytes"):
        read_image(tmp_path / f"a{suffix}")


def test_an_unknown_file_lists_the_known_suffixes(tmp_path):
    (tmp_path / "a.xyz").write_text("hello")
    with pytest.raises(InputError, match=r"unknown suffix. Known: .*\.nii, \.nii\.gz.*\.tif"):
        read_image(tmp_path / "a.xyz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".tif", ".png"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.97])
def test_a_cut_file_is_refused(tmp_path, suffix, part):
    path = tmp_path / f"a{suffix}"
    image = stack() if suffix != ".png" else picture()
    image = image.replace(array=values((1, *[9 * size for size in image.spatial_shape]), np.uint8))
    write_image(image, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ImageFormatError, match=str(path)):
        read_image(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".tif", ".png"])
def test_damaged_bytes_never_raise_anything_but_our_own_errors(tmp_path, suffix):
    rng = np.random.default_rng(5)
    image = stack() if suffix != ".png" else picture()
    path = tmp_path / f"a{suffix}"
    write_image(image, path)
    clean = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(60):
        spoilt = clean.copy()
        spoilt[rng.integers(0, min(len(clean), 1200), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(spoilt.tobytes())
        with contextlib.suppress(MedsegError):
            read_image(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".tif", ".ome.tif"])
def test_the_header_says_what_reading_gives(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(stack(np.int16), path)
    header, image = reader_of(path).header(path, ReadRequest()), read_image(path)
    assert (header.shape, header.axes, header.dtype) == (image.array.shape, image.axes, image.array.dtype)
    assert (header.affine, header.metadata) == (image.affine, image.metadata)
