"""The NIfTI rows of the catalogue of bad inputs: right by the world ramp and flagged, or refused with a code."""

import gzip
import tracemalloc

import nibabel
import numpy as np
import pytest

from medseg.errors import ImageFormatError, MedsegError
from medseg.io import describe, read_image, read_label_map
from medseg.io.budget import Budget, within_budget
from medseg.verdicts import RefusedImageError

RAMP_PER_MM = np.array([3.0, 5.1, 7.7])
"""Of LPS mm: a flip or a swap of axes shows, since no two are equal."""
SHAPE = (9, 8, 7)
DIM, DATATYPE, BITPIX, PIXDIM, VOX_OFFSET, SCL, UNITS = 40, 70, 72, 76, 108, 112, 123
QFORM_CODE, SFORM_CODE, QUATERN, SROW, MAGIC = 252, 254, 256, 280, 344
"""Byte offsets in the NIfTI-1 header."""


def turned(x, y, z):
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad([x, y, z])):
        turn, (a, b) = np.eye(3), ((axis + 1) % 3, (axis + 2) % 3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def affine_of(linear, origin=(-12.0, 30.0, 5.5)):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, origin
    return matrix


OBLIQUE = affine_of(turned(20, -15, 10) * [-0.8, 1.1, 2.5])
"""Left-handed, three voxel sizes."""


def ramp(affine_ras, shape=SHAPE, dtype=np.float32):
    index = np.indices(shape).reshape(len(shape), -1)
    lps = (affine_ras[:3, :3] @ index + affine_ras[:3, 3:]) * np.array([[-1], [-1], [1]])
    values = (RAMP_PER_MM @ lps).reshape(shape)
    return values.astype(dtype) if np.issubdtype(dtype, np.floating) else np.rint(values).astype(dtype)


def ramp_error(image):
    return float(np.abs(image.array[0] - ramp(image.affine.matrix, image.spatial_shape, np.float64)).max())


def saved(path, affine=OBLIQUE, *, dtype=np.int16, array=None, change=None, cls=nibabel.Nifti1Image):
    array = ramp(affine, dtype=dtype) if array is None else array
    nifti = cls(array, affine, dtype=array.dtype)
    nifti.set_qform(affine, code=1)
    if change is not None:
        change(nifti)
    nibabel.save(nifti, path)
    return path


def patched(path, *changes):
    """Overwrite header bytes: (offset, numpy type, values ...) each."""
    content = bytearray(path.read_bytes())
    for offset, kind, *values in changes:
        data = np.array(values, kind).tobytes()
        content[offset : offset + len(data)] = data
    path.write_bytes(bytes(content))
    return path


def codes(image):
    return [verdict.code for verdict in image.metadata.verdicts]


def assert_right(image, *, flags=(), error=0.51):
    assert ramp_error(image) <= error
    assert codes(image) == list(flags)
    assert len(image.metadata.notes) == len(flags)


def assert_refused(path, code, **request):
    with pytest.raises(RefusedImageError) as caught:
        read_image(path, **request)
    assert caught.value.verdicts[0].code == code
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message


LAYOUTS = {
    "axial RAS": np.diag([0.8, 1.1, 2.5]),
    "axial LPS": np.diag([-0.8, -1.1, 2.5]),
    "radiological": np.diag([-0.8, 1.1, 2.5]),
    "IPL, as KiTS": np.array([[0, 0, -0.8], [0, -0.8, 0], [-3.0, 0, 0]]),
    "sagittal": np.array([[0, 0, 1.0], [0.9, 0, 0], [0, -1.2, 0]]),
    "oblique": turned(20, -15, 10) * [0.8, 1.1, 2.5],
    "doubly oblique, left-handed": turned(-33, 25, 12) * [-0.8, 1.1, 2.5],
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("forms", ["both", "sform", "qform"])
def test_clean_files_are_right_without_a_flag(tmp_path, name, forms):
    def change(nifti):
        if forms == "sform":
            nifti.set_qform(None, code=0)
        if forms == "qform":
            nifti.set_sform(None, code=0)

    image = read_image(saved(tmp_path / "a.nii.gz", affine_of(LAYOUTS[name]), change=change))
    assert_right(image)
    assert image.metadata.extra["has_orientation"] is True


@pytest.mark.parametrize(
    ("name", "cls"),
    [("a.nii", nibabel.Nifti2Image), ("A.NII.GZ", nibabel.Nifti1Image), ("a.nii.gz", nibabel.Nifti2Image)],
)
def test_row_74_kinds_of_file_are_read(tmp_path, name, cls):
    plain = saved(tmp_path / "plain.nii", cls=cls).read_bytes()
    path = tmp_path / name
    path.write_bytes(gzip.compress(plain) if name.lower().endswith("gz") else plain)
    assert_right(read_image(path))


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("packed", [False, True])
def test_row_74_big_endian_is_read(tmp_path, dtype, packed):
    array = ramp(OBLIQUE, dtype=dtype)
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(dtype)
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    nibabel.Nifti1Image(array, OBLIQUE, header=header).to_filename(path)
    image = read_image(path)
    assert image.array.dtype == dtype
    assert image.array.dtype.isnative
    assert_right(image)


@pytest.mark.parametrize("given", [".hdr", ".img"])
@pytest.mark.parametrize("packed", [False, True])
def test_row_74_a_pair_is_read_from_either_file(tmp_path, given, packed):
    pair = nibabel.Nifti1Pair(ramp(OBLIQUE, dtype=np.int16), OBLIQUE, dtype=np.int16)
    ending = ".gz" if packed else ""
    pair.to_filename(tmp_path / f"a.img{ending}")
    assert_right(read_image(tmp_path / f"a{given}{ending}"))


def test_row_74_half_a_pair_is_refused(tmp_path):
    pair = nibabel.Nifti1Pair(ramp(OBLIQUE, dtype=np.int16), OBLIQUE, dtype=np.int16)
    pair.to_filename(tmp_path / "a.img")
    (tmp_path / "a.img").unlink()
    assert_refused(tmp_path / "a.hdr", "no-data-file")


@pytest.mark.parametrize("name", ["a.nrrd", "a.tif", "a.png", "a.mha", "scan", "a.dcm", "a.bak"])
@pytest.mark.parametrize("packed", [False, True])
def test_row_74_the_content_decides_not_the_suffix(tmp_path, name, packed):
    plain = saved(tmp_path / "a.nii").read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(plain) if packed else plain)
    image = read_image(tmp_path / name)
    assert_right(image)
    assert image.metadata.format == "nifti"
    (tmp_path / "a.nii").unlink()


def test_row_77_a_gzip_name_may_hold_a_plain_file_and_the_other_way_round(tmp_path):
    plain = saved(tmp_path / "plain.nii").read_bytes()
    (tmp_path / "raw.nii.gz").write_bytes(plain)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
    for name in ("raw.nii.gz", "packed.nii"):
        assert_right(read_image(tmp_path / name))


def test_row_62_no_orientation_is_flagged(tmp_path):
    def change(nifti):
        nifti.set_sform(None, code=0)
        nifti.set_qform(None, code=0)

    sizes = np.diag([0.8, 1.1, 2.5, 1.0])
    image = read_image(saved(tmp_path / "a.nii", sizes, change=change))
    assert_right(image, flags=["no-orientation"])
    assert image.metadata.extra["has_orientation"] is False
    (entry,) = describe(tmp_path / "a.nii")
    assert entry.verdict == "ok"
    assert any("no-orientation" in note for note in entry.notes)


def test_row_63_where_the_forms_disagree_the_sform_counts_with_a_flag(tmp_path):
    other = affine_of(turned(5, 0, 0) @ OBLIQUE[:3, :3])
    image = read_image(saved(tmp_path / "a.nii", change=lambda nifti: nifti.set_qform(other, code=1)))
    assert_right(image, flags=["forms-disagree"])


def test_row_63_forms_that_are_mirror_images_are_refused_and_nobody_may_allow_it(tmp_path):
    path = saved(tmp_path / "a.nii", change=lambda nifti: nifti.set_qform(OBLIQUE @ np.diag([-1, 1, 1, 1]), code=1))
    assert_refused(path, "mirrored-forms")
    assert_refused(path, "mirrored-forms", allow=["mirrored-forms"])


def test_row_64_a_sheared_sform_is_kept_with_a_flag(tmp_path):
    sheared = OBLIQUE.copy()
    sheared[0, 1] += 0.3
    image = read_image(saved(tmp_path / "a.nii", sheared, change=lambda nifti: nifti.set_qform(None, code=0)))
    assert_right(image, flags=["sheared-grid"])


@pytest.mark.parametrize("row", [(0.0,) * 12, (np.nan,) * 12, (np.inf, *OBLIQUE[:3].ravel()[1:])])
def test_rows_65_and_66_a_damaged_sform_gives_way_to_the_qform(tmp_path, row):
    image = read_image(patched(saved(tmp_path / "a.nii"), (SROW, "<f4", *row)))
    assert_right(image, flags=["damaged-sform"])


@pytest.mark.parametrize("row", [(0.0,) * 12, (np.nan,) * 12])
def test_rows_65_and_66_a_damaged_sform_alone_is_refused(tmp_path, row):
    path = saved(tmp_path / "a.nii", change=lambda nifti: nifti.set_qform(None, code=0))
    assert_refused(patched(path, (SROW, "<f4", *row)), "damaged-orientation")


@pytest.mark.parametrize("vector", [(np.nan, 0, 0), (0.9, 0.9, 0.9)])
def test_a_damaged_qform_is_left_out_or_refused(tmp_path, vector):
    path = patched(saved(tmp_path / "a.nii"), (QUATERN, "<f4", *vector))
    assert_right(read_image(path), flags=["damaged-qform"])
    assert_refused(patched(path, (SFORM_CODE, "<i2", 0)), "damaged-orientation")


@pytest.mark.parametrize("size", [0.0, -0.8, np.nan, np.inf])
def test_row_67_a_voxel_size_that_is_none_is_refused_unless_the_sform_has_it(tmp_path, size):
    path = patched(saved(tmp_path / "a.nii"), (PIXDIM + 4, "<f4", size))
    assert_right(read_image(path), flags=["bad-voxel-size"])
    assert_refused(patched(path, (SFORM_CODE, "<i2", 0)), "bad-voxel-size")
    assert_refused(patched(path, (QFORM_CODE, "<i2", 0)), "bad-voxel-size")


def test_row_68_an_unknown_sform_code_is_flagged(tmp_path):
    assert_right(read_image(patched(saved(tmp_path / "a.nii"), (SFORM_CODE, "<i2", 99))), flags=["sform-code"])
    assert_right(read_image(patched(tmp_path / "a.nii", (SFORM_CODE, "<i2", -3))), flags=["sform-code"])


@pytest.mark.parametrize(("code", "factor"), [(1, 1e3), (3, 1e-3)])
def test_row_69_metres_and_microns_become_millimetres(tmp_path, code, factor):
    stored = OBLIQUE / factor
    stored[3, 3] = 1.0
    path = saved(tmp_path / "a.nii", stored, array=ramp(OBLIQUE, dtype=np.int16))
    image = read_image(patched(path, (UNITS, "u1", code)))
    assert_right(image, flags=["units"])
    assert "converted to mm" in image.metadata.notes[0]
    np.testing.assert_allclose(image.affine.matrix, OBLIQUE, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("slope", "inter", "flags"),
    [
        (0.0, 0.0, []),
        (np.nan, np.nan, []),
        (np.nan, 0.0, []),
        (0.0, 5.0, ["scaling-left-out"]),
        (np.inf, 0.0, ["scaling-left-out"]),
        (1.0, 0.0, []),
    ],
)
def test_row_70_a_slope_that_is_none_leaves_the_integers_alone(tmp_path, slope, inter, flags):
    image = read_image(patched(saved(tmp_path / "a.nii"), (SCL, "<f4", slope, inter)))
    assert image.array.dtype == np.int16
    assert_right(image, flags=flags)


def test_row_70_an_intercept_that_is_none_is_refused(tmp_path):
    assert_refused(patched(saved(tmp_path / "a.nii"), (SCL, "<f4", 2.0, np.nan)), "damaged-scaling")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("stored", "expected"), [("i2", "f4"), ("u1", "f4"), ("i4", "f8"), ("f4", "f4"), ("f8", "f8")])
