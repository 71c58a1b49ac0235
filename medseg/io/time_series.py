"""Time series: the frames of a TIFF, an OME-Zarr image or a folder of the Cell Tracking Challenge.

The readers of `read_image` refuse what holds several points in time, since an image has axes of space only. The frames
of a series come one by one (`medseg.io.read_frames.frames_of`); or, those of pictures, as a stack whose first axis
counts them. It bears the letter Z, as a network for pictures goes through a stack frame by frame, and `frame_times`
tells it from one of slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medseg.errors import InputError
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader
from medseg.io.refusals import refuse
from medseg.io.stored_order import affine_of_axes

SEVERAL_TIMES = "several-times"
"""Code with which the readers of single images refuse a time series."""
_SAVE_ONE = "Save the time that you need to a file of its own"
_FRAMES = "frames"
"""Key of `ImageMetadata.extra`; plain numbers stand under it, since images travel to other processes."""
_SECONDS: Mapping[str, float] = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "µs": 1e-6,
    "us": 1e-6,
    "microsecond": 1e-6,
    "ns": 1e-9,
    "nanosecond": 1e-9,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}


@dataclass(frozen=True)
class FrameTimes:
    """What the first axis of a stack of frames means.

    Attributes:
        numbers: of the frames, as their files have them; from 0 where they have none.
        interval_s: seconds from a frame to the next; None where it is not stated.
    """

    numbers: tuple[int, ...]
    interval_s: float | None = None


@dataclass(frozen=True)
class SeriesHeader:
    """A time series before its frames are read.

    Attributes:
        path: file or folder.
        format: "tiff", "ome-zarr" or "ctc".
        frame: what is known of each frame, from the first.
        times: of the frames.
        files: of the frames, where each has its own.
        is_mask: whether the name says that the values are numbers of objects.
        title: by which a person knows the series.
    """

    path: Path
    format: str
    frame: ImageHeader
    times: FrameTimes
    files: tuple[Path, ...] = ()
    is_mask: bool = False
    title: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns."""
        return len(self.times.numbers), self._size("Y"), self._size("X")

    @property
    def is_of_volumes(self) -> bool:
        """Whether the frames have several slices each."""
        return self._size("Z") > 1

    @property
    def pixel_mm(self) -> tuple[float, float] | None:
        """Height and width of a pixel; None where they are not stated."""
        spacing = dict(zip(self.frame.axes[1:], self.frame.affine.spacing_mm, strict=True))
        return (spacing["Y"], spacing["X"]) if self.frame.metadata.spacing_is_known else None

    def _size(self, letter: str) -> int:
        return dict(zip(self.frame.axes, self.frame.shape, strict=True)).get(letter, 1)


def frame_times(metadata: ImageMetadata) -> FrameTimes | None:
    """What the first spatial axis of a stack of frames means; None for all other images."""
    stated = metadata.extra.get(_FRAMES)
    if not isinstance(stated, Mapping):
        return None
    return FrameTimes(tuple(stated["numbers"]), stated["interval_s"])


def check_pictures(header: SeriesHeader) -> None:
    """Pass when the frames are pictures, which can be stacked.

    Raises:
        RefusedImageError: they are volumes.
    """
    if header.is_of_volumes:
        cause = f"expected pictures over time, got volumes over time (axes T{header.frame.axes[1:]})"
        remedy = f"Open one frame, {header.files[0].name} for example" if header.files else _SAVE_ONE
        refuse(header.path, SEVERAL_TIMES, cause, remedy)


def as_frames(image: Image, times: FrameTimes, *, pixel_mm: Sequence[float] | None) -> Image:
    """A stack whose slices are points in time.

    Args:
        image: of axes "CZYX"; its Z becomes the frames.
        times: of the frames.
        pixel_mm: height and width of a pixel; None where they are not known. Along the frames the stack has a size of
            1, which means nothing.

    Raises:
        InputError: the image is no such stack, or has another number of frames.
    """
    if image.axes != "CZYX" or image.array.shape[1] != len(times.numbers):
        message = (
            f"{image.metadata.source or 'image'}: expected a stack of {len(times.numbers)} pictures, got shape "
            f"{image.array.shape} with axes {image.axes}. Give its axes as ZYX."
        )
        raise InputError(message)
    sizes = {} if pixel_mm is None else dict(zip("YX", map(float, pixel_mm), strict=True))
    stated: dict[str, Any] = {"numbers": times.numbers, "interval_s": times.interval_s}
    metadata = replace(
        image.metadata, spacing_is_known=pixel_mm is not None, extra={**image.metadata.extra, _FRAMES: stated}
    )
    return image.replace(affine=affine_of_axes("ZYX", spacing_mm=sizes, origin_mm={}), metadata=metadata)


def frame_of(image: Image, index: int) -> Image:
    """One frame of a stack of frames as a picture, its values a view."""
    extra = {key: value for key, value in image.metadata.extra.items() if key != _FRAMES}
    height, width = image.spacing_mm[1:]
    return Image(
        image.array[:, index],
        affine_of_axes("YX", spacing_mm={"Y": height, "X": width}, origin_mm={}),
        "CYX",
        replace(image.metadata, extra=extra),
    )


def stacked_frames(frames: Sequence[Image], times: FrameTimes, *, path: Path) -> Image:
    """Pictures of one size as a stack of frames, with what is known of the first.

    Args:
        frames: at least one, alike.
        times: of the frames.
        path: of the series, for messages and as the source.
    """
    first = frames[0]
    whole = Image(
        np.stack([frame.array for frame in frames], axis=1),
        affine_of_axes("ZYX", spacing_mm={}, origin_mm={}),
        "CZYX",
        replace(first.metadata, source=str(path)),
    )
    return as_frames(whole, times, pixel_mm=first.spacing_mm if first.metadata.spacing_is_known else None)


def spoken_interval(seconds: float) -> str:
    """A duration with its unit: "10 min", "0.5 s"."""
    for size, unit in ((3600.0, "h"), (60.0, "min"), (1.0, "s")):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds * 1000:.4g} ms"


def seconds_in(value: object, unit: object) -> float | None:
    """A stated duration in seconds; None where it is no positive number, or its unit is no time."""
    try:
        seconds = float(value) * _SECONDS[str(unit).lower()]  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        return None
    return seconds if 0 < seconds < float("inf") else None
