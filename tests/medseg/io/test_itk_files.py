"""NRRD and MetaImage: SimpleITK as the oracle of clean files, the world ramp and refusals for the rest."""

import gzip

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image, ImageMetadata
from medseg.io import read_image, write_image
from medseg.verdicts import RefusedImageError

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
TURN = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
"""A rotation with short numbers."""


def itk_volume(dtype="int16", channels=1):
    rng = np.random.default_rng(0)
    shape = (3, 4, 5, channels) if channels > 1 else (3, 4, 5)
    array = rng.normal(size=shape).astype(dtype) if "float" in dtype else rng.integers(0, 99, shape).astype(dtype)
    itk = sitk.GetImageFromArray(array, isVector=channels > 1)
    itk.SetSpacing((0.5, 0.8, 3.0))
    itk.SetOrigin((-12.0, 30.0, 5.5))
    itk.SetDirection(TURN.ravel())
    return itk


def grid_of(itk):
    ndim = itk.GetDimension()
    affine = Affine.from_spacing(
        itk.GetSpacing(),
        frame=WorldFrame.LPS,
        origin_mm=itk.GetOrigin(),
        direction=np.array(itk.GetDirection()).reshape(ndim, ndim),
    )
    return Grid(itk.GetSize(), affine.to_frame(WorldFrame.RAS))


def saved(path, itk=None, *, compressed=True):
    sitk.WriteImage(itk_volume() if itk is None else itk, str(path), useCompression=compressed)
    return path


def edited(path, *pairs):
    content = path.read_bytes()
    for before, after in pairs:
        assert before in content
        content = content.replace(before, after, 1)
    path.write_bytes(content)
    return path


def assert_refused(path, code, **options):
    with pytest.raises(RefusedImageError) as caught:
        read_image(path, **options)
    assert caught.value.verdicts[0].code == code
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", ["nrrd", "nhdr", "mha", "mhd"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", TYPES)
def test_what_simpleitk_wrote_reads_the_same(tmp_path, suffix, compressed, dtype):
    itk = itk_volume(dtype)
    image = read_image(saved(tmp_path / f"a.{suffix}", itk, compressed=compressed))
    assert image.array.dtype == dtype
    np.testing.assert_array_equal(image.array[0], sitk.GetArrayFromImage(itk).T)
    assert image.grid.is_same_as(grid_of(itk), tolerance_mm=1e-6)
    assert image.metadata.verdicts == ()
    assert image.metadata.extra["has_orientation"] is True


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_vectors_become_channels(tmp_path, suffix):
    itk = itk_volume("float32", channels=3)
    image = read_image(saved(tmp_path / f"a.{suffix}", itk))
    np.testing.assert_array_equal(image.array, np.moveaxis(sitk.GetArrayFromImage(itk).T, 0, 0))
    assert image.grid.is_same_as(grid_of(itk), tolerance_mm=1e-6)


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_pictures_are_read(tmp_path, suffix):
    itk = sitk.GetImageFromArray(np.arange(20, dtype=np.uint8).reshape(4, 5))
    itk.SetSpacing((0.5, 0.8))
    image = read_image(saved(tmp_path / f"a.{suffix}", itk))
    np.testing.assert_array_equal(image.array[0], np.arange(20).reshape(4, 5).T)
    assert image.spacing_mm == (0.5, 0.8)


SPACES = {"left-posterior-superior": (1, 1), "right-anterior-superior": (-1, -1), "left-anterior-superior": (1, -1)}


@pytest.mark.parametrize("space", SPACES)
def test_each_anatomical_space_lies_where_simpleitk_puts_it(tmp_path, space):
    path = edited(saved(tmp_path / "a.nrrd"), (b"left-posterior-superior", space.encode()))
    assert read_image(path).grid.is_same_as(grid_of(sitk.ReadImage(str(path))), tolerance_mm=1e-6)


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed"])
def test_a_space_without_anatomy_is_flagged(tmp_path, space):
    image = read_image(edited(saved(tmp_path / "a.nrrd"), (b"left-posterior-superior", space.encode())))
    assert [verdict.code for verdict in image.metadata.verdicts] == ["no-orientation"]
    assert image.metadata.extra["has_orientation"] is False


def test_units_of_a_space_are_converted_with_a_flag(tmp_path):
    path = edited(saved(tmp_path / "a.nrrd"), (b"kinds:", b'space units: "um" "um" "um"\nkinds:'))
    image = read_image(path)
    assert image.spacing_mm == pytest.approx((0.5e-3, 0.8e-3, 3e-3))
    assert [verdict.code for verdict in image.metadata.verdicts] == ["units"]