def test_row_72_scaled_numbers_are_right_in_the_smallest_float(tmp_path, stored, expected, packed):
    slope, inter = (0.05, -20.0) if stored != "u1" else (2.0, -250.0)
    array = np.rint((ramp(OBLIQUE, dtype=np.float64) - inter) / slope)
    assert np.can_cast(np.min_scalar_type(int(array.min())), stored) or stored in {"i2", "i4", "f4", "f8"}
    if stored == "u1":
        array = np.clip(array, 0, 255)
    path = patched(saved(tmp_path / "a.nii", array=array.astype(stored)), (SCL, "<f4", slope, inter))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    image = read_image(path)
    assert image.array.dtype == np.dtype(expected)
    expected_values = array * float(np.float32(slope)) + float(np.float32(inter))
    np.testing.assert_allclose(image.array[0], expected_values, rtol=1e-6, atol=1e-4)


def with_holes(count, value):
    array = ramp(OBLIQUE)
    array.ravel()[np.linspace(0, array.size - 1, count).astype(int)] = value
    return array


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_row_71_a_few_voxels_without_a_number_are_set_to_the_smallest(tmp_path, value):
    array = with_holes(5, value)
    image = read_image(saved(tmp_path / "a.nii.gz", array=array))
    assert codes(image) == ["not-finite"]
    assert "5 of 504 voxels" in image.metadata.notes[0]
    expected = np.where(np.isfinite(array), array, array[np.isfinite(array)].min())
    np.testing.assert_array_equal(image.array[0], expected)


