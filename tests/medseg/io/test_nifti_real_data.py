"""Real NIfTI and NRRD files: where nibabel or SimpleITK puts them with their values, or refused with a code."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name

from medseg.errors import MedsegError
from medseg.io import read_image
from medseg.verdicts import RefusedImageError

pytestmark = pytest.mark.real_data

REFUSED = {
    "dmri_4d_33x33x19x4.nii.gz": "several-volumes",
    "nibabel/analyze.hdr": "not-nifti",
    "nibabel/example4d.nii.gz": "several-volumes",
    "nibabel/example_nifti2.nii.gz": "several-volumes",
    "nibabel/functional.nii": "several-volumes",
    "nibabel/nifti1.hdr": "no-data-file",
    "nibabel/nifti2.hdr": "no-data-file",
    "nibabel/resampled_anat_moved.nii": "not-finite",
    "nibabel/row_major.dconn.nii": "not-an-image",
    "totalseg_rgb_spine_report.nii.gz": "not-one-number",
}
READ = {"nibabel/anatomical.nii", "nibabel/reoriented_anat_moved.nii", "nibabel/standard.nii.gz"}
"""All others are no NIfTI, NRRD or MetaImage."""


def as_nibabel_has_it(path, image):
    theirs = nibabel.load(path)
    np.testing.assert_allclose(image.affine.matrix, theirs.affine, rtol=1e-6, atol=1e-4)
    np.testing.assert_array_equal(image.array[0], np.asanyarray(theirs.dataobj).reshape(image.spatial_shape))


def test_each_oddity_is_read_as_nibabel_does_or_refused(data_dir):
    folder, read = data_dir / "nifti_oddities", set()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = path.relative_to(folder).as_posix()
        try:
            image = read_image(path)
        except RefusedImageError as error:
            assert error.verdicts[0].code == REFUSED[name]  # noqa: PT017 - each file has its own
            continue
        except MedsegError as error:
            assert path.suffix in {".mnc", ".mgz", ".PAR", ".REC"}, error  # noqa: PT017
            continue
        as_nibabel_has_it(path, image)
        read.add(name)
    assert read == READ


def test_the_file_with_many_nan_is_read_when_allowed(data_dir):
    path = data_dir / "nifti_oddities" / "nibabel" / "resampled_anat_moved.nii"
    image, theirs = read_image(path, allow=["not-finite"]), nibabel.load(path).get_fdata()
    expected = np.where(np.isfinite(theirs), theirs, np.nanmin(theirs))
    np.testing.assert_array_equal(image.array[0], expected)


@pytest.mark.parametrize("name", ["example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii"])
def test_a_fourth_axis_named_as_channels_is_read_as_nibabel_does(data_dir, name):
    path = data_dir / "nifti_oddities" / "nibabel" / name
    image, theirs = read_image(path, axes="XYZC"), nibabel.load(path)
    np.testing.assert_allclose(image.affine.matrix, theirs.affine, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(np.moveaxis(image.array, 0, -1), theirs.get_fdata(), rtol=1e-6)


def test_all_ct_and_mr_files_lie_where_nibabel_and_simpleitk_put_them(data_dir):
    paths = [path for kind in ("ct", "mr") for path in sorted((data_dir / kind).rglob("*.n*")) if path.suffix != ".npz"]
    assert len(paths) == 27
    for path in paths:
        image = read_image(path)
        assert image.metadata.verdicts == ()
        if path.suffix == ".gz" and not path.parent.name.startswith("case_0000"):
            as_nibabel_has_it(path, image)
        itk = sitk.ImageFileReader()
        itk.SetFileName(str(path))
        itk.ReadImageInformation()
        direction = np.array(itk.GetDirection()).reshape(3, 3)
        index = np.array([[0, 0, 0], [*(size - 1 for size in itk.GetSize())]], float)
        lps = index * itk.GetSpacing() @ direction.T + itk.GetOrigin()
        np.testing.assert_allclose(image.affine.apply(index), lps * [-1, -1, 1], rtol=0, atol=2e-3)


def test_a_kits_mask_has_its_slices_along_the_first_axis_from_top_to_bottom(data_dir):
    path = data_dir / "ct" / "kits19_labels_only" / "case_00004" / "label.nii.gz"
    image = read_image(path)
    assert image.affine.orientation == "IPL"
    as_nibabel_has_it(path, image)


def test_nrrd_voxels_are_simpleitks(data_dir):
    for path in sorted((data_dir / "mr").rglob("*.nrrd")):
        np.testing.assert_array_equal(read_image(path).array[0], sitk.GetArrayFromImage(sitk.ReadImage(str(path))).T)
