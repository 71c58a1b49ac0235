"""What the tests of the plugin share: a volume with one marked voxel, and a display or the reason why there is none."""

import os
import sys

import numpy as np
import pytest

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata

AXES_OF_DICOM = np.diag([-1.0, -1.0, 1.0])
"""Array axes towards the patient's left, back and head, as RAS columns."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Skip the viewer tests where there is no display, before Qt looks for one and aborts; in CI that is a failure."""
    if item.get_closest_marker("viewer") is None or sys.platform != "linux" or os.environ.get("DISPLAY"):
        return
    reason = "no display: run under scripts/with_display.sh"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI the viewer tests must run")
    pytest.skip(reason)


@pytest.fixture
def marked_volume():
    """Function that makes a volume that is 1 in voxel (2, 3, 1) only; direction columns are RAS."""

    def make(direction=AXES_OF_DICOM):
        array = np.zeros((1, 8, 7, 4), np.float32)
        array[0, 2, 3, 1] = 1
        affine = Affine.from_spacing(
            (0.8, 0.9, 2.5), frame=WorldFrame.RAS, origin_mm=(10.0, -20.0, 30.0), direction=direction
        )
        return Image(array, affine, "CXYZ", ImageMetadata(source="scan.nii.gz"))

    return make
