"""From slice headers to modality values: every file is opened once, and the values keep a narrow type.

Uncompressed little-endian pixels, nearly all there are, are read straight into the volume and rescaled in place. All
others go through pydicom's decoders. Whatever the header promises and the bytes do not hold is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.io.budget import check_budget
from medseg.io.dicom.codecs import NATIVE
from medseg.io.dicom.frames import decoded_frames, native_frame
from medseg.io.dicom.slice_header import SliceHeader
from medseg.io.foreign_errors import translated_errors
from medseg.verdicts import Outcome, Verdict

_COPIES = 1.2
"""How often the volume is held at the peak, beside one slice: once, and the places of its padding."""
_AIR_HU = -1000


@dataclass(frozen=True)
class Volume:
    """The values of a volume.

    Attributes:
        array: (columns, rows, slices) modality values; a view on memory in which slices follow each other.
        verdicts: what only the pixels could tell.
    """

    array: NDArray
    verdicts: tuple[Verdict, ...] = ()


def decode(one: SliceHeader) -> NDArray:
    """(rows, columns) modality values of one slice, padding filled with the lowest other value.

    Raises:
        RefusedImageError: as `volume_of`.
    """
    values: NDArray = volume_of([one], dtype=narrowest_type([one])).array[:, :, 0].T
    return values


def volume_of(slices: Sequence[SliceHeader], *, dtype: np.dtype) -> Volume:
    """The volume that `slices` make, in their order; padding gets the lowest other value (in a CT, at least air).

    Args:
        slices: all of one size.
        dtype: to begin with; wider where the values ask for it (int32, then float64).

    Raises:
        RefusedImageError: pixels are missing, damaged, of another size, or packed in a way that cannot be undone here;
            or the volume is larger than the budget.
    """
    first = slices[0]
    shape = (len(slices), first.rows, first.columns)
    check_budget(first.path, expected_bytes=shape[0] * shape[1] * shape[2] * np.dtype(dtype).itemsize, copies=_COPIES)
    assembly = _Assembly(np.empty(shape, dtype=dtype))
    for path, numbers in _by_file(slices).items():
        with translated_errors(path, expected="a DICOM image", remedy="Copy it again from its source."):
            _read_file(path, [(k, slices[k]) for k in numbers], assembly)
    assembly.fill_padding()
    return Volume(assembly.volume.T, assembly.verdicts(first.path))


def narrowest_type(slices: Sequence[SliceHeader]) -> np.dtype:
    """The type to begin with; `volume_of` widens it where the values ask for it."""
    bits = max(one.bits_stored for one in slices)
    if not all(one.slope.is_integer() and one.intercept.is_integer() for one in slices) or bits > 24:
        return np.dtype(np.float32 if bits <= 24 else np.float64)
    plain = all(one.slope == 1 and one.intercept == 0 and not one.is_signed for one in slices)
    if plain and bits in {8, 16}:
        return np.dtype(np.uint8 if bits == 8 else np.uint16)
    return np.dtype(np.int16)


def _by_file(slices: Sequence[SliceHeader]) -> dict[Path, list[int]]:
    found: dict[Path, list[int]] = {}
    for k, one in enumerate(slices):
        found.setdefault(one.path, []).append(k)
    return found


def _read_file(path: Path, members: Sequence[tuple[int, SliceHeader]], assembly: _Assembly) -> None:
    if all(one.pixels is not None for _, one in members):
        with path.open("rb", buffering=0) as stream:
            for k, one in members:
                assembly.add(k, native_frame(stream, one, into=assembly.place(k, one)), one)
        return
    for (k, one), stored in zip(members, decoded_frames(path, [one for _, one in members]), strict=True):
        assembly.add(k, stored, one)


class _Assembly:
    """A volume that is being filled slice by slice."""

    def __init__(self, volume: NDArray) -> None:
        self.volume = volume
        self._lowest: float | None = None
        self._padding: list[tuple[int, NDArray[np.uint8]]] = []
        self._num_padding = 0
        self._num_unused = 0
        self._is_hounsfield = False

    def place(self, k: int, one: SliceHeader) -> NDArray | None:
        """The memory of slice `k` as stored values, where their size allows to read them straight into it."""
        stored = one.stored_type
        fits = self.volume.dtype.kind != "f" and stored.itemsize == self.volume.dtype.itemsize
        return self.volume[k].view(stored) if fits else None

    def add(self, k: int, stored: NDArray, one: SliceHeader) -> None:
        """Put the stored values of slice `k`, (rows, columns) and free to be overwritten, into the volume."""
        self._is_hounsfield = self._is_hounsfield or (one.modality == "CT" and one.has_rescale)
        self._num_unused += _clear_unused_bits(stored, one)
        outside = self._note_padding(k, stored, one)
        lowest, highest = (int(stored.min()), int(stored.max()))
        ends = sorted(value * one.slope + one.intercept for value in (lowest, highest))
        if outside is None or not outside.all():
            self._lowest = ends[0] if self._lowest is None else min(self._lowest, ends[0])
        if not _fits(ends, self.volume.dtype):
            stored = stored.copy()  # it may lie in the volume that is given up
            self.volume = self.volume.astype(np.int32 if _fits(ends, np.dtype(np.int32)) else np.float64)
        _rescale_into(self.volume[k], stored, one)

    def fill_padding(self) -> None:
        """Give the pixels outside the scan the lowest value of the others, in a CT not below air."""
        if self._lowest is None:
            return
        # Scanners, and lossy compression, leave values below air at the rim of the scan.
        filling = max(self._lowest, _AIR_HU) if self._is_hounsfield else self._lowest
        shape = self.volume.shape[1:]
        for k, packed in self._padding:
            mask = np.unpackbits(packed, count=shape[0] * shape[1]).astype(bool).reshape(shape)
            self.volume[k][mask] = filling

    def verdicts(self, path: Path) -> tuple[Verdict, ...]:
        """What was found."""
        found = []
        if self._num_padding:
            cause = f"{self._num_padding} pixels outside the scan (PixelPaddingValue) were given the lowest value in it"
            found.append(Verdict(Outcome.FLAG, "padding", path, cause))
        if self._num_unused:
            cause = f"bits beyond the stored ones (BitsStored) are set in {self._num_unused} slices; they were ignored"
            found.append(Verdict(Outcome.FLAG, "unused-bits", path, cause))
        return tuple(found)

    def _note_padding(self, k: int, stored: NDArray, one: SliceHeader) -> NDArray[np.bool_] | None:
        """Where slice `k` is padding, the values there replaced by a real one; None where it has none."""
        if one.padding is None:
            return None
        lowest, highest = (_without_unused_bits(value, one) for value in one.padding)
        outside: NDArray[np.bool_] = (stored >= lowest) & (stored <= highest)
        count = int(np.count_nonzero(outside))
        if not count:
            return None
        self._num_padding += count
        self._padding.append((k, np.packbits(outside)))
        stored[outside] = stored[~outside].min() if count < outside.size else stored.flat[0]
        return outside


def _clear_unused_bits(stored: NDArray, one: SliceHeader) -> bool:
    """Whether bits above or below the stored ones were set; they are cleared in place, and the sign spread."""
    below = one.high_bit + 1 - one.bits_stored
    if below and one.transfer_syntax in NATIVE:
        stored >>= below
    if one.bits_stored == stored.dtype.itemsize * 8:
        return False
    half = 1 << (one.bits_stored - 1)
    least, most = (-half, half - 1) if one.is_signed else (0, 2 * half - 1)
    if least <= int(stored.min()) and int(stored.max()) <= most:
        return False
    above = stored.dtype.itemsize * 8 - one.bits_stored
    stored <<= above
    stored >>= above  # arithmetic for signed types
    return True


def _without_unused_bits(value: int, one: SliceHeader) -> int:
    """As `_clear_unused_bits`, of one number; scanners declare padding with and without the bits above."""
    span = 1 << one.bits_stored
    value %= span
    return value - span if one.is_signed and value >= span // 2 else value


def _rescale_into(place: NDArray, stored: NDArray, one: SliceHeader) -> None:
    """`place` = `stored` times slope plus intercept; where `stored` lies in the same memory, in place."""
    if place.dtype.kind == "f":
        np.multiply(stored, place.dtype.type(one.slope), out=place, casting="same_kind")
        if one.intercept:
            place += place.dtype.type(one.intercept)
        return
    # Whole numbers wrap around: a value that fits in the end is right whatever happened on the way.
    if not np.may_share_memory(place, stored):
        np.copyto(place, stored, casting="unsafe")
    if one.slope != 1:
        place *= np.asarray(int(one.slope)).astype(place.dtype)
    if one.intercept:
        place += np.asarray(int(one.intercept)).astype(place.dtype)


def _fits(ends: Sequence[float], dtype: np.dtype) -> bool:
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return bool(ends[0] >= limits.min and ends[1] <= limits.max)
