"""Time series: what a person is told of them, and their frames as layers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from medseg.images import Image, LabelKind, LabelMap, LabelTable
from medseg.io.base import ReadRequest
from medseg.io.isolated import ReadingLimits, ReadingProcess
from medseg.io.label_values import label_map_of
from medseg.io.time_series import SeriesHeader, frame_times, spoken_interval

_CHILD = ReadingProcess(reader="medseg.io.read_frames:read_time_series")
"""It starts with a series and is closed after it."""
_ONE_AT_A_TIME = threading.Lock()
_MICROMETRES_PER_MM = 1000.0
CELLS = LabelTable.from_names(("background", "cell"))
"""What the numbers in the masks of a sequence are."""


def series_detail(header: SeriesHeader) -> str:
    """Size, pixels and interval: "120 frames of 576 × 720, 0.65 × 0.65 µm, 10 min apart"."""
    frames, height, width = header.shape
    parts = [f"{frames} frames of {height} × {width}", "size of a pixel not stated"]
    if header.pixel_mm is not None:
        parts[1] = " × ".join(f"{size * _MICROMETRES_PER_MM:.3g}" for size in header.pixel_mm) + " µm"
    if header.times.interval_s is not None:
        parts.append(f"{spoken_interval(header.times.interval_s)} apart")
    return ", ".join(parts)


def read_frames(path: Path, *, as_labels: bool) -> Image:
    """The frames as a stack, decoded in a process of its own.

    Raises:
        MedsegError: they cannot be read.
    """
    with _ONE_AT_A_TIME, _CHILD:
        return _CHILD.read(path, ReadRequest(as_labels=as_labels), limits=ReadingLimits())


def stop_reading_frames() -> None:
    """End the process that decodes, from any thread; what it is reading is refused."""
    _CHILD.close()


def frame_masks(path: Path, images: Sequence[Image]) -> tuple[LabelMap, Image | None]:
    """The numbered objects of a series of masks, and the open series that they lie on."""
    image = read_frames(path, as_labels=True)
    label_map = label_map_of(image, labels=CELLS, kind=LabelKind.INSTANCES, name=path)
    fitting = [
        one
        for one in images
        if frame_times(one.metadata) is not None
        and one.spatial_shape == label_map.spatial_shape
        and (one.grid.is_same_as(label_map.grid) or not label_map.metadata.spacing_is_known)
    ]
    fitting.sort(key=lambda one: not _is_named_alike(Path(one.metadata.source), path))
    return label_map, fitting[0] if fitting else None


def _is_named_alike(images: Path, masks: Path) -> bool:
    """Whether the masks' folder or that above it is called after the images' ("01" and "01_GT")."""
    return any(part.name.startswith(images.name.split(".")[0]) for part in (masks, masks.parent))
