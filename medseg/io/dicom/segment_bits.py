"""The stored values of a segmentation, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels import iter_pixels

from medseg.io.dicom.elements import required_count
from medseg.io.refusals import refuse


def frames_of(dataset: FileDataset, *, path: Path) -> Iterator[NDArray[Any]]:
    """(rows, columns) stored values of each frame, in the file's order.

    Raises:
        RefusedImageError: fewer pixels than the header says, or bits in big-endian words.
    """
    bits = required_count(dataset, "BitsAllocated", path=path)
    if bits == 1 and not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return _unpacked(dataset, path=path)
    return iter_pixels(dataset, raw=True)


def _unpacked(dataset: FileDataset, *, path: Path) -> Iterator[NDArray[np.uint8]]:
    """Frames of one bit a voxel, lowest bit first, without a gap between frames (PS3.5 section 8.1.1).

    Not by pydicom, whose frame by frame reading stumbles over frames that do not begin with a byte.
    """
    if not dataset.file_meta.TransferSyntaxUID.is_little_endian:
        refuse(path, "big-endian-bits", "expected bits in little-endian order, got big-endian", "Convert the file")
    rows, columns = required_count(dataset, "Rows", path=path), required_count(dataset, "Columns", path=path)
    count = required_count(dataset, "NumberOfFrames", path=path)
    stored = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    size = rows * columns
    if stored.size * 8 < size * count:
        refuse(
            path,
            "truncated",
            f"expected {-(-size * count // 8)} bytes of pixels, got {stored.size}: the file is cut short",
            "Copy it again from its source",
        )
    for frame in range(count):
        first, last = frame * size, (frame + 1) * size
        bits = np.unpackbits(stored[first // 8 : -(-last // 8)], bitorder="little")
        yield bits[first % 8 : first % 8 + size].reshape(rows, columns)
