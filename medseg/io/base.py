"""What every reader and writer of image files promises; the tests run this contract on all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Affine
from medseg.images import Image, ImageMetadata, LabelMap


@dataclass(frozen=True)
class ReadRequest:
    """How a file is to be read, beyond its path.

    Attributes:
        axes: one letter from "TCZYX" an axis of the stored array, where the file does not say or says it wrongly.
        series_uid: which DICOM series of a folder: its UID, with "#" and a volume's name where it holds several.
        slice_index: the one slice wanted along the first spatial axis; None is the whole image.
        as_labels: whether the numbers are labels, so that palette indices are kept instead of turned into colours.
        level: resolution of an image that is stored at several; 0 is the finest.
        time: the one point in time wanted of a TIFF or OME-Zarr with several; None takes files with one only.
        allow: codes of refusals that the user overrules, where a verdict permits it (`medseg.verdicts`).
    """

    axes: str | None = None
    series_uid: str | None = None
    slice_index: int | None = None
    as_labels: bool = False
    level: int = 0
    time: int | None = None
    allow: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ImageHeader:
    """What a file says about its image before the voxels are read.

    Attributes:
        shape: as `Image.array` will have it, channels first.
        axes: as `Image.axes`.
        dtype: as `Image.array` will have it; DICOM volumes turn out wider where their values ask for it.
        affine: as `Image.affine`.
        metadata: as `Image.metadata`, save for notes that only the voxels can give.
        levels: shape at each resolution that a file stores, finest first; empty where the format has one only.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype
    affine: Affine
    metadata: ImageMetadata
    levels: tuple[tuple[int, ...], ...] = ()


class Reader(Protocol):
    """Reads one file format.

    Contract: `read` gives an `Image` whose array has its channels first, then the spatial axes in the file's order,
    in the machine's byte order, and whose affine is RAS millimetres; values are the file's after its own scaling,
    in no wider a type than that needs. `header` gives the same facts from the header alone. What cannot be placed or
    read without a guess is refused. Every failure is a `MedsegError` of one line with file, cause and remedy: no
    exception of another library gets out. A guess that is made all the same is a sentence in `metadata.notes`.
    The path has been checked to exist.
    """

    format: str
    suffixes: tuple[str, ...]

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without reading the voxels."""
        ...

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        ...


class Writer(Protocol):
    """Writes one file format.

    Contract: what was written reads back with equal values and the same voxels at the same places, in the order of
    axes usual in the format. What the format cannot hold is refused before a file is made. `path` is a temporary
    one: the caller renames it when the writer returns.
    """

    format: str
    suffixes: tuple[str, ...]

    def write_image(self, image: Image, path: Path) -> None:
        """Write `image` to `path`."""
        ...

    def write_label_map(self, label_map: LabelMap, path: Path) -> None:
        """Write `label_map` to `path` in the smallest unsigned type that holds its values."""
        ...


def check_time(time: int, *, count: int, name: object) -> None:
    """Pass when a series of `count` points in time has a point `time`.

    Raises:
        InputError: it has not.
    """
    if not 0 <= time < count:
        message = f"{name}: expected a point in time between 0 and {count - 1}, got {time}."
        raise InputError(message)


def suffix_in(name: str, suffixes: tuple[str, ...]) -> str | None:
    """The longest of `suffixes` with which the file name ends, in lower case, or None."""
    lowered = name.lower()
    return max((suffix for suffix in suffixes if lowered.endswith(suffix)), key=len, default=None)


def check_axes_letters(axes: str, *, ndim: int, name: object, known: str = "CZYX") -> str:
    """`axes` in capitals, fit for an array of `ndim` axes.

    Args:
        axes: one letter an axis.
        ndim: number of axes of the stored array.
        name: the file, for messages.
        known: letters that the format has; with T, time, where it holds time series.

    Raises:
        InputError: wrong number of letters, unknown or repeated ones, or no Y and X.
    """
    letters = axes.upper()
    wrong = len(letters) != ndim or set(letters) - set(known) or len(set(letters)) != len(letters)
    if wrong or not {"Y", "X"} <= set(letters):
        message = (
            f"{name}: expected --axes with {ndim} different letters from {', '.join(known)} (Y and X among them), "
            f"one for each axis of the stored array, got {axes!r}. For a stack of grey slices that is ZYX."
        )
        raise InputError(message)
    return letters