def test_a_header_with_spacings_alone_is_flagged(tmp_path):
    text = "NRRD0001\ntype: short\ndimension: 3\nsizes: 5 4 3\nspacings: 0.5 0.8 3\nendian: big\nencoding: raw\n\n"
    numbers = np.arange(60, dtype=">i2")
    (tmp_path / "a.nrrd").write_bytes(text.encode() + numbers.tobytes())
    image = read_image(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(image.array[0], numbers.reshape(3, 4, 5).T)
    assert image.spacing_mm == (0.5, 0.8, 3.0)
    assert [verdict.code for verdict in image.metadata.verdicts] == ["no-orientation"]


def test_nan_is_flagged_where_simpleitk_says_nothing(tmp_path):
    array = np.ones((6, 6, 6), np.float32)
    array[0, 0, 0] = np.nan
    for suffix in ("nrrd", "mha"):
        image = read_image(saved(tmp_path / f"a.{suffix}", sitk.GetImageFromArray(array)))
        assert "not-finite" in [verdict.code for verdict in image.metadata.verdicts]
        assert (image.array == 1).all()


@pytest.mark.parametrize("suffix", ["nrrd", "mha", "nhdr", "mhd"])
@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("part", [0.3, 0.99])
def test_cut_files_are_refused_where_simpleitk_returns_zeros(tmp_path, suffix, compressed, part):
    array = np.random.default_rng(0).integers(-900, 900, (12, 12, 12)).astype(np.int16)
    path = saved(tmp_path / f"a.{suffix}", sitk.GetImageFromArray(array), compressed=compressed)
    (data,) = [path] if suffix in {"nrrd", "mha"} else [one for one in tmp_path.iterdir() if one != path]
    content = data.read_bytes()
    data.write_bytes(content[: int(part * len(content))])
    with pytest.raises(RefusedImageError) as caught:
        read_image(path)
    assert caught.value.verdicts[0].code == "truncated"


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_flipped_bits_are_found(tmp_path, suffix):
    array = np.random.default_rng(0).integers(-900, 900, (12, 12, 12)).astype(np.int16)
    path = saved(tmp_path / f"a.{suffix}", sitk.GetImageFromArray(array))
    clean = path.read_bytes()
    for place in range(len(clean) - 1500, len(clean), 97):
        spoilt = bytearray(clean)
        spoilt[place] ^= 16
        path.write_bytes(bytes(spoilt))
        with pytest.raises(RefusedImageError):
            read_image(path)


@pytest.mark.parametrize("name", ["../secret.raw", "/etc/hostname", "..\\secret.raw", "link.raw"])
def test_a_data_file_outside_the_folder_is_refused(tmp_path, name):
    (tmp_path / "secret.raw").write_bytes(bytes(120))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    for suffix in ("nhdr", "mhd"):
        path = saved(folder / f"a.{suffix}", compressed=False)
        edited(path, (b"a.raw", name.encode()))
        assert_refused(path, "outside-folder")
        edited(path, (name.encode(), b"gone.raw"))
        assert_refused(path, "no-data-file")


DAMAGED = {
    "sizes": ("nrrd", (b"sizes: 5 4 3", b"sizes: 9 9 9"), "truncated"),
    "moon": ("nrrd", (b"sizes: 5 4 3", b"sizes: 99999 99999 99999"), "truncated"),
    "negative": ("nrrd", (b"sizes: 5 4 3", b"sizes: 5 -4 3"), "damaged-header"),
    "few sizes": ("nrrd", (b"sizes: 5 4 3", b"sizes: 5 12"), "damaged-header"),
    "type": ("nrrd", (b"type: short", b"type: block"), "not-one-number"),
    "encoding": ("nrrd", (b"encoding: gzip", b"encoding: ascii"), "unsupported-encoding"),
    "NaN origin": ("nrrd", (b"space origin: (-12,", b"space origin: (nan,"), "damaged-orientation"),
    "list": ("nrrd", (b"kinds:", b"data file: LIST\nkinds:"), "data-in-many-files"),
    "DimSize": ("mha", (b"DimSize = 5 4 3", b"DimSize = 9 9 9"), "truncated"),
    "fewer": ("mha", (b"DimSize = 5 4 3", b"DimSize = 5 4 2"), "surplus-data"),
    "zero spacing": ("mha", (b"ElementSpacing = 0.5", b"ElementSpacing = 0.0"), "bad-voxel-size"),
    "negative spacing": ("mha", (b"ElementSpacing = 0.5", b"ElementSpacing = -.5"), "bad-voxel-size"),
    "offset": ("mha", (b"Offset = -12", b"Offset = nan"), "damaged-orientation"),
    "ElementType": ("mha", (b"MET_SHORT", b"MET_OTHER"), "not-one-number"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_headers_are_refused(tmp_path, name):
    suffix, change, code = DAMAGED[name]
    assert_refused(edited(saved(tmp_path / f"a.{suffix}"), change), code)


def rotations():
    angle = st.floats(-np.pi, np.pi)

    def turn(x, y, z):
        ca, sa, cb, sb, cc, sc = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
        first = np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]])
        second = np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])
        return np.array([[cc, -sc, 0], [sc, cc, 0], [0, 0, 1]]) @ second @ first

    return st.builds(turn, angle, angle, angle)