def test_row_71_more_than_one_percent_is_refused_unless_allowed(tmp_path):
    path = saved(tmp_path / "a.nii.gz", array=with_holes(6, np.nan))
    assert_refused(path, "not-finite")
    image = read_image(path, allow=["not-finite"])
    assert np.isfinite(image.array).all()
    assert "allowed by the user" in image.metadata.notes[0]
    nothing = saved(tmp_path / "b.nii", array=np.full(SHAPE, np.nan, np.float32))
    assert_refused(nothing, "not-finite", allow=["not-finite"])


def test_row_71_labels_are_never_filled_in(tmp_path):
    array = np.zeros(SHAPE, np.float32)
    array[0, 0, 0] = np.nan
    with pytest.raises(MedsegError, match="got NaN or infinity"):
        read_label_map(saved(tmp_path / "a.nii", array=array))


@pytest.mark.parametrize("kind", ["rgb", "rgba", "complex64", "bits", "unknown"])
def test_row_73_colours_and_complex_numbers_are_refused(tmp_path, kind):
    code = {"rgb": 128, "rgba": 2304, "complex64": 32, "bits": 1, "unknown": 77}[kind]
    path = patched(saved(tmp_path / "a.nii"), (DATATYPE, "<i2", code))
    assert_refused(path, "not-one-number" if kind != "unknown" else "damaged-header")


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (3, 4, 5, 1, 3), (3, 4, 5, 2, 3)])
def test_row_73_several_volumes_are_refused(tmp_path, shape):
    assert_refused(saved(tmp_path / "a.nii", array=np.zeros(shape, np.int16)), "several-volumes")


