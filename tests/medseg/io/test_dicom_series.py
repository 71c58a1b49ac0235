import numpy as np
import pytest
from cases.dicom import SeriesCase, ramp_error
from cases.grids import rotation
from pydicom.uid import RLELossless

from medseg.io import read_image

LARGEST_ROUNDING = 0.5 + 1e-6
PLANES = {
    "axial": np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float).T,
    "axial, prone": np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], dtype=float).T,
    "coronal": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=float).T,
    "sagittal": np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]], dtype=float).T,
}
PLANES |= {f"{name}, oblique": rotation(12, -7, 20) @ columns for name, columns in PLANES.items()}


def series(tmp_path, *, change=None, **options):
    case = SeriesCase(**{key: value for key, value in options.items() if key not in {"name", "skip"}})
    files = {key: value for key, value in options.items() if key in {"name", "skip"}}
    case.write(tmp_path / "series", change=change, **files)
    return tmp_path / "series"


@pytest.mark.parametrize("plane", PLANES)
def test_each_voxel_lies_where_the_ramp_says(tmp_path, plane):
    image = read_image(series(tmp_path, directions=PLANES[plane]))
    assert image.array.shape == (1, 6, 5, 4)
    assert image.axes == "CXYZ"
    assert ramp_error(image) <= LARGEST_ROUNDING


def test_the_affine_of_an_axial_series_worked_by_hand(tmp_path):
    image = read_image(series(tmp_path))
    # LPS: columns 0.8 mm along +x, rows 1.1 mm along +y, slices 2.5 mm along +z; RAS turns x and y round.
    expected = [[-0.8, 0, 0, 20.0], [0, -1.1, 0, -12.0], [0, 0, 2.5, 31.5], [0, 0, 0, 1]]
    np.testing.assert_allclose(image.affine.matrix, expected, atol=1e-9)
    assert image.affine.orientation == "LPS"


def test_column_is_the_first_axis_and_row_the_second(tmp_path):
    case = SeriesCase()
    image = read_image(series(tmp_path))
    assert image.array[0, 5, 2, 3] == case.values(3)[2, 5]


@pytest.mark.parametrize("plane", ["axial", "sagittal, oblique"])
def test_order_comes_from_position_not_from_names_or_numbers(tmp_path, plane):
    names = ["q.dcm", "b.dcm", "z.dcm", "a.dcm"]

    def renumber(ds, k):
        ds.InstanceNumber = [3, 1, 4, 2][k]

    image = read_image(series(tmp_path, directions=PLANES[plane], change=renumber, name=names.__getitem__))
    assert ramp_error(image) <= LARGEST_ROUNDING
    assert image.metadata.instance_uids == tuple(f"{SeriesCase().series_uid}.{k + 1}" for k in range(4))


@pytest.mark.parametrize(
    "number", [lambda k: 4 - k, lambda k: 1, lambda k: None], ids=["reversed", "all equal", "absent"]
)
def test_instance_numbers_do_not_matter(tmp_path, number):
    def renumber(ds, k):
        ds.InstanceNumber = number(k)

    assert ramp_error(read_image(series(tmp_path, change=renumber))) <= LARGEST_ROUNDING


def test_slices_stored_from_the_top_ascend_along_the_normal(tmp_path):
    image = read_image(series(tmp_path, step_lps_mm=(0, 0, -2.5)))
    assert ramp_error(image) <= LARGEST_ROUNDING
    assert image.affine.orientation == "LPS"
    assert image.metadata.instance_uids[0].endswith(".4")


def test_each_slice_has_its_own_rescale(tmp_path):
    def rescale(ds, k):
        slope, intercept = 0.5 + 0.25 * k, -1024.0 - k
        values = SeriesCase().values(k)
        ds.RescaleSlope, ds.RescaleIntercept = str(slope), str(intercept)
        ds.PixelData = np.rint((values - intercept) / slope).astype("<u2").tobytes()

    image = read_image(series(tmp_path, change=rescale))
    assert image.array.dtype == np.float32
    assert ramp_error(image) <= 0.5 + 1.25 / 2 + 1e-3  # the ramp's rounding, and half a stored step of the last slice


def test_whole_values_are_integers_of_16_bits(tmp_path):
    assert read_image(series(tmp_path)).array.dtype == np.int16


def test_values_beyond_16_bits_widen_the_volume(tmp_path):
    def rescale(ds, k):
        ds.RescaleSlope = "100"
        ds.RescaleIntercept = "0"

    image = read_image(series(tmp_path, change=rescale))
    assert image.array.dtype == np.int32
    assert image.array[0, 0, 0, 0] == (SeriesCase().values(0)[0, 0] + 1024) * 100


def test_signed_values_keep_their_sign(tmp_path):
    def sign(ds, k):
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit, ds.RescaleIntercept = 1, 16, 15, "0"
        ds.PixelData = SeriesCase().values(k).astype("<i2").tobytes()

    assert ramp_error(read_image(series(tmp_path, change=sign))) <= LARGEST_ROUNDING


