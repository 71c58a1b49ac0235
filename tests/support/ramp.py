"""The world ramp as DICOM of many kinds: orientations, bit layouts, transfer syntaxes, classic and enhanced.

Built on `cases.dicom.SeriesCase`, in which every voxel holds 3.0 x + 5.1 y + 7.7 z (LPS mm) of its own place, rounded.
After any load `ramp_error(image)` computes the values anew from the image's own affine: at most 0.5 (half a `slope`
more where `layout` stores coarser steps) where geometry, slice order, orientation and rescaling are all right. A change
is a function of one data set and its slice number; changes compose with `changes(...)`.

    case = ramp_series("oblique")
    case.write(folder, change=changes(layout(bits_stored=16, is_signed=True), encoded(RLELossless)))
    assert ramp_error(read_image(folder)) <= 0.5
"""

import copy

import numpy as np
from cases.dicom import RAMP_PER_MM, SeriesCase, ramp_error
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

__all__ = [
    "ORIENTATIONS",
    "RAMP_PER_MM",
    "SeriesCase",
    "changes",
    "encoded",
    "enhanced",
    "layout",
    "ramp_error",
    "ramp_series",
    "tilted",
]


def _turned(*angles_deg):
    """Rotation by angles about x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles_deg)):
        turn = np.eye(3)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _plane(along_i, along_j):
    i, j = np.array(along_i, float), np.array(along_j, float)
    return np.stack([i, j, np.cross(i, j)], axis=1)


ORIENTATIONS = {
    "axial": _plane([1, 0, 0], [0, 1, 0]),
    "sagittal": _plane([0, 1, 0], [0, 0, -1]),
    "coronal": _plane([1, 0, 0], [0, 0, -1]),
    "prone": _plane([-1, 0, 0], [0, -1, 0]),
    "feet-first": _plane([-1, 0, 0], [0, 1, 0]),
    "oblique": _turned(20, -15, 10),
    "doubly-oblique-sagittal": _turned(12, 25, -33) @ _plane([0, 1, 0], [0, 0, -1]),
}
"""Seven orientations: (3, 3) LPS columns along i, along j, and the normal."""


def ramp_series(orientation="axial", **options):
    """A clean series in one of `ORIENTATIONS`; options are the fields of `SeriesCase`."""
    return SeriesCase(directions=ORIENTATIONS[orientation], **options)


def tilted(angle_deg=20.0, **options):
    """A CT with the gantry tilted about x: the slices lean, the table moves along z."""
    spacing = options.pop("spacing_mm", (0.8, 1.1, 2.5))
    step = np.array([0.0, 0.0, spacing[2]])
    return SeriesCase(directions=_turned(angle_deg, 0, 0), spacing_mm=spacing, step_lps_mm=step, **options)


def changes(*several):
    """One change that applies several in turn; None is no change."""

    def change(ds, k):
        for one in several:
            if one is not None:
                one(ds, k)

    return change


def layout(*, bits_allocated=16, bits_stored=12, is_signed=False, slope=1.0, intercept=None, garbage=0):
    """Stores the same modality values in another layout.

    Args:
        bits_allocated: 8 (values are then stored in steps of `slope`), 16 or 32.
        bits_stored: of these, the bits that count.
        is_signed: two's complement.
        slope: a number, or a function of the slice number.
        intercept: a number, or a function of the slice number; 0 (signed) or -1024 where absent.
        garbage: bits set above the stored ones, as some scanners leave them.
    """

    def change(ds, k):
        old = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns).astype(float)
        values = old * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        factor = slope(k) if callable(slope) else slope
        default = 0.0 if is_signed else -1024.0
        added = default if intercept is None else intercept(k) if callable(intercept) else intercept
        stored = np.rint((values - added) / factor).astype(np.int64)
        low, high = (-(2 ** (bits_stored - 1)), 2 ** (bits_stored - 1) - 1) if is_signed else (0, 2**bits_stored - 1)
        assert low <= stored.min() <= stored.max() <= high, "the ramp does not fit the layout"
        raw = ((stored & (2**bits_stored - 1)) | garbage) if garbage else stored
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits_allocated, bits_stored, bits_stored - 1
        ds.PixelRepresentation = int(is_signed)
        ds.RescaleSlope, ds.RescaleIntercept = f"{factor:.10g}", f"{added:.10g}"
        data = (raw & (2**bits_allocated - 1)).astype(f"<u{bits_allocated // 8}").tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
        ds["PixelData"].VR = "OB" if bits_allocated == 8 else "OW"

    return change


def encoded(transfer_syntax):
    """Stores the pixels in another transfer syntax; call it after `layout`.

    Compressed ones go through pydicom's encoders (RLE, JPEG-LS, JPEG 2000, which wants at least 32 x 32 pixels);
    big-endian swaps the words.
    """

    def change(ds, k):
        del k
        uid = str(transfer_syntax)
        if uid == "1.2.840.10008.1.2.2":
            if ds.BitsAllocated > 8:
                ds.PixelData = np.frombuffer(ds.PixelData, f"<u{ds.BitsAllocated // 8}").byteswap().tobytes()
            ds.file_meta.TransferSyntaxUID = transfer_syntax
            ds.set_original_encoding(is_implicit_vr=False, is_little_endian=False, character_encoding="utf-8")
        elif transfer_syntax.is_compressed and not transfer_syntax.is_deflated:
            ds.compress(transfer_syntax, generate_instance_uid=False)
        else:
            ds.file_meta.TransferSyntaxUID = transfer_syntax

    return change


def enhanced(case, *, order=None, change=None, change_frame=None):
    """One enhanced multi-frame CT of all slices of `case`, as a data set to save with `save_as`.

    Args:
        case: the series.
        order: the slice number of each stored frame; ascending where absent.
        change: alters the finished data set (no slice number).
        change_frame: alters the functional groups of a frame: `change_frame(groups, k)`, k the slice number.
    """
    order = range(case.shape[2]) if order is None else order
    first = case.dataset(0)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{case.series_uid}.900"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.update(copy.deepcopy(first))
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "SliceThickness",
        "RescaleSlope",
        "RescaleIntercept",
        "RescaleType",
    ):
        delattr(ds, keyword)
    ds.SOPClassUID, ds.SOPInstanceUID = EnhancedCTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.NumberOfFrames = len(order)
    ds.SharedFunctionalGroupsSequence = Sequence([_shared_groups(first)])
    ds.PerFrameFunctionalGroupsSequence = Sequence()
    pixels = []
    for k in order:
        one = case.dataset(k)
        groups = _frame_groups(one, k)
        if change_frame is not None:
            change_frame(groups, k)
        ds.PerFrameFunctionalGroupsSequence.append(groups)
        pixels.append(one.PixelData)
    ds.PixelData = b"".join(pixels)
    ds["PixelData"].VR = "OW"
    if change is not None:
        change(ds)
    return ds


def _item(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _shared_groups(one):
    transform = _item(RescaleSlope=one.RescaleSlope, RescaleIntercept=one.RescaleIntercept, RescaleType="HU")
    measures = _item(PixelSpacing=one.PixelSpacing, SliceThickness=one.SliceThickness)
    return _item(
        PixelMeasuresSequence=Sequence([measures]),
        PlaneOrientationSequence=Sequence([_item(ImageOrientationPatient=one.ImageOrientationPatient)]),
        PixelValueTransformationSequence=Sequence([transform]),
    )


def _frame_groups(one, k):
    content = _item(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[1, k + 1])
    return _item(
        FrameContentSequence=Sequence([content]),
        PlanePositionSequence=Sequence([_item(ImagePositionPatient=one.ImagePositionPatient)]),
    )
