"""The images in a folder one by one: each file, and each volume that the DICOM series of the folder hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from medseg.io.ctc_frames import frame_folders
from medseg.io.foreign_errors import check_exists
from medseg.io.listing import case_name, is_dicom, list_inputs

_DIGITS = 8


@dataclass(frozen=True)
class InputImage:
    """One image that can be asked for by `read_image(path, series_uid=series_uid)`.

    Attributes:
        path: file, or the innermost folder that holds all files of a DICOM volume.
        series_uid: key of the volume, where it is a DICOM one.
        files: what it is read from, for a sequence its frames; empty where that is `path` itself.
        shares_folder: whether other DICOM volumes are read from the same folder.
    """

    path: Path
    series_uid: str | None = None
    files: tuple[Path, ...] = ()
    shares_folder: bool = False

    @property
    def is_sequence(self) -> bool:
        """Whether it is a folder of the Cell Tracking Challenge's frames, a time series."""
        return bool(self.files) and self.series_uid is None

    @property
    def mark(self) -> str:
        """What tells the volumes of one folder apart in names of results; empty where there is one.

        Eight digits made from the key, not the key itself: a UID says where and when a patient was scanned.
        """
        if not self.shares_folder:
            return ""
        return hashlib.sha256((self.series_uid or "").encode()).hexdigest()[:_DIGITS]

    @property
    def name(self) -> str:
        """What results of this image are called: its file or folder without suffix, and the mark where there is one."""
        return "__".join(filter(None, (case_name(self.path), self.mark)))


def list_images(folder: str | Path, *, allow: Collection[str] = ()) -> list[InputImage]:
    """The images in `folder` and below by ascending path; a file is itself.

    Volumes that will be refused are listed too, so that nobody misses them; localizers, which no one asked for, are
    not. Only DICOM headers are read.

    Args:
        folder: image file, DICOM folder, or folder of either.
        allow: as in `read_image`.

    Raises:
        InputError: there is no such folder, or nothing in it that can be read.
    """
    root = Path(folder)
    check_exists(root)
    if root.is_file():
        return [InputImage(root)]
    entries = list_inputs(root)
    images = [InputImage(entry) for entry in entries if not _holds_dicom(entry)]
    if any(_holds_dicom(entry) for entry in entries):
        images += _dicom_volumes(root, allow=frozenset(allow))
    return sorted(images, key=lambda image: (image.path, image.series_uid or ""))


def list_images_and_sequences(folder: str | Path, *, allow: Collection[str] = ()) -> list[InputImage]:
    """As `list_images`, with each sequence of the Cell Tracking Challenge as one entry and no masks beside it.

    Where there are no frames of the challenge beside them, masks are images like any other.

    Raises:
        InputError: as for `list_images`.
    """
    root = Path(folder)
    check_exists(root)
    folders = frame_folders(root) if root.is_dir() else ()
    sequences = [InputImage(one.folder, files=tuple(one.files.values())) for one in folders if not one.is_of_masks]
    if not sequences:
        return list_images(root, allow=allow)
    taken = {file for one in folders for file in one.files.values()}
    others = [image for image in list_images(root, allow=allow) if image.path not in taken]
    return sorted([*sequences, *others], key=lambda image: (image.path, image.series_uid or ""))


def _holds_dicom(entry: Path) -> bool:
    """Whether an entry of `list_inputs` is a folder of DICOM files, not a folder that is one image (OME-Zarr)."""
    return entry.is_dir() and any(is_dicom(file) for file in entry.iterdir() if file.is_file())


def _dicom_volumes(root: Path, *, allow: frozenset[str]) -> list[InputImage]:
    from medseg.io.dicom.judge import judge_folder

    judgement = judge_folder(root, allow=allow)
    volumes = [volume for volume in judgement.volumes if not volume.is_localizer] or list(judgement.volumes)
    if not volumes:
        return [InputImage(root)]  # nothing there is a volume: reading it says why
    images = []
    for volume in volumes:
        files = tuple(sorted({one.path for one in volume.slices}))
        images.append(InputImage(_common_folder(files) if files else root, volume.key, files))
    folders = [image.path for image in images]
    return [
        InputImage(image.path, image.series_uid, image.files, shares_folder=folders.count(image.path) > 1)
        for image in images
    ]


def _common_folder(files: tuple[Path, ...]) -> Path:
    return Path(os.path.commonpath([file.parent for file in files]))
