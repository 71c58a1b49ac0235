"""Opening files in napari through medseg's own readers, so that spacing, units and places are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg_napari._layers import LayerData


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """The reader of `path`, or None where medseg does not read such files; cheap, and never an error."""
    from medseg.io import can_read

    paths = [path] if isinstance(path, str) else path
    return _read if all(can_read(Path(one)) for one in paths) else None


def _read(path: str | list[str]) -> list[LayerData]:
    from medseg.io import read_image
    from medseg_napari._layers import image_layer

    paths = [path] if isinstance(path, str) else path
    return [image_layer(read_image(Path(one)), name=Path(one).name.split(".")[0]) for one in paths]
