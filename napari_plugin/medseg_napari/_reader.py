"""Opening files in napari through medseg's own readers, so that spacing, units and places are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medseg_napari.layers import LayerData

_ADDED_LATER: list[Any] = [(None,)]
"""What npe2 takes from a reader that adds no layers itself."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader of `path`, or None where medseg does not read such files; cheap, and never an error."""
    paths = [path] if isinstance(path, str) else path
    return _read if paths and all(_is_ours(Path(one)) for one in paths) else None


def _is_ours(path: Path) -> bool:
    """Whether medseg reads files of this suffix, or a folder with DICOM files or frames in or below it."""
    from medseg.io import IMAGE_SUFFIXES
    from medseg.io.ctc_frames import is_frame_name
    from medseg.io.listing import is_dicom
    from medseg.io.ome_zarr_files import is_zarr_folder

    if path.is_dir():
        return is_zarr_folder(path) or any(is_frame_name(file.name) or is_dicom(file) for file in _few_files(path))
    return path.name.lower().endswith(tuple(IMAGE_SUFFIXES)) or (path.is_file() and is_dicom(path))


_MOST_LOOKED_AT = 200


def _few_files(folder: Path) -> list[Path]:
    """Some files of a folder and of the folders in it."""
    files: list[Path] = []
    for pattern in ("*", "*/*", "*/*/*"):
        for entry in folder.glob(pattern):
            if entry.is_file():
                files.append(entry)
            if len(files) >= _MOST_LOOKED_AT:
                return files
    return files


def _read(path: str | list[str]) -> list[LayerData]:
    """The layers; where a person is at the window, they are read beside it and added when they are there."""
    paths = [Path(one) for one in ([path] if isinstance(path, str) else path)]
    window = _window_in_use()
    if window is None:
        return _read_now(paths)
    from medseg_napari.opening.flow import Opening

    viewer, qt_window, tell = window
    Opening(viewer, paths, parent=qt_window, tell=tell).start()
    return _ADDED_LATER


def _read_now(paths: Sequence[Path]) -> list[LayerData]:
    """For scripts, which want the layers from the call, and where there is a choice, an error that names it."""
    from medseg.io import read_image
    from medseg_napari.layers import image_layer
    from medseg_napari.opening.reading import opened
    from medseg_napari.opening.survey import survey
    from medseg_napari.settings import shows_file_names

    layers: list[LayerData] = []
    for path in paths:
        entries = survey([path], with_file_names=shows_file_names())
        if len(entries) == 1 and not entries[0].problem:
            layers += opened(entries[0]).layers
        else:
            layers += image_layer(read_image(path), name=path.name if shows_file_names() else "Image")
    return layers


def _window_in_use() -> tuple[Any, Any, Callable[[str], None]] | None:
    """The viewer, its window, and a way to speak to the user; None where no event loop runs, as in a script."""
    import napari
    from qtpy.QtCore import QThread

    thread = QThread.currentThread()
    viewer = napari.current_viewer()
    if viewer is None or thread is None or thread.loopLevel() == 0:
        return None
    from napari.utils.notifications import show_info

    return viewer, viewer.window._qt_window, show_info  # napari has no public name for it
