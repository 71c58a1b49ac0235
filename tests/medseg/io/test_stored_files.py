"""The numbers of an image may lie in a file beside its header, which belongs to the image as the header does."""

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from medseg.io.stored_files import stored_files

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.mark.parametrize(
    ("header", "data"), [("a.mhd", "a.raw"), ("a.nhdr", "a.raw"), ("a.mha", None), ("a.nrrd", None), ("a.nii.gz", None)]
)
def test_files_as_simpleitk_writes_them(tmp_path, header, data):
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(tmp_path / header))
    assert {path.name for path in tmp_path.iterdir()} == {header, data} - {None}
    assert [path.name for path in stored_files(tmp_path / header)] == [name for name in (header, data) if name]


def test_a_pair_as_nibabel_writes_it(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(ARRAY, np.eye(4)), tmp_path / "a.hdr")
    assert [path.name for path in stored_files(tmp_path / "a.hdr")] == ["a.hdr", "a.img"]


def test_a_header_without_its_numbers_stands_alone(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(tmp_path / "a.mhd"))
    (tmp_path / "a.raw").unlink()
    assert stored_files(tmp_path / "a.mhd") == (tmp_path / "a.mhd",)
