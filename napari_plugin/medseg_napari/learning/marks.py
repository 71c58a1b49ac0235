"""Marks by which images and patients are told apart without saying who they are."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import numpy as np

from medseg.errors import MedsegError
from medseg.images import Image

_DIGITS = 12


def image_mark(image: Image) -> str:
    """The same for the same voxels in the same place, from whatever file."""
    digest = hashlib.sha256(np.ascontiguousarray(image.array).data)
    for part in (str(image.array.shape), str(image.array.dtype), image.axes, image.affine.matrix.tobytes().hex()):
        digest.update(part.encode())
    return digest.hexdigest()[:_DIGITS]


def group_mark(image: Image, *, key: bytes) -> str:
    """The same for images that must stay together: of one DICOM patient, or from one file.

    Args:
        image: as its reader gave it.
        key: secret; without it nobody can find the patient that a mark stands for by trying.
    """
    source = image.metadata.source
    if not source:
        return image_mark(image)
    whose = _patient_of(image) or str(Path(source).absolute())
    return hmac.new(key, whose.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _patient_of(image: Image) -> str:
    if image.metadata.format != "dicom":
        return ""
    from medseg.io.dicom.patient import stated_patient  # pydicom is loaded for DICOM alone

    try:
        patient = stated_patient(Path(image.metadata.source))
    except (MedsegError, OSError):
        return ""
    return f"patient {patient}" if patient else ""
