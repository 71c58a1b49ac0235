"""Reading a DICOM series as one volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from medseg.errors import ImageFormatError, InputError, MedsegError
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.dicom.signature import DICOM_SUFFIXES
from medseg.io.foreign_errors import translated_errors
from medseg.io.slices import slice_of

if TYPE_CHECKING:  # pydicom is imported when the first DICOM file is read, not with medseg.io
    from medseg.io.dicom.files import DicomFile, Scan
    from medseg.io.dicom.series import Series
    from medseg.io.dicom.slice_header import SliceHeader

_REMEDY = "Copy it again from its source; `medseg doctor` lists the compressions that can be decoded here."
_MONOCHROME1_NOTE = "low values are meant to be shown bright (MONOCHROME1); the values are kept as stored"
_PADDING_NOTE = "the series declares a padding value for pixels outside the scan; it is kept like any other value"
_NO_RESCALE_NOTE = "a CT series without rescale: its values may not be Hounsfield units"
_UNITS = {"HU": "HU", "HU_MOD": "HU", "OD": "optical density", "MGML": "mg/ml", "PCT": "%"}
"""RescaleType -> unit of the values; the others (US, unspecified) name none."""
_MOST_LISTED = 5
"""Series that a message lists."""
_SINGLE_NOTE = "one file of a series was read; give its folder for the whole volume"


class DicomReader:
    """Reads the one series in a DICOM folder, or a single file as a volume of depth 1.

    Sub-folders are read where the folder itself holds no DICOM file.

    `array[c, i, j, k]` is column i and row j of slice k; slices ascend along the normal of the first. Values are
    modality values (rescaled slice by slice): integers in the smallest of uint8, int16, uint16, int32 that does where
    slope and intercept are whole, else float32. MONOCHROME1 is not inverted and padding is kept, each with a note.
    """

    format = "dicom"
    suffixes: tuple[str, ...] = DICOM_SUFFIXES

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the series says about itself, without its pixels."""
        return _header_of(*_chosen(path, request), path=path)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The volume."""
        series, scan = _chosen(path, request)
        header = _header_of(series, scan, path=path)
        array = _volume(series, dtype=header.dtype)
        image = Image(array[np.newaxis], header.affine, axes="CXYZ", metadata=header.metadata)
        return image if request.slice_index is None else slice_of(image, request.slice_index)


def describe_series(path: Path) -> list[tuple[str, ImageHeader | MedsegError]]:
    """For each series in a folder (or file): its UID, and its header or the error with which it is refused.

    Damaged files come last, each with its error and no UID; a folder without images is one such entry.
    """
    from medseg.io.dicom.files import scan

    found = scan(path)
    entries: list[tuple[str, ImageHeader | MedsegError]] = []
    for uid, files in found.series().items():
        try:
            entries.append((uid, _header_of(_series(files, path=path), found, path=path)))
        except MedsegError as error:
            entries.append((uid, error))
    entries += [("", error) for error in found.damaged]
    if not entries:
        try:
            _refuse_empty(found, path=path)
        except MedsegError as error:
            entries.append(("", error))
    return entries


def _chosen(path: Path, request: ReadRequest) -> tuple[Series, Scan]:
    from medseg.io.dicom.files import scan

    if request.axes is not None and request.axes.upper() != "XYZ":
        message = f"{path}: a DICOM series names its axes itself, got --axes {request.axes}. Leave it out."
        raise InputError(message)
    found = scan(path)
    if found.damaged:
        raise found.damaged[0]
    return _series(_one_series(found, path=path, series_uid=request.series_uid), path=path), found


def _one_series(found: Scan, *, path: Path, series_uid: str | None) -> list[DicomFile]:
    series = found.series()
    if not series:
        _refuse_empty(found, path=path)
    shown = [f"{uid} ({files[0].header.get('Modality', '?')}, {len(files)})" for uid, files in series.items()]
    listed = "; ".join(shown[:_MOST_LISTED]) + ("; ..." if len(shown) > _MOST_LISTED else "")
    if series_uid is not None:
        if series_uid not in series:
            message = f"{path}: holds no series {series_uid}. It holds (modality, number of images): {listed}."
            raise InputError(message)
        return series[series_uid]
    if len(series) > 1:
        message = (
            f"{path}: expected one DICOM series, got {len(series)} (modality, number of images): {listed}. "
            "Choose one by its series UID (--series), or put each into a folder of its own."
        )
        raise ImageFormatError(message)
    return next(iter(series.values()))


def _refuse_empty(found: Scan, *, path: Path) -> NoReturn:
    from medseg.io.dicom.files import NO_IMAGES

    if found.files:
        kinds = sorted({NO_IMAGES.get(str(file.header.get("SOPClassUID", "")), "report") for file in found.files})
        message = (
            f"{path}: expected images, got only DICOM objects without images of their own ({', '.join(kinds)}). "
            "Give the series they belong to."
        )
        raise ImageFormatError(message)
    held = f"{len(found.strangers)} files of other kinds" if found.strangers else "nothing"
    message = f"{path}: expected a folder with a DICOM series, it holds {held}. Check the path."
    raise InputError(message)


def _series(files: list[DicomFile], *, path: Path) -> Series:
    from medseg.io.dicom.series import series_of
    from medseg.io.dicom.slice_header import slice_header

    slices = []
    for file in files:
        with translated_errors(file.path, expected="a DICOM slice", remedy=_REMEDY):
            slices.append(slice_header(file))
    return series_of(slices, name=path)


def _header_of(series: Series, scan: Scan, *, path: Path) -> ImageHeader:
    first = series.slices[0]
    is_hounsfield = first.modality == "CT" and first.has_rescale and first.rescale_type in {"", "HU"}
    metadata = ImageMetadata(
        source=str(path),
        format="dicom",
        modality=first.modality or None,
        value_unit="HU" if is_hounsfield else _UNITS.get(first.rescale_type),
        instance_uids=tuple(one.sop_instance_uid for one in series.slices),
        extra={
            "series_uid": next(file.series_uid for file in scan.files if file.path == first.path),
            "frame_of_reference_uid": first.frame_of_reference_uid,
        },
        notes=(*series.notes, *_notes(series, scan, path=path)),
    )
    shape = (1, first.columns, first.rows, len(series.slices))
    return ImageHeader(shape, "CXYZ", _narrowest(series.slices), series.affine, metadata)


def _notes(series: Series, scan: Scan, *, path: Path) -> list[str]:
    first = series.slices[0]
    notes = []
    if first.photometric == "MONOCHROME1":
        notes.append(_MONOCHROME1_NOTE)
    if any(one.has_padding for one in series.slices):
        notes.append(_PADDING_NOTE)
    if first.modality == "CT" and not first.has_rescale:
        notes.append(_NO_RESCALE_NOTE)
    if path.is_file():
        notes.append(_SINGLE_NOTE)
    others = sum(not file.is_image for file in scan.files) + len(scan.strangers)
    if others:
        notes.append(f"files in the folder that are no images, left out: {others}")
    if scan.folders_left_out:
        notes.append(f"sub-folders of the series' folder, left out: {len(scan.folders_left_out)}")
    return notes


def _narrowest(slices: tuple[SliceHeader, ...]) -> np.dtype:
    """The type to begin with; `_volume` widens it where the values ask for it."""
    bits = max(one.bits_stored for one in slices)
    if not all(one.slope.is_integer() and one.intercept.is_integer() for one in slices) or bits > 24:
        return np.dtype(np.float32 if bits <= 24 else np.float64)
    plain = all(one.slope == 1 and one.intercept == 0 and not one.is_signed for one in slices)
    if plain and bits in {8, 16}:
        return np.dtype(np.uint8 if bits == 8 else np.uint16)
    return np.dtype(np.int16)


def _volume(series: Series, *, dtype: np.dtype) -> NDArray:
    """(columns, rows, slices) modality values; a view on memory in which slices follow each other."""
    slices = series.slices
    volume = np.empty((len(slices), slices[0].rows, slices[0].columns), dtype=dtype)
    for k, one in enumerate(slices):
        values = _modality_values(_stored_pixels(one), one, dtype=volume.dtype)
        if not np.can_cast(values.dtype, volume.dtype) and not _fits(values, volume.dtype):
            volume = volume.astype(np.int32 if _fits(values, np.dtype(np.int32)) else np.float64)
        volume[k] = values
    return volume.T


def _stored_pixels(one: SliceHeader) -> NDArray:
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

    with translated_errors(one.path, expected="a DICOM image", remedy=_REMEDY):
        dataset = dcmread(one.path, force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            is_implicit = dataset.original_encoding[0]
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if is_implicit else ExplicitVRLittleEndian
        pixels = dataset.pixel_array
        if pixels.shape != (one.rows, one.columns):
            message = (
                f"{one.path}: expected {one.columns} x {one.rows} pixels, got the shape {pixels.shape}. "
                "The file is damaged: copy it again."
            )
            raise ImageFormatError(message)
        return np.asarray(pixels)


def _modality_values(stored: NDArray, one: SliceHeader, *, dtype: np.dtype) -> NDArray:
    if one.slope == 1 and one.intercept == 0:
        return stored
    if dtype.kind == "f":
        values: NDArray = stored.astype(dtype)
        values *= dtype.type(one.slope)
        values += dtype.type(one.intercept)
        return values
    return stored.astype(np.int64) * int(one.slope) + int(one.intercept)


def _fits(values: NDArray, dtype: np.dtype) -> bool:
    if dtype.kind == "f" or values.dtype.kind == "f":
        return dtype.kind == "f"
    limits = np.iinfo(dtype)
    return bool(values.min() >= limits.min and values.max() <= limits.max)
