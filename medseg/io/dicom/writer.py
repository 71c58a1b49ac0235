"""Writing a volume as a DICOM series of CT images."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from medseg.errors import GeometryError, InputError
from medseg.files import atomic_path
from medseg.geometry import WorldFrame
from medseg.images import Image

RESCALE_INTERCEPT = -1024
"""Stored value 0 in Hounsfield units, as most scanners have it."""
_BITS_OF_SCANNER = 12
_DATE = "20260101"
_TIME = "120000"
"""Fixed, so that the same image and seed give the same bytes."""


def write_series(
    image: Image,
    folder: str | Path,
    *,
    uid_seed: int,
    patient_id: str = "MEDSEG-PHANTOM",
    patient_name: str = "Phantom^Medseg",
    series_description: str = "medseg phantom",
    series_number: int = 1,
) -> list[Path]:
    """The paths of the CT images written to `folder`, one a slice along the last array axis.

    Values are Hounsfield units, rounded to whole numbers and stored with a rescale intercept of -1024: unsigned in 12
    bits where they fit, else in 16, signed where values below -1024 occur. The same image and seed give the same bytes.

    Args:
        image: one channel, axes CXYZ, slices at right angles to their direction.
        folder: made where it is missing.
        uid_seed: what all UIDs are made from; one study, one series, one frame of reference a seed.
        patient_id: identifier of the generated patient.
        patient_name: its name, "Family^Given".
        series_description: what the series shows.
        series_number: number of the series in its study.

    Raises:
        GeometryError: the image is 2-D, its axes are not at right angles, or in another order.
        InputError: several channels, or values that do not fit 16 bits.
        StorageError: the disk is full or read-only.
    """
    _check_geometry(image)
    stored, is_signed, bits = _stored_values(image)
    affine = image.affine.to_frame(WorldFrame.LPS)
    uids = _Uids(uid_seed, series_number=series_number)
    paths = []
    for k in range(stored.shape[2]):
        dataset = _dataset(uids.instance(k))
        _add_identity(dataset, uids, patient_id=patient_id, patient_name=patient_name)
        dataset.SeriesDescription = series_description
        dataset.SeriesNumber = series_number
        dataset.InstanceNumber = k + 1
        _add_plane(dataset, affine.matrix, k=k)
        _add_pixels(dataset, stored[:, :, k].T, is_signed=is_signed, bits=bits)
        path = Path(folder) / f"{k + 1:04d}.dcm"
        with atomic_path(path) as temporary:
            dataset.save_as(temporary, enforce_file_format=True)
        paths.append(path)
    return paths


class _Uids:
    """UIDs made from a seed."""

    def __init__(self, seed: int, *, series_number: int) -> None:
        self._seed = seed
        self._series_number = series_number
        self.study = self._made("study")
        self.frame_of_reference = self._made("frame of reference")
        self.series = self._made("series", str(series_number))

    def instance(self, k: int) -> UID:
        """SOP Instance UID of slice `k`."""
        return self._made("instance", str(self._series_number), str(k))

    def _made(self, *words: str) -> UID:
        digest = hashlib.sha256("/".join(("medseg", str(self._seed), *words)).encode()).hexdigest()
        return generate_uid(entropy_srcs=[digest])


def _check_geometry(image: Image) -> None:
    if image.num_channels != 1:
        message = f"DICOM series: expected one channel, got {image.num_channels}. Write each channel as its own series."
        raise InputError(message)
    if image.axes != "CXYZ" or not image.affine.is_orthogonal:
        axes = "" if image.affine.is_orthogonal else ", which are not at right angles"
        message = (
            f"DICOM series: expected a volume with axes CXYZ at right angles, got {image.axes}{axes}. Reorient it."
        )
        raise GeometryError(message)


def _stored_values(image: Image) -> tuple[NDArray, bool, int]:
    """(i, j, k) 16-bit stored values, whether they are signed, and the bits they need."""
    if not np.isfinite(image.array).all():
        message = "DICOM series: expected finite values, got NaN or infinity. Replace them first."
        raise InputError(message)
    whole = np.rint(image.array[0]).astype(np.int64) - RESCALE_INTERCEPT
    lowest, highest = int(whole.min()), int(whole.max())
    is_signed = lowest < 0
    dtype = np.dtype(np.int16 if is_signed else np.uint16)
    if lowest < np.iinfo(dtype).min or highest > np.iinfo(dtype).max:
        message = (
            f"DICOM series: expected Hounsfield units that fit 16 bits, got {lowest + RESCALE_INTERCEPT} to "
            f"{highest + RESCALE_INTERCEPT}. Clip or scale them first."
        )
        raise InputError(message)
    bits = _BITS_OF_SCANNER if not is_signed and highest < 2**_BITS_OF_SCANNER else 16
    return whole.astype(dtype), is_signed, bits


def _dataset(sop_instance_uid: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = sop_instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = sop_instance_uid
    return dataset


def _add_identity(dataset: FileDataset, uids: _Uids, *, patient_id: str, patient_name: str) -> None:
    """Patient, study, series, frame of reference and equipment (PS3.3 A.3)."""
    dataset.PatientName = patient_name
    dataset.PatientID = patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.StudyInstanceUID = uids.study
    dataset.StudyDate = _DATE
    dataset.StudyTime = _TIME
    dataset.StudyID = "1"
    dataset.ReferringPhysicianName = ""
    dataset.AccessionNumber = ""
    dataset.Modality = "CT"
    # Type 2C, wanted where the body part is one of a pair: present and empty says that none is stated (PS3.3 C.7.3.1).
    dataset.Laterality = ""
    dataset.SeriesInstanceUID = uids.series
    dataset.SeriesDate = _DATE
    dataset.SeriesTime = _TIME
    dataset.PatientPosition = "HFS"
    dataset.FrameOfReferenceUID = uids.frame_of_reference
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = "medseg"
    dataset.ManufacturerModelName = "medseg series writer"
    dataset.ContentDate = _DATE
    dataset.ContentTime = _TIME
    dataset.AcquisitionDate = _DATE
    dataset.AcquisitionTime = _TIME
    dataset.AcquisitionNumber = 1
    dataset.KVP = None
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]


def _add_plane(dataset: FileDataset, matrix_lps: NDArray[np.float64], *, k: int) -> None:
    """Where slice `k` lies (PS3.3 C.7.6.2); numbers in as many digits as a DS holds, 16 characters."""
    columns = matrix_lps[:3, :3]
    spacing = np.linalg.norm(columns, axis=0)
    directions = columns / spacing
    position = matrix_lps[:3, 3] + k * columns[:, 2]
    dataset.ImagePositionPatient = [_decimal(value) for value in position]
    dataset.ImageOrientationPatient = [_decimal(value) for value in (*directions[:, 0], *directions[:, 1])]
    dataset.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
    dataset.SliceThickness = _decimal(spacing[2])
    dataset.SpacingBetweenSlices = _decimal(spacing[2])


def _add_pixels(dataset: FileDataset, pixels: NDArray, *, is_signed: bool, bits: int) -> None:
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(is_signed)
    dataset.RescaleIntercept = str(RESCALE_INTERCEPT)
    dataset.RescaleSlope = "1"
    dataset.RescaleType = "HU"
    dataset.WindowCenter = "40"
    dataset.WindowWidth = "400"
    dataset.PixelData = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    if len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    dataset["PixelData"].VR = "OW"


def _decimal(value: float) -> str:
    return format_number_as_ds(float(value) + 0.0)
