"""The header of NIfTI-1 and NIfTI-2 files, parsed and judged here so that nothing is repaired in silence.

Sources: nifti1.h (Cox et al. 2004, https://nifti.nimh.nih.gov/nifti-1) and nifti2.h (2011) of the NIfTI data format
working group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from medseg.io import refusals
from medseg.io.stored_numbers import Packing, unpacked_start
from medseg.verdicts import Outcome, Verdict

_ANEW = "Convert it anew from its source"
_NIFTI_1 = {
    "names": ["sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter"],
    "formats": ["i4", "8i2", "i2", "i2", "8f4", "f4", "f4", "f4"],
    "offsets": [0, 40, 70, 72, 76, 108, 112, 116],
    "itemsize": 348,
}
_NIFTI_1_PLACE = {
    "names": ["xyzt_units", "descrip", "qform_code", "sform_code", "quatern", "qoffset", "srow", "magic"],
    "formats": ["u1", "S80", "i2", "i2", "3f4", "3f4", "(3,4)f4", "S4"],
    "offsets": [123, 148, 252, 254, 256, 268, 280, 344],
}
_NIFTI_2 = {
    "names": ["sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter"],
    "formats": ["i4", "8i8", "i2", "i2", "8f8", "i8", "f8", "f8"],
    "offsets": [0, 16, 12, 14, 104, 168, 176, 184],
    "itemsize": 540,
}
_NIFTI_2_PLACE = {
    "names": ["xyzt_units", "descrip", "qform_code", "sform_code", "quatern", "qoffset", "srow", "magic"],
    "formats": ["i4", "S80", "i4", "i4", "3f8", "3f8", "(3,4)f8", "S8"],
    "offsets": [500, 240, 344, 348, 352, 376, 400, 4],
}


def _layout(*parts: dict[str, Any]) -> np.dtype:
    """The record of byte offsets that `parts` describe together."""
    joined: dict[str, Any] = {"itemsize": parts[0]["itemsize"]}
    for key in ("names", "formats", "offsets"):
        joined[key] = [entry for part in parts for entry in part[key]]
    layout: np.dtype = np.dtype(joined)  # type: ignore[call-overload]
    return layout


_LAYOUTS = {348: _layout(_NIFTI_1, _NIFTI_1_PLACE), 540: _layout(_NIFTI_2, _NIFTI_2_PLACE)}
"""Size of the header, its first number -> its fields."""
_SINGLE_MAGIC = {b"n+1": 352, b"n+2\0\r\n\x1a\n": 544}
"""Magic of files with header and voxels in one -> smallest offset of the voxels."""
_PAIR_MAGIC = (b"ni1", b"ni2\0\r\n\x1a\n")
_DATATYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
    1536: "g",
}
_PICTURES = {128: "RGB colours", 2304: "RGBA colours", 1: "single bits"}
_COMPLEX = {32: "complex64", 1792: "complex128", 2048: "complex256"}
_PARTNERS = {".hdr": ".img", ".img": ".hdr"}


@dataclass(frozen=True)
class NiftiHeader:
    """A header whose numbers make sense; what they mean for the place of the voxels is judged elsewhere.

    Attributes:
        path: the file with the header, and `data_path`: the one with the voxels.
        packing: of the latter.
        shape: as stored, without trailing axes of length 1 beyond the third.
        dtype: stored type with its byte order.
        offset: bytes before the voxels, after unpacking.
        slope: factor, and `inter`: summand; 1 and 0 where the file is not scaled.
        fields: the record itself, in the machine's byte order.
        verdicts: flags.
    """

    path: Path
    data_path: Path
    packing: Packing
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int
    slope: float
    inter: float
    fields: np.void
    verdicts: tuple[Verdict, ...]


def is_nifti(start: bytes) -> bool:
    """Whether unpacked bytes begin a NIfTI header."""
    return start[344:347] in {b"n+1", b"ni1"} or start[4:7] in {b"n+2", b"ni2"}


def is_image_of_pair(path: Path) -> bool:
    """Whether a file is, by its name and that of a file beside it, the .img of a .hdr/.img pair."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return plain.suffix.lower() == ".img" and _partner_if_there(plain) is not None


def read_header(path: Path) -> NiftiHeader:
    """The header of the file at `path`, or of its partner where that is the .img of a pair.

    Raises:
        RefusedImageError: it is no NIfTI header, a damaged one, or one of an image that medseg does not take.
    """
    place = _partner(path) if is_image_of_pair(path) else path
    start, packing = unpacked_start(place, num_bytes=544)
    fields = _record(start, path=path)
    verdicts: list[Verdict] = []
    magic = _magic(fields, path=path)
    shape = _shape(fields["dim"], path=path)
    dtype = _dtype(fields, big=not _is_little(start), path=path, verdicts=verdicts)
    offset = _offset(fields["vox_offset"], smallest=_SINGLE_MAGIC.get(magic, 0), path=path)
    data_path = place
    if magic in _PAIR_MAGIC:
        data_path = path if place != path else _partner(path)
        packing = unpacked_start(data_path, num_bytes=2)[1]
    slope, inter = _scaling(fields, path=path, verdicts=verdicts)
    return NiftiHeader(path, data_path, packing, shape, dtype, offset, slope, inter, fields, tuple(verdicts))


