"""Opening files in napari through medseg's own readers, so that spacing, units and places are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg_napari.layers import LayerData


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader of `path`, or None where medseg does not read such files; cheap, and never an error."""
    paths = [path] if isinstance(path, str) else path
    return _read if paths and all(_is_ours(Path(one)) for one in paths) else None


def _is_ours(path: Path) -> bool:
    """Whether medseg reads files of this suffix, or a folder with DICOM files at its top."""
    from medseg.io import IMAGE_SUFFIXES
    from medseg.io.listing import is_dicom
    from medseg.io.ome_zarr_files import is_zarr_folder

    if path.is_dir():
        return is_zarr_folder(path) or any(entry.is_file() and is_dicom(entry) for entry in path.iterdir())
    return path.name.lower().endswith(tuple(IMAGE_SUFFIXES)) or (path.is_file() and is_dicom(path))


def _read(path: str | list[str]) -> list[LayerData]:
    from medseg.io import read_image
    from medseg_napari.layers import image_layer

    paths = [path] if isinstance(path, str) else path
    return [layer for one in paths for layer in image_layer(read_image(Path(one)), name=Path(one).name.split(".")[0])]
