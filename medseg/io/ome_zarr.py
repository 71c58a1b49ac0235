"""OME-Zarr images and label maps as whole volumes: the reader of `read_image` and `read_label_map`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from medseg.images import Image, Label, LabelTable
from medseg.io.base import ImageHeader, ReadRequest, check_time
from medseg.io.ome_zarr_metadata import label_folders
from medseg.io.ome_zarr_volume import FORMAT, OmeZarrVolume, open_ome_zarr, opened
from medseg.io.refusals import refuse
from medseg.io.slices import check_slice_index, slice_of

LABEL_TABLE = "label_table"
"""Key of `ImageMetadata.extra` under which a label map's own table stands, where the store has one."""
_MOST_LABELS = 4096
"""Entries of a store's table that are read; more of them are numbered objects, not classes."""

__all__ = ["FORMAT", "LABEL_TABLE", "OmeZarrReader", "OmeZarrVolume", "open_ome_zarr"]


class OmeZarrReader:
    """Reads OME-Zarr 0.4 (Zarr format 2) and 0.5 (Zarr format 3): the level that is asked for, the finest by default.

    Where labels are read from a folder that holds an image with one label map, that map is read.
    """

    format = FORMAT
    suffixes: tuple[str, ...] = (".zarr", ".ome.zarr")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the folder says about its image, without reading chunks."""
        volume = volume_of(path, request)
        affine = volume.affine(request.level)
        shape, levels = volume.levels[request.level], volume.levels
        return ImageHeader(shape, volume.axes, volume.dtype, affine, volume.metadata, levels)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image, or its one slice; then only that slice's chunks are read."""
        volume = volume_of(path, request)
        index, time = request.slice_index, request.time or 0
        if index is None:
            image = volume.read(level=request.level, time=time)
        else:
            volume.affine(request.level)  # a level that is not there is the first thing to say
            shape = volume.levels[request.level][1:]
            first = 0 if len(shape) == 2 else index
            check_slice_index(first, count=shape[0], name=path)
            rest = [(0, size) for size in shape]
            region = [(first, first + 1), *rest[1:]] if len(shape) == 3 else rest
            image = volume.read(region, level=request.level, time=time)
            image = slice_of(image, 0)  # refuses pictures
            extra = {**image.metadata.extra, "slice_index": index}
            image = image.replace(metadata=replace(image.metadata, extra=extra))
        return _with_table(image, volume.multiscale.image_label) if request.as_labels else image


def volume_of(path: Path, request: ReadRequest) -> OmeZarrVolume:
    """The open image, or label map where labels are asked for.

    Raises:
        RefusedImageError: several points in time, and none was asked for; or as for `open_ome_zarr`.
    """
    place = _label_folder(path) if request.as_labels else path
    volume = opened(place, axes=request.axes, allow=request.allow, as_labels=request.as_labels)
    if request.time is not None:
        check_time(request.time, count=volume.num_times, name=path)
    elif volume.num_times > 1:
        cause = f"expected one point in time, got {volume.num_times} (axes {volume.stored_axes.lower()})"
        remedy = "Read one with open_ome_zarr(path).read(time=0), or give --axes with Z for T if they are slices"
        refuse(path, "several-times", cause, remedy)
    return volume


def _label_folder(path: Path) -> Path:
    """The folder of the label map that the image at `path` holds; `path` itself where it holds none."""
    found = label_folders(path) if path.is_dir() else ()
    if len(found) > 1:
        cause = f"expected one label map, got {len(found)}"
        refuse(path, "several-label-maps", cause, f"Give the folder of one, {found[0]} for example")
    return found[0] if found else path


def _with_table(image: Image, stated: Mapping[str, Any] | None) -> Image:
    table = None if stated is None else label_table_of(stated)
    if table is None:
        return image
    extra = {**image.metadata.extra, LABEL_TABLE: table}
    return image.replace(metadata=replace(image.metadata, extra=extra))


def label_table_of(stated: Mapping[str, Any]) -> LabelTable | None:
    """The table in the metadata "image-label": names of "properties", colours of "colors"; None where it has no names.

    Entries that are damaged are left out, since a name or colour changes no voxel.
    """
    names = {
        entry["label-value"]: entry["name"]
        for entry in _entries(stated, "properties")
        if isinstance(entry.get("name"), str) and entry["name"]
    }
    if not names or len(names) > _MOST_LABELS or len(set(names.values())) != len(names):
        return None
    colours = {
        entry["label-value"]: "#" + "".join(f"{part:02x}" for part in entry["rgba"][:3])
        for entry in _entries(stated, "colors")
        if _is_colour(entry.get("rgba"))
    }
    if 0 not in names:
        names[0] = "background" if "background" not in names.values() else "no label"
    plain = {0: "#000000"}
    return LabelTable(
        tuple(
            Label(value, name, colours.get(value, plain.get(value, Label.colour)))
            for value, name in sorted(names.items())
        )
    )


def stated_table(image: Image, *, found: LabelTable) -> LabelTable:
    """The table that the file of a label map states, with the values of `found` that it leaves out."""
    table = image.metadata.extra.get(LABEL_TABLE)
    if not isinstance(table, LabelTable):
        return found
    others = [label for label in found if label.value not in table.values and label.name not in table.names]
    return LabelTable((*table, *others))


def _entries(stated: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = stated.get(key)
    found = entries if isinstance(entries, list) else []
    return [
        entry
        for entry in found
        if isinstance(entry, dict) and type(entry.get("label-value")) is int and entry["label-value"] >= 0
    ]


def _is_colour(rgba: Any) -> bool:
    return isinstance(rgba, list) and len(rgba) >= 3 and all(type(part) is int and 0 <= part <= 255 for part in rgba)
