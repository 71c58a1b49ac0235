"""Which axis of a TIFF's array is which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medseg.io.base import ReadRequest, check_axes_letters, check_time
from medseg.io.refusals import flag, refuse, refuse_unless_allowed
from medseg.io.tiff_spacing import is_our_volume
from medseg.verdicts import Verdict

_STACK_CAUSE = "the file does not name the axis of its pages; they were taken as the slices of a stack (Z)"
_USER_NOTE = "the axes were given by the user"


@dataclass(frozen=True)
class TiffLayout:
    """The axes of the stored array.

    Attributes:
        axes: one letter of T, C, Z, Y, X an axis.
        shape: its sizes.
        notes: what the user said.
        verdicts: guesses that were made.
    """

    axes: str
    shape: tuple[int, ...]
    notes: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def num_times(self) -> int:
        """Number of points in time."""
        return self.shape[self.axes.index("T")] if "T" in self.axes else 1

    @property
    def image_axes(self) -> str:
        """Axes of the image of one point in time: channels first, no T."""
        return "C" + self.axes.replace("C", "").replace("T", "")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Sizes of the image of one point in time."""
        sizes = dict(zip(self.axes, self.shape, strict=True))
        return tuple(sizes.get(letter, 1) for letter in self.image_axes)


def layout_of(tif: Any, *, path: Path, request: ReadRequest) -> TiffLayout:
    """The layout of the one image or time series in an open TIFF.

    Raises:
        InputError: the axes that the user gave do not fit, or there is no such point in time as was asked for.
        ImageFormatError: there are several images, or several points in time and none was asked for, or the file does
            not name its axes.
    """
    layout = _layout(tif, path=path, request=request)
    times = layout.num_times
    if request.time is not None:
        check_time(request.time, count=times, name=path)
    elif times > 1:
        cause = f"expected one point in time, got {times} (axes {layout.axes})"
        refuse(path, "several-times", cause, "Save each to a file, or give --axes with Z for T if they are slices")
    return layout


def _layout(tif: Any, *, path: Path, request: ReadRequest) -> TiffLayout:
    if len(tif.series) > 1:
        sizes = ", ".join("x".join(str(size) for size in series.shape) for series in tif.series[:4])
        cause = f"expected one image, got {len(tif.series)} of different kinds ({sizes})"
        refuse(path, "several-images", cause, "Save one to a file")
    series = tif.series[0]
    shape = tuple(int(size) for size in series.shape)
    if request.axes is not None:
        has_one_page = len(series.pages) == 1
        if has_one_page and len(request.axes) == len(shape) + 1 and request.axes.upper().startswith("Z"):
            shape = (1, *shape)  # a stack of one slice, whose first axis tifffile drops
        letters = check_axes_letters(request.axes, ndim=len(shape), name=path, known="CZYXT")
        return TiffLayout(letters, shape, (_USER_NOTE,))
    axes = series.axes.replace("S", "C") if "C" not in series.axes else series.axes
    if tif.is_ome and series.kind != "ome":
        cause = "its OME-XML does not describe the pages that are in the file"
        refuse(path, "ome-elsewhere", cause, "Give the main file of the image, or --axes (ZYX for a stack of slices)")
    if axes in {"QYX", "IYX"} and len(series.pages) == shape[0]:
        return TiffLayout("ZYX", shape, verdicts=(_stack_verdict(shape[0], request=request, path=path),))
    _check_axes(axes, shape=shape, given=series.axes, path=path)
    if "Z" not in axes and is_our_volume(tif):
        where = axes.index("Y")
        return TiffLayout(f"{axes[:where]}Z{axes[where:]}", (*shape[:where], 1, *shape[where:]))
    return TiffLayout(axes, shape)


def _stack_verdict(num_pages: int, *, request: ReadRequest, path: Path) -> Verdict:
    """A flag; for three pages of an image, which may be colours, a refusal that the user may overrule."""
    if num_pages != len("RGB") or request.as_labels:
        return flag(path, "unnamed-axis", _STACK_CAUSE)
    cause = "its three pages may be the slices of a stack or the channels of one picture"
    remedy = "Give --axes ZYX or --axes CYX"
    return refuse_unless_allowed(path, "ambiguous-axes", cause, remedy, allow=request.allow)


def _check_axes(axes: str, *, shape: tuple[int, ...], given: str, path: Path) -> None:
    if set(axes) - set("TCZYX") or not {"Y", "X"} <= set(axes) or len(set(axes)) != len(axes):
        cause = f"the file does not say what its axes are (shape {shape}, tifffile names them {given})"
        remedy = f"Give --axes with one letter from C, Z, Y, X an axis, {'CZYX'[-len(axes) :]} for example"
        refuse(path, "unknown-axes", cause, remedy)
