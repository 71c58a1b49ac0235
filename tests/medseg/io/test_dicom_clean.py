"""Clean series of many kinds: all are read, without a doubt, and as other programs read them."""

import shutil
import subprocess

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - its usual name
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from support.ramp import ORIENTATIONS, changes, encoded, enhanced, layout, ramp_error, ramp_series

from medseg.io import read_image

DCM2NIIX = shutil.which("dcm2niix") or __import__("dcm2niix").bin
ROUNDING = 0.5 + 1e-3
TOLERANCE_MM = 1e-3
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
PACKED = (RLELossless, JPEGLSLossless, JPEG2000Lossless)
LAYOUTS = (
    {"bits_stored": 12},
    {"bits_stored": 13},
    {"bits_stored": 16},
    {"bits_stored": 12, "is_signed": True},
    {"bits_stored": 16, "is_signed": True},
)
WIDE = ({"bits_allocated": 32, "bits_stored": 32}, {"bits_allocated": 32, "bits_stored": 20, "is_signed": True})
KINDS = (
    [(syntax, one) for syntax in PLAIN for one in LAYOUTS]
    + [(syntax, one) for syntax in PACKED for one in (LAYOUTS[0], LAYOUTS[2], LAYOUTS[4])]
    + [(ExplicitVRLittleEndian, one) for one in WIDE]
)
"""31 a orientation: 217 series, and 7 enhanced ones."""


def small_series(orientation, syntax):
    """JPEG 2000 wants 32 x 32 pixels; three slices are enough to see their order."""
    shape = (32, 32, 3) if syntax == JPEG2000Lossless else (6, 5, 3)
    return ramp_series(orientation, shape=shape, origin_lps_mm=(-20.0, -30.0, 10.0))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_clean_series_of_every_kind_are_read_without_a_doubt(tmp_path, orientation):
    for number, (syntax, bits) in enumerate(KINDS):
        folder = tmp_path / str(number)
        small_series(orientation, syntax).write(folder, change=changes(layout(**bits), encoded(syntax)))
        image = read_image(folder)
        assert ramp_error(image) <= ROUNDING, (syntax.name, bits)
        assert image.metadata.verdicts == (), (syntax.name, bits)
    file = tmp_path / "enhanced.dcm"
    enhanced(small_series(orientation, ExplicitVRLittleEndian)).save_as(file, enforce_file_format=True)
    image = read_image(file)
    assert ramp_error(image) <= ROUNDING
    assert image.metadata.verdicts == ()


def read_by_simpleitk(folder):
    """Values and LPS affine."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).T, np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def read_by_dcm2niix(folder, out):
    """Values and RAS affine; it turns the rows round."""
    out.mkdir()
    command = [DCM2NIIX, "-b", "n", "-z", "n", "-f", "out", "-o", str(out), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    (path,) = out.glob("*.nii")
    image = nibabel.load(path)
    values, affine = np.asarray(image.dataobj)[:, ::-1], image.affine.copy()
    affine[:3, 3] += affine[:3, 1] * (values.shape[1] - 1)
    affine[:3, 1] *= -1
    return values, affine


def assert_agrees(image, values, affine):
    """Equal voxels, and all eight corners of the grid within 0.001 mm; where the slices run the other way, turned."""
    if image.affine.matrix[:3, 2] @ affine[:3, 2] < 0:
        values = values[:, :, ::-1]
        affine = affine.copy()
        affine[:3, 3] += affine[:3, 2] * (values.shape[2] - 1)
        affine[:3, 2] *= -1
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(image.spatial_shape) - 1)
    theirs = corners @ affine[:3, :3].T + affine[:3, 3]
    assert np.linalg.norm(image.affine.apply(corners) - theirs, axis=1).max() <= TOLERANCE_MM
    np.testing.assert_array_equal(image.array[0], values)


@pytest.mark.parametrize("number", range(14))
def test_simpleitk_and_dcm2niix_read_clean_series_alike(tmp_path, number):
    orientation = list(ORIENTATIONS)[number % 7]
    kinds = [kind for kind in KINDS if kind[1].get("bits_allocated") is None]
    syntax, bits = kinds[(number * 5) % len(kinds)]
    case = ramp_series(orientation, shape=(32, 33, 5), origin_lps_mm=(-20.0, -30.0, 10.0))
    case.write(tmp_path / "in", change=changes(layout(**bits), encoded(syntax)))
    image = read_image(tmp_path / "in")
    assert_agrees(image, *read_by_simpleitk(tmp_path / "in"))
    if syntax != DeflatedExplicitVRLittleEndian:  # dcm2niix does not read it
        assert_agrees(image, *read_by_dcm2niix(tmp_path / "in", tmp_path / "out"))
