"""Other programs' answers to the same clean files: affine corners to 1e-3 mm, voxels equal."""

import shutil
import subprocess

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from cases.dicom import SeriesCase
from cases.grids import directions_of, rotation, volume

from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image
from medseg.io import read_image, write_image
from medseg.io.dicom import write_series

TOLERANCE_MM = 1e-3
DCM2NIIX = shutil.which("dcm2niix") or __import__("dcm2niix").bin
ORIENTATIONS = {
    "axial": np.eye(3),
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=float),
    "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], dtype=float),
}
ORIENTATIONS["oblique"] = rotation(9, 14, -21) @ ORIENTATIONS["axial"]


def grid_of_sitk(image):
    direction = np.array(image.GetDirection()).reshape(3, 3)
    affine = Affine.from_spacing(
        image.GetSpacing(), frame=WorldFrame.LPS, origin_mm=image.GetOrigin(), direction=direction
    )
    return Grid(image.GetSize(), affine.to_frame(WorldFrame.RAS))


def sitk_series(folder):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def converted_by_dcm2niix(folder, out):
    out.mkdir()
    done = subprocess.run(
        [DCM2NIIX, "-b", "n", "-z", "n", "-f", "out", "-o", str(out), str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    (path,) = out.glob("*.nii")
    return nibabel.load(path)


def world_samples(image, points_mm):
    """Values at world positions that are voxel centres."""
    index = np.rint(image.affine.apply_inverse(points_mm)).astype(int)
    return image.array[0][tuple(index.T)]


def assert_agrees_in_the_world(image, array, affine_ras):
    """Each voxel centre of the other program lies on one of ours and has its value."""
    index = np.indices(array.shape).reshape(3, -1).T
    points = index @ affine_ras[:3, :3].T + affine_ras[:3, 3]
    ours = image.affine.apply_inverse(points)
    assert np.abs(image.affine.apply(np.rint(ours)) - points).max() <= TOLERANCE_MM
    assert sorted(array.shape) == sorted(image.spatial_shape)
    np.testing.assert_array_equal(world_samples(image, points), array.ravel())


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_simpleitk_reads_a_clean_series_alike(tmp_path, name):
    SeriesCase(directions=ORIENTATIONS[name]).write(tmp_path)
    ours, theirs = read_image(tmp_path), sitk_series(tmp_path)
    assert ours.grid.is_same_as(grid_of_sitk(theirs), tolerance_mm=TOLERANCE_MM)
    np.testing.assert_array_equal(ours.array[0], sitk.GetArrayFromImage(theirs).T)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_dcm2niix_reads_a_clean_series_alike(tmp_path, name):
    SeriesCase(directions=ORIENTATIONS[name]).write(tmp_path / "in")
    theirs = converted_by_dcm2niix(tmp_path / "in", tmp_path / "out")
    assert_agrees_in_the_world(read_image(tmp_path / "in"), np.asanyarray(theirs.dataobj), theirs.affine)


def phantom(orientation="LPS", turn=None):
    grid = volume(orientation, turn=turn, shape=(7, 6, 5))
    array = np.random.default_rng(1).integers(-1000, 1500, (1, 7, 6, 5)).astype(np.int16)
    return Image(array, grid.affine, axes="CXYZ")


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LSP", "PIR", "LPI"])
@pytest.mark.parametrize("turn", [None, rotation(5, -8, 13)], ids=["straight", "oblique"])
def test_a_written_series_lies_where_its_image_did(tmp_path, orientation, turn):
    image = phantom(orientation, turn)
    write_series(image, tmp_path / "in", uid_seed=4)
    again = read_image(tmp_path / "in")
    points = image.affine.apply(np.indices((7, 6, 5)).reshape(3, -1).T)
    assert np.abs(again.affine.apply(np.rint(again.affine.apply_inverse(points))) - points).max() <= 1e-6
    np.testing.assert_array_equal(world_samples(again, points), image.array.ravel())
    itk = sitk_series(tmp_path / "in")
    assert_agrees_in_the_world(again, sitk.GetArrayFromImage(itk).T, grid_of_sitk(itk).affine.matrix)
    theirs = converted_by_dcm2niix(tmp_path / "in", tmp_path / "out")
    assert_agrees_in_the_world(again, np.asanyarray(theirs.dataobj), theirs.affine)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR"])
def test_nibabel_and_simpleitk_read_our_nifti_alike(tmp_path, orientation):
    image = phantom(orientation, rotation(5, -8, 13))
    write_image(image, tmp_path / "a.nii.gz")
    theirs = nibabel.load(tmp_path / "a.nii.gz")
    assert Grid((7, 6, 5), Affine(theirs.affine, frame=WorldFrame.RAS)).is_same_as(
        image.grid, tolerance_mm=TOLERANCE_MM
    )
    np.testing.assert_array_equal(np.asanyarray(theirs.dataobj), image.array[0])
    assert (int(theirs.header["sform_code"]), int(theirs.header["qform_code"])) == (1, 2)
    np.testing.assert_allclose(theirs.get_qform(), theirs.get_sform(), atol=1e-4)
    assert theirs.header.get_xyzt_units()[0] == "mm"
    assert theirs.get_data_dtype() == np.int16
    itk = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert image.grid.is_same_as(grid_of_sitk(itk), tolerance_mm=TOLERANCE_MM)


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
@pytest.mark.parametrize("turn", [None, rotation(5, -8, 13)], ids=["straight", "oblique"])
def test_files_that_simpleitk_wrote_lie_where_it_put_them(tmp_path, suffix, turn):
    direction = directions_of("RAS") if turn is None else turn @ directions_of("RAS")
    itk = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    itk.SetSpacing((0.5, 0.8, 3.0))
    itk.SetOrigin((-12.0, 30.0, 5.5))
    itk.SetDirection(direction.ravel())
    sitk.WriteImage(itk, str(tmp_path / f"a.{suffix}"))
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.axes == "CXYZ"
    assert image.array[0, 4, 0, 0] == 4
    assert image.array[0, 0, 0, 2] == 40
    assert image.grid.is_same_as(grid_of_sitk(itk), tolerance_mm=1e-6)
    voxel = image.affine.to_frame(WorldFrame.LPS).apply([4, 3, 2])
    np.testing.assert_allclose(voxel, itk.TransformIndexToPhysicalPoint((4, 3, 2)), atol=1e-6)


def test_written_slices_are_complete_ct_images(tmp_path):
    paths = write_series(phantom(), tmp_path, uid_seed=9)
    seen = set()
    for k, path in enumerate(paths):
        ds = pydicom.dcmread(path)
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
        assert ds.InstanceNumber == k + 1
        assert (ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType) == (1, -1024, "HU")
        assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation) == (16, 12, 11, 0)
        for keyword in TYPE_1_OF_CT.split():
            assert ds[keyword].value not in (None, ""), keyword
        for keyword in TYPE_2_OF_CT.split():
            assert keyword in ds, keyword
        seen.add(ds.SOPInstanceUID)
    assert len(seen) == len(paths) == 5


TYPE_1_OF_CT = """
    SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality FrameOfReferenceUID ImageType
    ImagePositionPatient ImageOrientationPatient PixelSpacing SamplesPerPixel PhotometricInterpretation Rows Columns
    BitsAllocated BitsStored HighBit PixelRepresentation PixelData RescaleIntercept RescaleSlope
"""
TYPE_2_OF_CT = """
    PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID
    AccessionNumber SeriesNumber PositionReferenceIndicator Manufacturer InstanceNumber KVP AcquisitionNumber
    SliceThickness
"""
"""Attributes of type 1 and 2 of the modules that are mandatory for CT images, PS3.3 A.3 and C.7 to C.8."""


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy is not on this machine")
def test_dciodvfy_finds_no_error_in_written_slices(tmp_path):
    (first, *_) = write_series(phantom(), tmp_path, uid_seed=9)
    done = subprocess.run(["dciodvfy", str(first)], capture_output=True, text=True)
    assert "Error" not in done.stderr


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_uids(tmp_path):
    one, two, other = (
        write_series(phantom(), tmp_path / name, uid_seed=seed) for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    uids = {pydicom.dcmread(paths[0]).SeriesInstanceUID for paths in (one, two, other)}
    assert len(uids) == 2


def test_positions_are_written_to_a_millionth_of_a_millimetre(tmp_path):
    image = phantom(turn=rotation(5.123, -8.456, 13.789))
    write_series(image, tmp_path, uid_seed=1)
    assert np.abs(read_image(tmp_path).affine.matrix - image.affine.matrix).max() <= 1e-6