def test_row_73_trailing_axes_of_length_one_are_left_out(tmp_path):
    array = ramp(OBLIQUE, dtype=np.int16)[..., None, None]
    assert_right(read_image(saved(tmp_path / "a.nii", array=array)))


def test_row_73_a_vector_axis_may_be_named_as_channels(tmp_path):
    array = np.stack([ramp(OBLIQUE, dtype=np.int16), np.zeros(SHAPE, np.int16)], axis=-1)[..., None, :]
    image = read_image(saved(tmp_path / "a.nii", array=array), axes="XYZC")
    assert image.array.shape == (2, *SHAPE)
    assert ramp_error(image) <= 0.51


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_row_75_cut_files_are_refused(tmp_path, part, name):
    array = np.random.default_rng(0).integers(-900, 900, (20, 20, 20)).astype(np.int16)
    path = saved(tmp_path / name, array=array)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(RefusedImageError, match=r"cut off|another kind|of another length"):
        read_image(path)


def test_row_75_the_cut_plain_file_is_seen_from_the_header(tmp_path):
    path = saved(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes()[:-1])
    (entry,) = describe(path)
    assert entry.verdict == "refused"
    assert "truncated" in entry.problem


def test_row_76_a_flipped_bit_anywhere_in_a_gz_is_found(tmp_path):
    rng = np.random.default_rng(3)
    path = saved(tmp_path / "a.nii.gz", array=rng.integers(-900, 900, (16, 16, 16)).astype(np.int16))
    clean = path.read_bytes()
    for place in rng.integers(20, len(clean), 40):
        spoilt = bytearray(clean)
        spoilt[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(spoilt))
        with pytest.raises(ImageFormatError):
            read_image(path)


