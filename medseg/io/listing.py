"""The inputs in a folder: image files and DICOM series folders, the cases of a batch."""

from __future__ import annotations

import os
from pathlib import Path

from medseg.errors import InputError
from medseg.io.base import suffix_in
from medseg.io.dicom.signature import DICOM_SUFFIXES, is_dicom_file
from medseg.io.dispatch import IMAGE_SUFFIXES
from medseg.io.foreign_errors import check_exists
from medseg.io.inside import is_inside
from medseg.io.ome_zarr_files import is_zarr_folder
from medseg.verdicts import Outcome, Verdict

_DOUBLE_SUFFIXES = (".nii.gz", ".ome.tif", ".ome.tiff", ".seg.nrrd")
_FOLDER_SUFFIXES = (".zarr", ".ome.zarr")

_FILE_SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in DICOM_SUFFIXES)


def list_inputs(folder: str | Path) -> list[Path]:
    """The image files and OME-Zarr folders in `folder` and below, and the folders that hold DICOM files, sorted.

    A file or OME-Zarr folder is itself.
    A folder with DICOM files stands for its sub-folders as well, whose DICOM files are judged together with its own.
    Hidden files, files of other kinds and half-written ones (whose names start with a dot) are left out, and so are
    links that lead out of `folder`: `links_out_of` names those.

    Raises:
        InputError: there is no such folder, or nothing in it that can be read.
    """
    root = Path(folder)
    check_exists(root)
    if root.is_file() or is_zarr_folder(root):
        return [root]
    found: list[Path] = []
    series_folders: set[Path] = set()
    for place, folders, names in os.walk(root):
        images = {name for name in folders if _may_be_read(Path(place) / name, root)}
        images = {name for name in images if is_zarr_folder(Path(place) / name)}
        found += [Path(place) / name for name in images if not name.startswith(".")]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in images)
        files = [Path(place) / name for name in sorted(names) if not name.startswith(".")]
        files = [file for file in files if _may_be_read(file, root)]
        found += [file for file in files if suffix_in(file.name, _FILE_SUFFIXES)]
        is_part_of_another = any(parent in series_folders for parent in Path(place).parents)
        if not is_part_of_another and any(is_dicom(file) for file in files if not suffix_in(file.name, _FILE_SUFFIXES)):
            series_folders.add(Path(place))
    found += series_folders
    if not found:
        links = len(links_out_of(root))
        held = f"none, only {links} links that lead out of it" if links else "none"
        message = f"{root}: expected image files or DICOM series, it holds {held}. Known: {', '.join(IMAGE_SUFFIXES)}."
        raise InputError(message)
    return sorted(found)


def links_out_of(folder: str | Path) -> list[Verdict]:
    """A flag for each link in `folder` and below that leads out of it or nowhere; none of them is followed."""
    root = Path(folder)
    places = [Path(place) / name for place, folders, names in os.walk(root) for name in (*folders, *names)]
    links = [path for path in sorted(places) if not path.name.startswith(".") and not _may_be_read(path, root)]
    return [
        Verdict(Outcome.FLAG, "link-outside", link, "a link that leads out of the folder, not followed")
        for link in links
    ]


def _may_be_read(path: Path, root: Path) -> bool:
    return not path.is_symlink() or is_inside(path, root)


def case_name(path: Path) -> str:
    """What the image at `path` is called: its name without the suffix (".nii.gz" and ".ome.zarr" count as one)."""
    if path.is_dir():
        name = path.name if path.name not in {"", ".."} else path.resolve().name
        suffix = suffix_in(name, _FOLDER_SUFFIXES)
        return name[: -len(suffix)] if suffix and len(suffix) < len(name) else name
    suffix = suffix_in(path.name, _DOUBLE_SUFFIXES)
    return path.name[: -len(suffix)] if suffix else path.stem


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its suffix or its first bytes, and not a directory of a medium (DICOMDIR)."""
    return path.name.upper() != "DICOMDIR" and (path.suffix.lower() in DICOM_SUFFIXES or is_dicom_file(path))
