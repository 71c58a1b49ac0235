"""Folders of the Cell Tracking Challenge as time series: frames t000.tif, masks mask000.tif, man_seg000.tif and others.

Names as in the challenge's "Naming and file content conventions" (https://celltrackingchallenge.net/datasets/).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.errors import InputError
from medseg.files import atomic_folder
from medseg.images import Image, LabelMap
from medseg.io.base import ReadRequest
from medseg.io.budget import check_budget
from medseg.io.refusals import refuse
from medseg.io.tiff import TiffReader
from medseg.io.time_series import FrameTimes, SeriesHeader, frame_times, stacked_frames

FORMAT = "ctc"
_FRAME = re.compile(r"(?P<kind>t|mask|man_seg|man_track)(?P<number>\d{3,})\.tiff?", re.IGNORECASE)
_IMAGES = "t"
_TITLES = {"mask": "masks", "man_seg": "segmentation truth", "man_track": "tracking truth"}
_MOST_FLOORS = 3
"""From the folder of a data set to that of a mask: 01_GT / SEG / man_seg000.tif."""
_LARGEST_NUMBER = np.iinfo(np.uint16).max
"""Of an object: the challenge's masks have 16 bits."""


@dataclass(frozen=True)
class FrameFolder:
    """The frames of one kind in a folder.

    Attributes:
        folder: where they lie.
        kind: "t", "mask", "man_seg" or "man_track".
        files: number of the frame -> its file, ascending.
    """

    folder: Path
    kind: str
    files: Mapping[int, Path]

    @property
    def title(self) -> str:
        """The sequence and what its files are: "01 masks"."""
        name = self.folder.name
        if name in {"SEG", "TRA", "ST"}:
            name = self.folder.parent.name
        sequence = name.split("_")[0] or name
        return sequence if self.kind == _IMAGES else f"{sequence} {_TITLES[self.kind]}"


def is_frame_name(name: str) -> bool:
    """Whether a file is called as a frame or mask of the challenge."""
    return _FRAME.fullmatch(name) is not None


def frame_folders(root: Path) -> tuple[FrameFolder, ...]:
    """The sequences of two frames or more in a folder and up to two floors below, images first; only names are read."""
    found: list[FrameFolder] = []
    for place, folders, names in os.walk(root):
        deep = len(Path(place).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and deep < _MOST_FLOORS - 1)
        kinds: dict[str, dict[int, Path]] = {}
        for name in sorted(names):
            match = _FRAME.fullmatch(name)
            if match is not None:
                kinds.setdefault(match["kind"].lower(), {}).setdefault(int(match["number"]), Path(place) / name)
        found += [
            FrameFolder(Path(place), kind, dict(sorted(files.items())))
            for kind, files in kinds.items()
            if len(files) > 1
        ]
    return tuple(sorted(found, key=lambda one: (one.kind != _IMAGES, one.folder, one.kind)))


def frame_folder_header(frames: FrameFolder) -> SeriesHeader:
    """What the first frame says of them all.

    Raises:
        RefusedImageError: the frames are volumes.
        MedsegError: the first cannot be read.
    """
    first = next(iter(frames.files.values()))
    found = TiffReader().header(first, ReadRequest(as_labels=frames.kind != _IMAGES))
    if len(found.shape) != 3:
        cause = "expected frames that are pictures, got volumes"
        refuse(frames.folder, "several-times", cause, "Open one frame, t000.tif for example")
    pixel_mm = (found.affine.spacing_mm[0], found.affine.spacing_mm[1])
    return SeriesHeader(
        path=frames.folder,
        format=FORMAT,
        shape=(len(frames.files), found.shape[1], found.shape[2]),
        times=FrameTimes(tuple(frames.files)),
        pixel_mm=pixel_mm if found.metadata.spacing_is_known else None,
        is_mask=frames.kind != _IMAGES,
        title=frames.title,
    )


def read_frame_folder(frames: FrameFolder) -> Image:
    """The frames as a stack; see `medseg.io.time_series`.

    Raises:
        RefusedImageError: they do not fit into memory, or one cannot be read.
        InputError: they differ in size.
    """
    request = ReadRequest(as_labels=frames.kind != _IMAGES)
    first = TiffReader().header(next(iter(frames.files.values())), request)
    size = int(np.prod(first.shape)) * first.dtype.itemsize
    check_budget(frames.folder, expected_bytes=size * len(frames.files), copies=2.0)
    images = [TiffReader().read(path, request) for path in frames.files.values()]
    return stacked_frames(images, FrameTimes(tuple(frames.files)), path=frames.folder)


def write_ctc_masks(label_map: LabelMap, folder: Path) -> None:
    """Write numbered objects as mask000.tif, .., one a frame, 16 bits, into a new folder; all of them or none.

    Args:
        label_map: numbers of objects in a stack of frames.
        folder: which must not exist.

    Raises:
        InputError: it is no stack of frames, or a number is larger than 65535.
        StorageError: the disk is full or read-only.
    """
    import tifffile

    times = frame_times(label_map.metadata)
    if times is None or label_map.axes != "ZYX":
        message = (
            f"{folder}: expected the masks of a time series, got axes {label_map.axes}. Write .ome.tif or .nii.gz."
        )
        raise InputError(message)
    largest = int(label_map.array.max(initial=0))
    if largest > _LARGEST_NUMBER:
        message = (
            f"{folder}: the challenge's masks hold numbers up to {_LARGEST_NUMBER}, the largest here is {largest}. "
            "Write .ome.tif instead."
        )
        raise InputError(message)
    digits = max(3, len(str(max(times.numbers))))
    with atomic_folder(folder) as temporary:
        temporary.mkdir(exist_ok=True)
        for number, frame in zip(times.numbers, label_map.array, strict=True):
            path = temporary / f"mask{number:0{digits}d}.tif"
            tifffile.imwrite(path, frame.astype(np.uint16), compression="zlib", photometric="minisblack")
