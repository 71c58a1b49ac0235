"""Which axis of a TIFF's array is which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.errors import ImageFormatError
from medseg.io.base import ReadRequest, check_axes_letters
from medseg.io.tiff_spacing import is_our_volume

_STACK_NOTE = "the file does not name the axis of its pages; they were taken as the slices of a stack (Z)"
_USER_NOTE = "the axes were given by the user"


@dataclass(frozen=True)
class TiffLayout:
    """The axes of the stored array.

    Attributes:
        axes: one letter of T (of length 1), C, Z, Y, X an axis.
        shape: its sizes.
        notes: guesses that were made.
    """

    axes: str
    shape: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def image_axes(self) -> str:
        """Axes of the image made of it: channels first, no T."""
        return "C" + self.axes.replace("C", "").replace("T", "")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Sizes of the image made of it."""
        sizes = dict(zip(self.axes, self.shape, strict=True))
        return tuple(sizes.get(letter, 1) for letter in self.image_axes)


def layout_of(tif: Any, *, path: Path, request: ReadRequest) -> TiffLayout:
    """The layout of the one image in an open TIFF.

    Raises:
        InputError: the axes that the user gave do not fit.
        ImageFormatError: there are several images or points in time, or the file does not name its axes.
    """
    if len(tif.series) > 1:
        sizes = ", ".join("x".join(str(size) for size in series.shape) for series in tif.series[:4])
        message = f"{path}: expected one image, got {len(tif.series)} of different kinds ({sizes}). Save one to a file."
        raise ImageFormatError(message)
    series = tif.series[0]
    shape = tuple(int(size) for size in series.shape)
    if request.axes is not None:
        has_one_page = len(series.pages) == 1
        if has_one_page and len(request.axes) == len(shape) + 1 and request.axes.upper().startswith("Z"):
            shape = (1, *shape)  # a stack of one slice, whose first axis tifffile drops
        return TiffLayout(check_axes_letters(request.axes, ndim=len(shape), name=path), shape, (_USER_NOTE,))
    axes = series.axes.replace("S", "C") if "C" not in series.axes else series.axes
    if axes in {"QYX", "IYX"} and len(series.pages) == shape[0]:
        return TiffLayout("ZYX", shape, (_STACK_NOTE,))
    _check_axes(axes, shape=shape, given=series.axes, path=path)
    if "Z" not in axes and is_our_volume(tif):
        where = axes.index("Y")
        return TiffLayout(f"{axes[:where]}Z{axes[where:]}", (*shape[:where], 1, *shape[where:]))
    return TiffLayout(axes, shape)


def _check_axes(axes: str, *, shape: tuple[int, ...], given: str, path: Path) -> None:
    if "T" in axes and shape[axes.index("T")] > 1:
        message = (
            f"{path}: expected one point in time, got {shape[axes.index('T')]} (axes {axes}). "
            "Save each to a file, or give --axes with Z for T if they are slices."
        )
        raise ImageFormatError(message)
    if set(axes) - set("TCZYX") or not {"Y", "X"} <= set(axes) or len(set(axes)) != len(axes):
        message = (
            f"{path}: the file does not say what its axes are (shape {shape}, tifffile names them {given}). "
            f"Give --axes with one letter from C, Z, Y, X an axis, {'CZYX'[-len(axes) :]} for example."
        )
        raise ImageFormatError(message)