@st.composite
def images(draw):
    dtype = np.dtype(draw(st.sampled_from(("uint8", "int16", "uint16", "int32", "float32", "float64"))))
    shape = (1, *draw(st.tuples(*[st.integers(1, 7)] * 3)))
    elements = st.floats(-1e6, 1e6, width=32) if dtype.kind == "f" else None
    array = draw(arrays(dtype, shape, elements=elements))
    sizes = np.array(draw(st.tuples(*[st.floats(0.05, 20)] * 3)))
    signs = np.array(draw(st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = draw(rotations()) * sizes * signs
    matrix[:3, 3] = draw(st.tuples(*[st.floats(-2000, 2000)] * 3))
    return Image(array, Affine(matrix, frame=WorldFrame.RAS), "C" + draw(st.sampled_from(("XYZ", "ZYX", "YXZ"))))


@given(image=images(), suffix=st.sampled_from((".nii", ".nii.gz", ".nrrd", ".mha")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
def test_written_images_keep_values_and_places(tmp_path, image, suffix):
    path = tmp_path / f"a{suffix}"
    write_image(image, path)
    again = read_image(path)
    assert again.array.dtype == image.array.dtype
    assert not [one for one in again.metadata.verdicts if one.code != "odd-spacing"]
    order = [image.axes[1:].index(letter) for letter in "XYZ"]
    np.testing.assert_array_equal(again.array[0], image.array[0].transpose(order))
    index = np.indices(image.spatial_shape).reshape(3, -1).T
    apart = np.abs(again.affine.apply(index[:, order]) - image.affine.apply(index)).max()
    assert apart <= (1e-3 if suffix.startswith(".nii") else 1e-9)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("channels", [1, 2])
def test_simpleitk_reads_what_we_wrote(tmp_path, suffix, channels):
    affine = np.eye(4)
    affine[:3, :3] = TURN * [0.5, -0.8, 3.0]
    affine[:3, 3] = (-12.0, 30.0, 5.5)
    array = np.random.default_rng(0).integers(-999, 999, (channels, 5, 4, 3)).astype(np.int16)
    image = Image(array, Affine(affine, frame=WorldFrame.RAS), "CXYZ")
    write_image(image, tmp_path / f"a{suffix}")
    itk = sitk.ReadImage(str(tmp_path / f"a{suffix}"))
    assert image.grid.is_same_as(grid_of(itk), tolerance_mm=1e-6)
    theirs = sitk.GetArrayFromImage(itk).T
    np.testing.assert_array_equal(array, theirs if channels > 1 else theirs[None])


def test_the_same_image_gives_the_same_bytes(tmp_path):
    image = Image(np.ones((1, 3, 4, 5), np.uint8), Affine(np.eye(4), frame=WorldFrame.RAS), "CXYZ")
    for suffix in (".nrrd", ".mha"):
        write_image(image, tmp_path / f"a{suffix}")
        write_image(image, tmp_path / f"b{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz"])
def test_what_the_file_did_not_state_is_not_stated_by_its_copy(tmp_path, suffix):
    metadata = ImageMetadata(extra={"has_orientation": False})
    image = Image(
        np.ones((1, 3, 4, 5), np.uint8), Affine(np.diag([1, 2, 3, 1]), frame=WorldFrame.RAS), "CXYZ", metadata
    )
    write_image(image, tmp_path / f"a{suffix}")
    again = read_image(tmp_path / f"a{suffix}")
    assert again.grid.is_same_as(image.grid)
    if suffix == ".nii.gz":
        header = nibabel.load(tmp_path / "a.nii.gz").header
        assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)
    if suffix != ".mha":
        assert again.metadata.extra["has_orientation"] is False


def test_a_nrrd_of_several_gzip_members_is_read(tmp_path):
    path = saved(tmp_path / "a.nrrd")
    head, _, packed = path.read_bytes().partition(b"\n\n")
    plain = gzip.decompress(packed)
    path.write_bytes(head + b"\n\n" + gzip.compress(plain[:7]) + gzip.compress(plain[7:]))
    np.testing.assert_array_equal(read_image(path).array[0], sitk.GetArrayFromImage(itk_volume()).T)