def test_row_78_zero_bytes_are_refused(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"")
    with pytest.raises(ImageFormatError, match="zero bytes"):
        read_image(tmp_path / "a.nii")


DAMAGED = {
    "32000 cubed": ((DIM, "<i2", 3, 32000, 32000, 32000), "truncated"),
    "negative": ((DIM, "<i2", 3, -9), "damaged-header"),
    "zero size": ((DIM, "<i2", 3, 0), "damaged-header"),
    "no axes": ((DIM, "<i2", 0), "damaged-header"),
    "nine axes": ((DIM, "<i2", 9), "damaged-header"),
    "one axis": ((DIM, "<i2", 1, 9), "no-image"),
    "bad type": ((DATATYPE, "<i2", 3), "damaged-header"),
    "offset inside the header": ((VOX_OFFSET, "<f4", 8.0), "damaged-header"),
    "offset NaN": ((VOX_OFFSET, "<f4", np.nan), "damaged-header"),
    "no magic": ((MAGIC, "u1", 0, 0, 0, 0), "not-nifti"),
    "header size": ((0, "<i4", 347), "damaged-header"),
    "fewer slices than stored": ((DIM, "<i2", 3, 9, 8, 5), "surplus-data"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("packed", [False, True])
def test_row_79_damaged_headers_are_refused(tmp_path, name, packed):
    change, code = DAMAGED[name]
    path = patched(saved(tmp_path / "a.nii"), change)
    if packed:
        path = tmp_path / "a.nii.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    assert_refused(path, code)


def test_a_few_bytes_too_many_are_flagged_and_a_whole_slice_may_be_allowed(tmp_path):
    path = saved(tmp_path / "a.nii")
    path.write_bytes(path.read_bytes() + b"\0" * 8)
    assert_right(read_image(path), flags=["surplus-data"])
    path.write_bytes(path.read_bytes() + b"\0" * 1000)
    assert_refused(path, "surplus-data")
    assert_right(read_image(path, allow=["surplus-data"]), flags=["surplus-data"])


def test_bits_that_do_not_fit_the_type_are_flagged(tmp_path):
    assert_right(read_image(patched(saved(tmp_path / "a.nii"), (BITPIX, "<i2", 8))), flags=["bits-disagree"])


def test_row_81_a_voxel_of_half_a_metre_is_flagged(tmp_path):
    big = affine_of(np.diag([500.0, 500.0, 500.0]), origin=(0, 0, 0))
    image = read_image(saved(tmp_path / "a.nii", big, dtype=np.int32))
    assert_right(image, flags=["odd-spacing"])


@pytest.mark.parametrize("origin", [(1e4, -2e4, 3e4), (-1500.0, 0, 0)])
def test_row_82_left_handed_files_with_a_far_origin_are_right(tmp_path, origin):
    path = saved(tmp_path / "a.nii.gz", affine_of(OBLIQUE[:3, :3], origin), dtype=np.int32)
    assert_right(read_image(path))


def test_several_gzip_members_are_one_file(tmp_path):
    plain = saved(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain[:500]) + gzip.compress(plain[500:]))
    assert_right(read_image(tmp_path / "b.nii.gz"))


def test_a_member_after_the_last_voxel_is_seen(tmp_path):
    plain = saved(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain) + gzip.compress(bytes(1000)))
    assert_refused(tmp_path / "b.nii.gz", "surplus-data")