def refuse(path: Path, code: str, cause: str, remedy: str = _ANEW) -> NoReturn:
    """Refuse the image at `path` with the remedy usual for such files."""
    refusals.refuse(path, code, cause, remedy)


def _is_little(start: bytes) -> bool:
    return int.from_bytes(start[:4], "little") in _LAYOUTS


def _record(start: bytes, *, path: Path) -> np.void:
    order = "little" if _is_little(start) else "big"
    size = int.from_bytes(start[:4], order)  # type: ignore[arg-type]
    layout = _LAYOUTS.get(size)
    if layout is None:
        if is_nifti(start):
            refuse(path, "damaged-header", "expected a NIfTI header of 348 or 540 bytes, its first number says another")
        refuse(path, "not-nifti", "expected a NIfTI image, got a file of another kind", "Check what it is")
    if len(start) < size:
        refuse(path, "truncated", f"cut off: expected a header of {size} bytes, got {len(start)}", "Copy it again")
    record = np.frombuffer(start[:size], layout.newbyteorder("<" if order == "little" else ">"))
    native: np.void = record.astype(layout.newbyteorder("="))[0]
    return native


def _magic(fields: np.void, *, path: Path) -> bytes:
    magic = bytes(fields["magic"])
    if magic in _SINGLE_MAGIC or magic in _PAIR_MAGIC:
        return magic
    if magic[:3] in {b"n+2", b"ni2"}:
        cause = "expected a NIfTI-2 signature, got one whose line ends were changed by a transfer as text"
        refuse(path, "damaged-header", cause, "Copy it again as binary")
    cause = "expected a NIfTI image, got an Analyze 7.5 or damaged header, which says nothing of left and right"
    refuse(path, "not-nifti", cause)


def _shape(dim: NDArray[np.integer], *, path: Path) -> tuple[int, ...]:
    ndim = int(dim[0])
    sizes = tuple(int(size) for size in dim[1 : ndim + 1]) if 1 <= ndim <= 7 else ()
    if not sizes or min(sizes) < 1:
        shown = f"{ndim} axes of sizes {sizes}" if sizes else f"{ndim} axes"
        refuse(path, "damaged-header", f"expected 2 to 7 axes with a positive size each, got {shown}")
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if len(sizes) < 2:
        refuse(path, "no-image", f"expected an image, got a single row of {sizes[0]} numbers", "Give the image itself")
    return sizes


def _dtype(fields: np.void, *, big: bool, path: Path, verdicts: list[Verdict]) -> np.dtype:
    code = int(fields["datatype"])
    if code in _PICTURES or code in _COMPLEX:
        kind = _PICTURES.get(code) or f"values of type {_COMPLEX[code]}"
        cause = f"expected one real number a voxel, got {kind}"
        refuse(path, "not-one-number", cause, "Export the measured values, or the magnitude of complex ones")
    if code not in _DATATYPES:
        refuse(path, "damaged-header", f"expected a NIfTI data type, got the code {code}")
    dtype = np.dtype(_DATATYPES[code]).newbyteorder(">" if big else "<")
    if dtype.kind == "f" and dtype.itemsize > 8 and not dtype.isnative:
        refuse(path, "not-one-number", "expected numbers this machine knows, got 128-bit floats of another")
    if int(fields["bitpix"]) != 8 * dtype.itemsize:
        cause = f"its header states {int(fields['bitpix'])} bits a voxel, its data type has {8 * dtype.itemsize}"
        verdicts.append(Verdict(Outcome.FLAG, "bits-disagree", path, f"{cause}; the data type was used"))
    return dtype


def _offset(stored: np.number, *, smallest: int, path: Path) -> int:
    value = float(stored)
    if value == 0.0:
        return smallest
    if not np.isfinite(value) or value != int(value) or value < smallest:
        refuse(path, "damaged-header", f"expected voxels from byte {smallest} on, its header says {value:g}")
    return int(value)


def _scaling(fields: np.void, *, path: Path, verdicts: list[Verdict]) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 (or none) is no scaling, as nifti1.h has it."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0.0 or not np.isfinite(slope):
        if np.isinf(slope) or (np.isfinite(inter) and inter != 0.0):
            cause = f"its scaling is {slope:g} times the stored number plus {inter:g}; it was taken as unscaled"
            verdicts.append(Verdict(Outcome.FLAG, "scaling-left-out", path, cause))
        return 1.0, 0.0
    if not np.isfinite(inter):
        refuse(path, "damaged-scaling", f"expected a finite intercept, got {inter:g}")
    return slope, inter


def _partner(path: Path) -> Path:
    """The other file of a .hdr/.img pair, packed or not, in either case of letters."""
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    found = _partner_if_there(plain)
    if found is None:
        name = plain.with_suffix(_PARTNERS.get(plain.suffix.lower(), ".img")).name
        cause = f"expected the other file of its pair, {name}, beside it"
        refuse(path, "no-data-file", cause, "Copy both files to one folder")
    return found


def _partner_if_there(plain: Path) -> Path | None:
    wanted = _PARTNERS.get(plain.suffix.lower(), "")
    endings = [f"{suffix}{packed}" for suffix in (wanted, wanted.upper()) for packed in ("", ".gz", ".GZ")]
    candidates = [plain.with_suffix(ending) for ending in endings if wanted]
    return next((candidate for candidate in candidates if candidate.is_file()), None)
