"""What the reading child and its parent say to each other."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import MedsegError
from medseg.images import ImageMetadata
from medseg.io.base import ReadRequest

LENGTH = struct.Struct("<Q")
"""Before each pickled message: its bytes."""
READY = b"ready"
"""The child's first message."""


@dataclass(frozen=True)
class Task:
    """One file to read.

    Attributes:
        path: file or folder.
        folder: from which a relative path starts.
        request: how.
        voxels: file to which the voxels go.
        max_seconds: after which the child ends itself.
        max_bytes: of memory beyond what the child has already.
    """

    path: Path
    folder: Path
    request: ReadRequest
    voxels: Path
    max_seconds: float
    max_bytes: int


@dataclass(frozen=True)
class Answer:
    """An image without its voxels, or the error.

    Attributes:
        shape: of the array.
        order: the array's axes from the slowest to the fastest in the file of voxels.
        dtype: of the array, as `numpy.dtype.str`.
        axes: as `Image.axes`.
        matrix: of the affine, RAS.
        metadata: as `Image.metadata`.
        error: what was raised instead.
        peak_bytes: memory taken while reading, beyond what the child had; 0 where it is not known.
    """

    shape: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    dtype: str = ""
    axes: str = ""
    matrix: tuple[tuple[float, ...], ...] = ()
    metadata: ImageMetadata | None = None
    error: MedsegError | None = None
    peak_bytes: int = 0
