"""Small good files of each format, made in code; and small real ones where MEDSEG_DATA_DIR says where they lie."""

import gzip
import io
import os
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np

CANARY = "ZZCANARY"
"""Stands where a patient's name may stand; no message may hold it."""
LARGEST_REAL_SEED = 60_000
_REAL_SEEDS_A_FORMAT = 25
_PATTERNS = {
    "dicom": ("**/*.dcm",),
    "nifti": ("**/*.nii", "**/*.nii.gz"),
    "tiff": ("**/*.tif", "**/*.tiff"),
    "png": ("**/*.png",),
    "itk": ("**/*.mha", "**/*.nrrd"),
}


@cache
def seeds(format_name: str) -> tuple[tuple[str, bytes], ...]:
    """(file name, content) of each seed; generated ones first, in an order that does not change."""
    return tuple(_GENERATED[format_name]()) + tuple(_real(format_name))


def _real(format_name: str) -> list[tuple[str, bytes]]:
    place = os.environ.get("MEDSEG_DATA_DIR")
    if not place:
        return []
    found = sorted(path for pattern in _PATTERNS[format_name] for path in Path(place).glob(pattern))
    small = [path for path in found if path.is_file() and 0 < path.stat().st_size <= LARGEST_REAL_SEED]
    spread = small[:: max(1, len(small) // _REAL_SEEDS_A_FORMAT)][:_REAL_SEEDS_A_FORMAT]
    return [(f"real{''.join(path.suffixes[-2:])[-7:]}", path.read_bytes()) for path in spread]


def _dicom() -> list[tuple[str, bytes]]:
    from pydicom.uid import (
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        ImplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGLSLossless,
        RLELossless,
    )
    from support.ramp import encoded, enhanced, ramp_series

    case = ramp_series(shape=(40, 36, 2))
    made = []
    syntaxes = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
    for syntax in (None, *syntaxes, RLELossless, JPEGLSLossless, JPEG2000Lossless):
        one = case.dataset(0)
        one.PatientName = f"{CANARY}^A"
        one.PatientID = CANARY
        one.StudyDescription = one.SeriesDescription = CANARY
        if syntax is not None:
            encoded(syntax)(one, 0)
        made.append(("slice.dcm", _saved(one)))
    many = enhanced(ramp_series(shape=(8, 6, 3)))
    many.PatientName = f"{CANARY}^B"
    made.append(("enhanced.dcm", _saved(many)))
    return made


def _saved(dataset: object) -> bytes:
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def nifti_bytes(
    *, shape: tuple[int, ...] = (7, 6, 5), dtype: str = "<i2", code: int = 4, version: int = 1, slope: float = 1.0
) -> bytes:
    """A NIfTI file, field by field (nifti1.h, nifti2.h)."""
    dims = [len(shape), *shape, *[1] * (7 - len(shape))]
    bits = np.dtype(dtype).itemsize * 8
    sizes = [1.0, 2.0, 2.5, 3.0, 1.0, 1.0, 1.0, 1.0]
    rows = [-2.0, 0, 0, 30, 0, 2.5, 0, -20, 0, 0, 3, 7]
    if version == 1:
        header = bytearray(352)
        struct.pack_into("<i", header, 0, 348)
        struct.pack_into("<8h", header, 40, *dims)
        struct.pack_into("<hh", header, 70, code, bits)
        struct.pack_into("<8f3f", header, 76, *sizes, 352.0, slope, 0.0)
        header[123] = 2
        header[148:156] = CANARY.encode()
        struct.pack_into("<hh", header, 252, 0, 1)
        struct.pack_into("<12f", header, 280, *rows)
        header[344:348] = b"n+1\0"
    else:
        header = bytearray(544)
        struct.pack_into("<i8s", header, 0, 540, b"n+2\0\r\n\x1a\n")
        struct.pack_into("<hh8q", header, 12, code, bits, *dims)
        struct.pack_into("<8dq2d", header, 104, *sizes, 544, slope, 0.0)
        struct.pack_into("<ii", header, 344, 0, 1)
        struct.pack_into("<12d", header, 400, *rows)
        struct.pack_into("<i", header, 500, 2)
    values = np.arange(int(np.prod(shape))) % 251
    return bytes(header) + values.astype(dtype).tobytes()


def _nifti() -> list[tuple[str, bytes]]:
    plain = [
        nifti_bytes(),
        nifti_bytes(dtype="<f4", code=16),
        nifti_bytes(dtype="u1", code=2, slope=0.5),
        nifti_bytes(dtype="<f8", code=64, version=2),
        nifti_bytes(shape=(9, 8, 1, 1), dtype="<u2", code=512),
    ]
    packed = [("scan.nii.gz", gzip.compress(one, mtime=0)) for one in plain[:3]]
    return [("scan.nii", one) for one in plain] + packed


def _tiff() -> list[tuple[str, bytes]]:
    import tifffile

    rng = np.random.default_rng(5)
    grey = rng.integers(0, 900, (24, 32)).astype(np.uint16)
    stack = rng.integers(0, 255, (4, 24, 32)).astype(np.uint8)
    colour = rng.integers(0, 255, (24, 32, 3)).astype(np.uint8)
    choices = [
        (grey, {}),
        (grey, {"compression": "zlib", "predictor": True}),
        (grey.astype(np.float32), {"tile": (16, 16), "compression": "zlib"}),
        (stack, {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}}),
        (stack, {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 2.0}, "resolution": (2.0, 2.0)}),
        (colour, {"photometric": "rgb", "compression": "lzw"}),
        (colour, {"photometric": "rgb", "compression": "jpeg"}),
        (grey, {"bigtiff": True}),
        (stack, {"compression": "packbits", "photometric": "minisblack"}),
    ]
    made = []
    for array, options in choices:
        stream = io.BytesIO()
        tifffile.imwrite(stream, array, **options)
        made.append(("stack.tif", stream.getvalue()))
    return made


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum (PNG 5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png() -> list[tuple[str, bytes]]:
    from PIL import Image

    rng = np.random.default_rng(6)
    grey = rng.integers(0, 255, (20, 30)).astype(np.uint8)
    colour = rng.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    pictures = [Image.fromarray(grey), Image.fromarray(grey.astype(np.uint16) * 200), Image.fromarray(colour)]
    pictures += [pictures[0].convert("1"), pictures[2].convert("P"), pictures[2].convert("RGBA")]
    made = []
    for picture in pictures:
        stream = io.BytesIO()
        picture.save(stream, format="PNG")
        made.append(("picture.png", stream.getvalue()))
    for picture in (pictures[0], pictures[2]):
        stream = io.BytesIO()
        picture.save(stream, format="JPEG")
        made.append(("photo.jpg", stream.getvalue()))
    return made


def _itk() -> list[tuple[str, bytes]]:
    values = (np.arange(5 * 6 * 7) % 200).astype("<i2").tobytes()
    mha = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = {}\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\nElementSpacing = 1 2 3\nDimSize = 7 6 5\n"
        f"Comment = {CANARY}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    nrrd = (
        f"NRRD0004\n# {CANARY}\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 7 6 5\n"
        "space directions: (1,0,0) (0,2,0) (0,0,3)\nkinds: domain domain domain\nendian: little\nencoding: {}\n"
        "space origin: (1,2,3)\n\n"
    )
    return [
        ("scan.mha", mha.format("False").encode() + values),
        ("scan.mha", mha.format("True").encode() + zlib.compress(values)),
        ("scan.nrrd", nrrd.format("raw").encode() + values),
        ("scan.nrrd", nrrd.format("gzip").encode() + gzip.compress(values, mtime=0)),
    ]


_GENERATED = {"dicom": _dicom, "nifti": _nifti, "tiff": _tiff, "png": _png, "itk": _itk}
FORMATS = tuple(_GENERATED)