@pytest.mark.parametrize("packed", [False, True])
def test_rows_79_and_80_the_budget_is_asked_before_anything_is_read(tmp_path, packed):
    path = saved(tmp_path / ("a.nii.gz" if packed else "a.nii"))
    with within_budget(Budget(1000)):
        assert_refused(path, "over-budget")
        (entry,) = describe(path)
    assert "over-budget" in entry.problem


def test_row_80_a_bomb_is_refused_from_its_header(tmp_path):
    header = bytearray(saved(tmp_path / "a.nii").read_bytes()[:352])
    header[DIM : DIM + 8] = np.array([3, 1024, 1024, 100], "<i2").tobytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(bytes(header) + bytes(200 * 2**20)))
    tracemalloc.start()
    assert_refused(tmp_path / "b.nii.gz", "compression-bomb")
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["int16", "float32", "scaled", "big-endian"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_peak_of_memory_is_the_array(tmp_path, kind, packed):
    array = np.random.default_rng(0).integers(-900, 900, (128, 128, 96)).astype("i2" if kind != "float32" else "f4")
    path = tmp_path / "a.nii"
    if kind == "big-endian":
        header = nibabel.Nifti1Header(endianness=">")
        header.set_data_dtype(np.int16)
        nibabel.Nifti1Image(array, OBLIQUE, header=header).to_filename(path)
    else:
        saved(path, array=array)
    if kind == "scaled":
        patched(path, (SCL, "<f4", 0.5, -3.0))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), compresslevel=1))
    read_image(path)  # imports
    tracemalloc.start()
    image = read_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1.2 * image.array.nbytes + 2**20
    np.testing.assert_array_equal(image.array[0], array * np.float32(0.5) - 3 if kind == "scaled" else array)


def test_numbers_that_hardly_pack_are_right_by_either_way(tmp_path):
    rng = np.random.default_rng(1)
    for shape in [(64, 64, 40), (5, 6, 7)]:
        array = rng.integers(-(2**15), 2**15, shape).astype(np.int16)
        for level in (0, 1, 9):
            path = saved(tmp_path / "a.nii", array=array)
            path.write_bytes(gzip.compress(path.read_bytes(), compresslevel=level))
            np.testing.assert_array_equal(read_image(path).array[0], array)


def test_empty_then_full_data_do_not_overrun_their_packed_form(tmp_path):
    array = np.zeros((128, 128, 60), np.int16)
    array[..., 30:] = np.random.default_rng(1).integers(-(2**15), 2**15, (128, 128, 30))
    for turned_round in (array, array[..., ::-1]):
        path = saved(tmp_path / "a.nii.gz", array=np.ascontiguousarray(turned_round))
        np.testing.assert_array_equal(read_image(path).array[0], turned_round)