def test_compressed_pixels_give_the_same_volume(tmp_path):
    image = read_image(series(tmp_path, change=lambda ds, k: ds.compress(RLELossless)))
    assert ramp_error(image) <= LARGEST_ROUNDING


def test_positions_rounded_to_a_thousandth_still_make_a_volume(tmp_path):
    def jitter(ds, k):
        ds.ImagePositionPatient = [round(float(value) + (-1) ** k * 0.0006, 3) for value in ds.ImagePositionPatient]

    assert ramp_error(read_image(series(tmp_path, change=jitter))) <= LARGEST_ROUNDING + 0.02


def test_monochrome1_keeps_its_values_and_says_so(tmp_path):
    def invert(ds, k):
        ds.PhotometricInterpretation = "MONOCHROME1"

    image = read_image(series(tmp_path, change=invert))
    assert ramp_error(image) <= LARGEST_ROUNDING
    assert any("MONOCHROME1" in note for note in image.metadata.notes)


def test_padding_gets_the_lowest_value_of_the_scan_and_is_mentioned(tmp_path):
    def pad(ds, k):
        ds.PixelPaddingValue = 0
        pixels = np.frombuffer(ds.PixelData, "<u2").copy()
        pixels[0] = 0
        ds.PixelData = pixels.tobytes()

    image = read_image(series(tmp_path, change=pad))
    assert image.array[0, 0, 0, 0] == image.array.ravel()[1:].min() > -1024
    assert any("padding" in note for note in image.metadata.notes)


def test_a_ct_series_has_hounsfield_units(tmp_path):
    metadata = read_image(series(tmp_path)).metadata
    assert (metadata.modality, metadata.value_unit, metadata.format) == ("CT", "HU", "dicom")
    assert metadata.spacing_is_known
    assert metadata.extra["series_uid"] == SeriesCase().series_uid


def test_a_ct_series_without_rescale_is_not_called_hounsfield(tmp_path):
    def strip(ds, k):
        del ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType

    metadata = read_image(series(tmp_path, change=strip)).metadata
    assert metadata.value_unit is None
    assert any("Hounsfield" in note for note in metadata.notes)


def test_a_single_file_is_a_volume_of_depth_one_as_thick_as_it_says(tmp_path):
    folder = series(tmp_path)
    image = read_image(folder / "002.dcm")
    assert image.array.shape == (1, 6, 5, 1)
    assert image.spacing_mm == pytest.approx((0.8, 1.1, 2.5))
    assert ramp_error(image) <= LARGEST_ROUNDING
    assert any("one file of a series" in note for note in image.metadata.notes)


def test_files_of_other_kinds_are_left_out_with_a_note(tmp_path):
    folder = series(tmp_path)
    (folder / "README.txt").write_text("hello")
    (folder / ".DS_Store").write_bytes(b"\0" * 200)
    image = read_image(folder)
    assert ramp_error(image) <= LARGEST_ROUNDING
    assert "files in the folder that are no DICOM images, left out: 1 [files-left-out]" in image.metadata.notes


def test_a_folder_of_folders_is_searched(tmp_path):
    SeriesCase().write(tmp_path / "study" / "series")
    assert ramp_error(read_image(tmp_path / "study")) <= LARGEST_ROUNDING


def test_files_without_suffix_and_with_odd_names_are_read(tmp_path):
    assert ramp_error(read_image(series(tmp_path, name=lambda k: f"Schädel {k}"))) <= LARGEST_ROUNDING


def test_the_chosen_one_of_two_series_is_read(tmp_path):
    folder = series(tmp_path)
    SeriesCase(series_uid="1.2.9", spacing_mm=(2.0, 2.0, 5.0)).write(folder, name="other{k}.dcm")
    image = read_image(folder, series_uid="1.2.9")
    assert image.spacing_mm == pytest.approx((2.0, 2.0, 5.0))
    assert image.metadata.extra["series_uid"] == "1.2.9"
    assert ramp_error(image) <= LARGEST_ROUNDING


def test_an_object_laid_over_the_series_is_left_out(tmp_path):
    folder = series(tmp_path)

    def make_segmentation(ds, k):
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"

    SeriesCase(series_uid="1.2.9", shape=(6, 5, 1)).write(folder, change=make_segmentation, name="seg.dcm")
    assert ramp_error(read_image(folder)) <= LARGEST_ROUNDING


def test_empty_instance_uids_do_not_count_as_duplicates(tmp_path):
    def strip(ds, k):
        ds.SOPInstanceUID = ""

    assert ramp_error(read_image(series(tmp_path, change=strip))) <= LARGEST_ROUNDING


def test_a_file_without_preamble_is_read(tmp_path):
    folder = series(tmp_path)
    path = folder / "001.dcm"
    plain = SeriesCase().dataset(1)
    del plain.file_meta
    plain.preamble = None
    plain.save_as(path, implicit_vr=True, little_endian=True)
    assert path.read_bytes()[128:132] != b"DICM"
    assert ramp_error(read_image(folder)) <= LARGEST_ROUNDING
