"""File > Save All Layers where lines are drawn over an image: the lines are no data, and hold up nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def write_folder(path: str, layers: Sequence[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Paths of all layers but overlays, as napari's own writer puts them into a folder.

    napari writes no folder with vectors in it: without this, the diameters of an object would keep everything else
    from being saved. Vectors of anybody else stay unsaved as they do without medseg, and napari says so.
    """
    from napari_builtins.io import write_layer_data_with_plugins  # type: ignore[import-untyped]

    from medseg_napari.reviewing.view import OVERLAY

    kept = [layer for layer in layers if not layer[1].get("metadata", {}).get(OVERLAY)]
    if not kept or any(kind == "vectors" for _, _, kind in kept):
        return []
    written: list[str] = write_layer_data_with_plugins(path, kept)
    return written
