import nibabel
import numpy as np
import pytest

from medseg.errors import ImageFormatError, InputError, LabelError
from medseg.images import LabelKind, LabelTable
from medseg.io import read_image, read_label_map

AFFINE = np.array([[-0.5, 0, 0, 10], [0, 0.8, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])
ARRAY = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def saved(path, array=ARRAY, *, change=None, cls=nibabel.Nifti1Image, affine=AFFINE):
    nifti = cls(array, affine, dtype=array.dtype)
    if change is not None:
        change(nifti)
    nibabel.save(nifti, path)
    return path


def patched(path, offset, data):
    """Overwrite header bytes that nibabel would not write."""
    content = bytearray(path.read_bytes())
    content[offset : offset + len(data)] = data
    path.write_bytes(bytes(content))
    return path


def floats(*values):
    return np.array(values, "<f4").tobytes()


def shorts(*values):
    return np.array(values, "<i2").tobytes()


DIM, PIXDIM, QFORM_CODE, SFORM_CODE, SROW_X = 40, 76, 252, 254, 280
"""Byte offsets in the NIfTI-1 header."""


def test_the_sform_wins_over_the_qform_and_the_doubt_is_noted(tmp_path):
    path = saved(tmp_path / "a.nii", change=lambda nifti: nifti.set_qform(np.diag([-0.5, 0.8, 3, 1]), code=1))
    image = read_image(path)
    np.testing.assert_allclose(image.affine.matrix, AFFINE, atol=1e-6)
    assert any("sform and qform place it differently" in note for note in image.metadata.notes)


def test_the_qform_is_used_without_an_sform(tmp_path):
    def change(nifti):
        nifti.set_qform(AFFINE, code=1)
        nifti.set_sform(None, code=0)

    image = read_image(saved(tmp_path / "a.nii", change=change))
    np.testing.assert_allclose(image.affine.matrix, AFFINE, atol=1e-5)
    assert image.metadata.notes == ()


def test_without_both_the_voxel_size_counts_and_the_orientation_is_noted_as_missing(tmp_path):
    def change(nifti):
        nifti.set_qform(None, code=0)
        nifti.set_sform(None, code=0)

    image = read_image(saved(tmp_path / "a.nii", change=change))
    np.testing.assert_allclose(image.affine.matrix, np.diag([0.5, 0.8, 3, 1]), atol=1e-6)
    assert any("states no orientation" in note for note in image.metadata.notes)


@pytest.mark.parametrize("row", [floats(0, 0, 0, 0), floats(np.nan, 0, 0, 0)], ids=["zero", "NaN"])
def test_a_damaged_sform_gives_way_to_the_qform_with_a_note(tmp_path, row):
    path = saved(tmp_path / "a.nii", change=lambda nifti: nifti.set_qform(AFFINE, code=1))
    image = read_image(patched(path, SROW_X, row))
    np.testing.assert_allclose(image.affine.matrix, AFFINE, atol=1e-5)
    assert any("sform is damaged" in note for note in image.metadata.notes)


def test_a_voxel_size_of_zero_is_refused(tmp_path):
    def change(nifti):
        nifti.set_qform(None, code=0)
        nifti.set_sform(None, code=0)

    path = saved(tmp_path / "a.nii", change=change)
    with pytest.raises(ImageFormatError, match=r"a\.nii: expected a positive voxel size, got \(0, 0\.8, 3\)"):
        read_image(patched(path, PIXDIM + 4, floats(0)))


@pytest.mark.parametrize(("unit", "factor"), [("micron", 1e-3), ("meter", 1e3), ("mm", 1), ("unknown", 1)])
def test_lengths_are_converted_to_mm(tmp_path, unit, factor):
    image = read_image(saved(tmp_path / "a.nii", change=lambda nifti: nifti.header.set_xyzt_units(unit)))
    np.testing.assert_allclose(image.affine.matrix[:3], AFFINE[:3] * factor, rtol=1e-6)
    assert any("converted to mm" in note for note in image.metadata.notes) == (factor != 1)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [(np.uint8, np.float32), (np.int16, np.float32), (np.uint16, np.float32), (np.int32, np.float64)],
)
def test_scaled_values_take_the_smallest_float_that_holds_them(tmp_path, stored, expected):
    def change(nifti):
        nifti.header.set_slope_inter(0.5, -3.0)

    path = tmp_path / "a.nii"
    nifti = nibabel.Nifti1Image(ARRAY.astype(stored), AFFINE, dtype=stored)
    nibabel.save(nifti, path)
    patched(path, 112, floats(0.5, -3.0))
    image = read_image(path)
    assert image.array.dtype == expected
    np.testing.assert_allclose(image.array[0], ARRAY * 0.5 - 3.0)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_slope_of_zero_means_unscaled_as_the_standard_says(tmp_path, slope):
    image = read_image(patched(saved(tmp_path / "a.nii"), 112, floats(slope, 5.0)))
    assert image.array.dtype == np.int16
    np.testing.assert_array_equal(image.array[0], ARRAY)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_unscaled_values_keep_their_stored_type(tmp_path, dtype):
    assert read_image(saved(tmp_path / "a.nii.gz", ARRAY.astype(dtype))).array.dtype == dtype


