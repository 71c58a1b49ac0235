"""Real files: what must be read is read as other programs do, what must not is refused with its reason."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name

from medseg.errors import ImageFormatError, MedsegError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import LabelKind
from medseg.io import describe, list_inputs, read_image, read_label_map

pytestmark = pytest.mark.real_data


def grid_of_sitk(image):
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine = Affine.from_spacing(
        image.GetSpacing(), frame=WorldFrame.LPS, origin_mm=image.GetOrigin(), direction=direction
    )
    return Grid(image.GetSize(), affine.to_frame(WorldFrame.RAS))


@pytest.mark.parametrize(("name", "slices"), [("train-volume", 24), ("train-labels", 24), ("test-volume", 30)])
def test_isbi_stacks_are_slices(data_dir, name, slices):
    image = read_image(data_dir / "isbi2012" / f"{name}.tif")
    assert (image.axes, image.array.shape, image.array.dtype) == ("CZYX", (1, slices, 512, 512), np.uint8)
    assert not image.metadata.spacing_is_known


def test_a_jpeg2000_ct_series_lies_where_simpleitk_puts_it(data_dir):
    folder = data_dir / "dicom" / "ct_series_j2k_totalseg" / "dicom"
    image = read_image(folder)
    reader = sitk.ImageSeriesReader()
    paths = sorted(folder.iterdir(), key=lambda path: sitk.ReadImage(str(path)).GetOrigin()[2])
    reader.SetFileNames([str(path) for path in paths])
    theirs = reader.Execute()
    assert image.array.shape == (1, 512, 512, 20)
    assert image.grid.is_same_as(grid_of_sitk(theirs), tolerance_mm=1e-3)
    np.testing.assert_array_equal(image.array[0], sitk.GetArrayViewFromImage(theirs).T)
    assert (image.metadata.modality, image.metadata.value_unit) == ("CT", "HU")


def test_the_mask_of_that_series_covers_the_same_place(data_dir):
    folder = data_dir / "dicom" / "ct_series_j2k_totalseg"
    image, mask = read_image(folder / "dicom"), read_label_map(folder / "reference_seg.nii.gz")
    ours, theirs = image.grid.corners_mm, mask.grid.corners_mm
    np.testing.assert_allclose(theirs.min(axis=0), ours.min(axis=0), atol=1e-2)
    np.testing.assert_allclose(theirs.max(axis=0), ours.max(axis=0), atol=1e-2)


REFUSED = {
    "ct_series_variable_tilt_spacing_GE": r"distance between slices varies from 1\.081 to 6\.999 mm",
    "bad_series/notavolume/001": r"got a series of 4 \(acquisition\)",
    "bad_series/slicecount/001": "two slices 1 mm apart do not show",
    "bad_series/sliceincrement/001": r"slices are missing: 10 mm between .* 5 mm elsewhere",
    "bad_series/sliceincrement/002": r"slices are missing: 1\.499 mm between .* 0\.7497 mm elsewhere",
    "bad_series/sliceorientation/001": r"got a series of 2 \(orientation\)",
    "bad_series/sliceincrement": "expected one DICOM series, got 2",
    "mr_convert_pairs/rgb/001": "expected grey values, got a colour picture",
    "rtstruct/rtutils_empty": r"without images of their own \(structure set\)",
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_series_are_refused_with_their_reason(data_dir, name):
    with pytest.raises(ImageFormatError, match=REFUSED[name]) as caught:
        read_image(data_dir / "dicom" / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["anatomical", "compressed", "compressed_j2k", "compressed_jpegls", "compressed_rle"])
def test_mr_series_agree_with_the_nifti_a_trusted_converter_made(data_dir, kind):
    folder = data_dir / "dicom" / "mr_convert_pairs" / kind
    image, theirs = read_image(folder / "001"), read_image(folder / "001_ground_truth.nii.gz")
    index = np.indices(theirs.spatial_shape).reshape(3, -1).T
    ours = image.affine.apply_inverse(theirs.affine.apply(index))
    assert np.abs(ours - np.rint(ours)).max() <= 2e-3
    np.testing.assert_array_equal(image.array[0][tuple(np.rint(ours).astype(int).T)], theirs.array[0].ravel())


def test_each_transfer_syntax_is_decoded_or_refused_in_one_line(data_dir):
    folder = data_dir / "dicom" / "ct_one_image_every_transfer_syntax"
    decoded = set()
    for path in sorted(folder.glob("CTImage.dcm*")):
        try:
            decoded.add(path.name.split("TransferSyntax")[0].removeprefix("CTImage.dcm_"))
            assert read_image(path).array.shape == (1, 512, 512, 1)
        except ImageFormatError as error:
            assert "\n" not in str(error)  # noqa: PT017 - which ones are decoded depends on the installed codecs
            decoded.discard(path.name.split("TransferSyntax")[0].removeprefix("CTImage.dcm_"))
    assert {
        "JPEG2000LosslessOnly",
        "JPEGLSLossless",
        "JPEGProcess14SV1",
        "RLELossless",
        "LittleEndianImplicit",
    } <= decoded


def test_dicom_oddities_raise_nothing_but_our_own_errors(data_dir):
    for path in sorted((data_dir / "dicom" / "pydicom_test_files").rglob("*")):
        if path.is_file():
            try:
                read_image(path)
            except MedsegError as error:
                assert "\n" not in str(error)  # noqa: PT017


def test_a_totalsegmentator_case_is_read(data_dir):
    image = read_image(data_dir / "ct" / "totalseg_example" / "image.nii.gz")
    mask = read_label_map(data_dir / "ct" / "totalseg_example" / "label.nii.gz")
    assert image.array.shape[1:] == mask.spatial_shape == (122, 101, 112)
    assert image.spacing_mm == pytest.approx((3, 3, 3), abs=1e-3)
    assert image.grid.is_same_as(mask.grid)
    assert len(mask.labels) == 62


@pytest.mark.parametrize(("patient", "fraction"), [("patient07", 0.00018), ("patient19", 0.0069)])
def test_ms_lesions_are_read_on_the_image_grid(data_dir, patient, fraction):
    folder = data_dir / "mr" / "open_ms" / patient
    image, mask = read_image(folder / "FLAIR.nii.gz"), read_label_map(folder / "label.nii.gz")
    assert image.array.dtype == np.float32
    assert image.affine.orientation == "LAS"
    assert image.grid.is_same_as(mask.grid)
    assert mask.labels.values == (0, 1)
    assert float(mask.array.mean()) == pytest.approx(fraction, rel=0.05)


def test_nrrd_images_fit_their_masks(data_dir):
    for name in ("brain1", "breast1", "prostate_phantom"):
        folder = data_dir / "mr" / f"pyradiomics_{name}"
        assert read_image(folder / "image.nrrd").grid.is_same_as(read_label_map(folder / "label.nrrd").grid)


def test_nuclei_pictures_fit_their_masks(data_dir):
    folder = data_dir / "dsb2018" / "train"
    for path in sorted((folder / "images").glob("*.png"))[:12]:
        image = read_image(path)
        mask = read_label_map(folder / "masks" / f"{path.stem}.tif", kind=LabelKind.INSTANCES)
        assert image.axes == "CYX"
        assert image.num_channels == 3
        assert image.grid.is_same_as(mask.grid)


def test_a_folder_with_a_series_and_a_mask_lists_both(data_dir):
    folder = data_dir / "dicom" / "ct_series_j2k_totalseg"
    assert [path.name for path in list_inputs(folder)] == ["dicom", "reference_seg.nii.gz"]
    series, mask = describe(folder)
    assert (series.verdict, series.shape, series.orientation) == ("ok", (1, 512, 512, 20), "LPS")
    assert mask.verdict == "ok"


def test_all_dicom_folders_are_described_with_verdicts(data_dir):
    entries = describe(data_dir / "dicom")
    assert {entry.verdict for entry in entries} == {"ok", "refused"}
    assert all(entry.problem for entry in entries if entry.verdict == "refused")
    assert all(entry.shape for entry in entries if entry.verdict == "ok")
