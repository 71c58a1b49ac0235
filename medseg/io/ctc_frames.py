"""Folders of the Cell Tracking Challenge as time series: frames t000.tif, masks mask000.tif, man_seg000.tif and others.

Names as in the challenge's "Naming and file content conventions" (https://celltrackingchallenge.net/datasets/).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.files import atomic_folder, atomic_path
from medseg.images import LabelMap
from medseg.io.base import ReadRequest
from medseg.io.inside import is_inside
from medseg.io.tiff import TiffReader
from medseg.io.time_series import FrameTimes, SeriesHeader, frame_times

FORMAT = "ctc"
_FRAME = re.compile(r"(?P<kind>t|mask|man_seg|man_track)(?P<number>\d{3,})\.tiff?", re.IGNORECASE)
_IMAGES = "t"
_TITLES = {"mask": "masks", "man_seg": "segmentation truth", "man_track": "tracking truth"}
_TRACKS = "res_track.txt"
_MOST_FLOORS = 3
"""From the folder of a data set to that of a mask: 01_GT / SEG / man_seg000.tif."""
_PLAIN = ReadRequest()
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
    def is_of_masks(self) -> bool:
        """Whether the files hold numbers of objects."""
        return self.kind != _IMAGES

    @property
    def title(self) -> str:
        """The sequence and what its files are: "01 masks"."""
        name = self.folder.name
        if name in {"SEG", "TRA", "ST"}:
            name = self.folder.parent.name
        sequence = name.split("_")[0] or name
        return sequence if not self.is_of_masks else f"{sequence} {_TITLES[self.kind]}"


def is_frame_name(name: str) -> bool:
    """Whether a file is called as a frame or mask of the challenge."""
    return _FRAME.fullmatch(name) is not None


def frame_folders(root: Path) -> tuple[FrameFolder, ...]:
    """The sequences of two frames or more in a folder and up to two floors below, images first; only names are read.

    Links that lead out of the folder are not followed.
    """
    found: list[FrameFolder] = []
    for place, folders, names in os.walk(root):
        deep = len(Path(place).relative_to(root).parts)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and deep < _MOST_FLOORS - 1)
        kinds: dict[str, dict[int, Path]] = {}
        for name in sorted(names):
            match = _FRAME.fullmatch(name)
            if match is not None and not _leads_out(Path(place) / name, root):
                kinds.setdefault(match["kind"].lower(), {}).setdefault(int(match["number"]), Path(place) / name)
        found += [
            FrameFolder(Path(place), kind, dict(sorted(files.items())))
            for kind, files in kinds.items()
            if len(files) > 1
        ]
    return tuple(sorted(found, key=lambda one: (one.is_of_masks, one.folder, one.kind)))


def _leads_out(path: Path, root: Path) -> bool:
    return path.is_symlink() and not is_inside(path, root)


def frame_folder_header(frames: FrameFolder, request: ReadRequest = _PLAIN) -> SeriesHeader:
    """What the first frame says of them all.

    Args:
        frames: of a sequence.
        request: its axes are those of each file.

    Raises:
        MedsegError: the first cannot be read.
    """
    files = tuple(frames.files.values())
    return SeriesHeader(
        path=frames.folder,
        format=FORMAT,
        frame=TiffReader().header(files[0], replace(request, as_labels=frames.is_of_masks)),
        times=FrameTimes(tuple(frames.files)),
        files=files,
        is_mask=frames.is_of_masks,
        title=frames.title,
    )


def write_ctc_masks(label_map: LabelMap, folder: Path) -> None:
    """Write numbered objects as mask000.tif, .., one a frame, 16 bits, into a new folder; all of them or none.

    Args:
        label_map: numbers of objects in a stack of frames.
        folder: which must not exist.

    Raises:
        InputError: it is no stack of frames, or a number is larger than 65535.
        StorageError: the disk is full or read-only.
    """
    times = frame_times(label_map.metadata)
    if times is None or label_map.axes != "ZYX":
        message = (
            f"{folder}: expected the masks of a time series, got axes {label_map.axes}. Write .ome.tif or .nii.gz."
        )
        raise InputError(message)
    _check_numbers(label_map.array, folder)
    with atomic_folder(folder) as temporary:
        temporary.mkdir(exist_ok=True)
        for name, frame in zip(ctc_mask_names(times), label_map.array, strict=True):
            _write_mask(frame, temporary / name)


def ctc_mask_names(times: FrameTimes) -> tuple[str, ...]:
    """The names of the masks of some frames, mask000.tif and so on, under the frames' own numbers."""
    digits = max(3, len(str(max(times.numbers))))
    return tuple(f"mask{number:0{digits}d}.tif" for number in times.numbers)


def check_mask_folder(folder: Path, times: FrameTimes) -> None:
    """Pass when the masks of some frames, written into `folder`, would not stand among those of another result.

    Raises:
        InputError: it holds masks of other frames, or tracks.
    """
    names = {*ctc_mask_names(times)}
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    foreign = [name for name in there if name not in names and (is_frame_name(name) or name == _TRACKS)]
    if foreign:
        message = (
            f"{folder}: expected a folder without another result in it, and it holds {foreign[0]}. Move that, "
            "or choose another --output."
        )
        raise InputError(message)


def write_ctc_mask(numbers: NDArray[np.integer], path: Path) -> None:
    """Write the numbered objects of one frame as a TIFF of 16 bits, whole or not at all.

    Args:
        numbers: (rows, columns), or (slices, rows, columns).
        path: of the mask.

    Raises:
        InputError: a number is larger than 65535.
        StorageError: the disk is full or read-only.
    """
    _check_numbers(numbers, path)
    with atomic_path(path) as temporary:
        _write_mask(numbers, temporary)


def _check_numbers(numbers: NDArray[np.integer], path: Path) -> None:
    largest = int(numbers.max(initial=0))
    if largest > _LARGEST_NUMBER:
        message = (
            f"{path}: the challenge's masks hold numbers up to {_LARGEST_NUMBER}, the largest here is {largest}. "
            "Write .ome.tif instead."
        )
        raise InputError(message)


def _write_mask(numbers: NDArray[np.integer], path: Path) -> None:
    import tifffile

    tifffile.imwrite(path, numbers.astype(np.uint16), compression="zlib", photometric="minisblack")