def test_big_endian_and_nifti_2_files_are_read(tmp_path):
    big = nibabel.Nifti1Image(ARRAY, AFFINE, dtype=np.int16)
    header = big.header.as_byteswapped(">")
    nibabel.Nifti1Image(ARRAY, AFFINE, header=header).to_filename(tmp_path / "big.nii")
    saved(tmp_path / "two.nii", cls=nibabel.Nifti2Image)
    for name in ("big.nii", "two.nii"):
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(image.array[0], ARRAY)
        assert image.array.dtype.isnative
        np.testing.assert_allclose(image.affine.matrix, AFFINE, atol=1e-6)


def test_a_fourth_axis_is_refused_unless_named(tmp_path):
    array = np.arange(120, dtype=np.int16).reshape(3, 4, 5, 2)
    path = saved(tmp_path / "a.nii", array)
    with pytest.raises(ImageFormatError, match=r"expected three axes, got the shape \(3, 4, 5, 2\): .*--axes XYZC"):
        read_image(path)
    image = read_image(path, axes="xyzc")
    assert (image.axes, image.array.shape) == ("CXYZ", (2, 3, 4, 5))
    np.testing.assert_array_equal(image.array[1], array[..., 1])


def test_a_fourth_axis_of_length_one_is_dropped(tmp_path):
    image = read_image(saved(tmp_path / "a.nii", ARRAY[..., None]))
    assert image.array.shape == (1, 3, 4, 5)


@pytest.mark.parametrize("axes", ["ZYX", "XYZT", "XY", "XXYZ"])
def test_axes_that_do_not_fit_are_refused(tmp_path, axes):
    with pytest.raises(InputError, match="axes"):
        read_image(saved(tmp_path / "a.nii"), axes=axes)


def test_colours_and_complex_numbers_are_refused(tmp_path):
    rgb = np.zeros((3, 4, 5), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(ImageFormatError, match="one real number a voxel, got RGB colours"):
        read_image(saved(tmp_path / "rgb.nii", rgb))
    with pytest.raises(ImageFormatError, match="got values of type complex64"):
        read_image(saved(tmp_path / "complex.nii", ARRAY.astype(np.complex64)))


def test_a_cut_gz_says_that_it_cannot_be_read(tmp_path):
    path = saved(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 999, (30, 30, 30)).astype(np.int16))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(
        ImageFormatError,
        match=r"a\.nii\.gz: cut off: expected 54000 bytes of voxels, got \d+ \[truncated\]\. Copy it again",
    ):
        read_image(path)


def test_a_bit_flip_in_a_gz_is_found(tmp_path):
    path = saved(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 999, (30, 30, 30)).astype(np.int16))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))
    with pytest.raises(ImageFormatError, match=r"a\.nii\.gz"):
        read_image(path)


def test_a_header_that_asks_for_the_moon_is_refused(tmp_path):
    path = patched(saved(tmp_path / "a.nii"), DIM + 2, shorts(32000, 32000, 32000))
    with pytest.raises(ImageFormatError, match=r"a\.nii"):
        read_image(path)


@pytest.mark.parametrize("dim", [shorts(3, -3), shorts(0), shorts(9)], ids=["negative", "none", "nine"])
def test_damaged_dimensions_are_refused(tmp_path, dim):
    with pytest.raises(ImageFormatError, match=r"a\.nii"):
        read_image(patched(saved(tmp_path / "a.nii"), DIM, dim))


def test_labels_stored_as_floats_become_integers(tmp_path):
    array = (ARRAY % 3).astype(np.float32) + np.float32(1e-4)
    label_map = read_label_map(saved(tmp_path / "a.nii", array))
    assert label_map.array.dtype == np.uint8
    assert label_map.labels.names == ("background", "class 1", "class 2")
    np.testing.assert_array_equal(label_map.array, ARRAY % 3)


def test_half_labels_are_refused(tmp_path):
    path = saved(tmp_path / "a.nii", np.full((3, 4, 5), 0.5, np.float32))
    with pytest.raises(LabelError, match=r"a\.nii: expected whole numbers as labels, got 0\.5\. Round or threshold"):
        read_label_map(path)


@pytest.mark.parametrize(("value", "text"), [(np.nan, "got NaN or infinity"), (-1, "at least 0, got -1")])
def test_labels_that_are_none_are_refused(tmp_path, value, text):
    with pytest.raises(LabelError, match=text):
        read_label_map(saved(tmp_path / "a.nii", np.full((3, 4, 5), value, np.float32)))


def test_labels_outside_the_table_are_refused_with_the_file(tmp_path):
    labels = LabelTable.from_names(["background", "organ"])
    path = saved(tmp_path / "a.nii", (ARRAY % 4).astype(np.uint8))
    with pytest.raises(LabelError, match=r"a\.nii: label values 2, 3 are not in the class table \(0=background"):
        read_label_map(path, labels=labels)
    assert read_label_map(path, labels=labels, kind=LabelKind.INSTANCES).kind is LabelKind.INSTANCES


def test_a_table_made_from_a_map_names_only_what_is_there(tmp_path):
    array = np.zeros((3, 4, 5), np.int32)
    array[0, 0, :3] = (5, 300, 7)
    assert read_label_map(saved(tmp_path / "a.nii", array)).labels.values == (0, 5, 7, 300)
