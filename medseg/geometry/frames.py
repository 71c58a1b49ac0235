"""The two conventions in which patient coordinates are written down."""

from __future__ import annotations

from enum import StrEnum


class WorldFrame(StrEnum):
    """Direction in which the world axes x, y, z grow, seen from the patient.

    medseg works in RAS throughout; LPS, the convention of DICOM and ITK, exists only inside `medseg.io`.
    Microscope stages have no patient: their x, y, z are stored as they are and tagged RAS by convention.
    """

    RAS = "RAS"
    LPS = "LPS"
