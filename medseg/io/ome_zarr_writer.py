"""OME-Zarr images and label maps, written: version 0.4 (Zarr format 2) or 0.5 (Zarr format 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.files import atomic_folder, write_text_atomically
from medseg.geometry import Affine, Grid, check_same_grid
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg.io.label_values import compact
from medseg.io.ome_zarr_files import holds_zarr
from medseg.io.ome_zarr_metadata import VERSIONS, label_folders
from medseg.io.ome_zarr_volume import FORMAT, opened
from medseg.io.pyramid import coarser_image, coarser_labels, halvings
from medseg.io.stored_order import along_world_axes
from medseg.io.tiff_spacing import WRITER_NAME
from medseg.io.time_series import FrameTimes

_CHUNK = {2: (512, 512), 3: (32, 128, 128)}
"""Chunk of the spatial axes, by their number: about half a million voxels."""
_DEFAULT_VERSION = "0.4"
"""The version that most viewers read."""
_FORMAT_OF = {version: zarr_format for zarr_format, version in VERSIONS.items()}


class OmeZarrWriter:
    """Writes OME-Zarr 0.4: chunks along +z, +y, +x, deflated, with coarser levels for images above 256 voxels.

    The voxel size is in millimetres; where it is unknown the axes have no unit. All chunks are written, so that a
    missing one is noticed.
    """

    format = FORMAT
    suffixes: tuple[str, ...] = (".zarr", ".ome.zarr")

    def write_image(self, image: Image, path: Path) -> None:
        """Write `image` to the new folder `path`; oblique grids are refused."""
        _write_image(image, path, version=_DEFAULT_VERSION)

    def write_label_map(self, label_map: LabelMap, path: Path) -> None:
        """Write `label_map` to the new folder `path`, with names and colours of its table."""
        _write_label_map(label_map, path, version=_DEFAULT_VERSION, image_path=None)

    def write_label_frames(self, array: NDArray[np.integer], path: Path, *, like: LabelMap, times: FrameTimes) -> None:
        """Write the label maps of a time series, (frames, *spatial), each placed as `like`, to a new folder."""
        _write_labels(array, path, like=like, times=times, version=_DEFAULT_VERSION, image_path=None)


def write_ome_zarr(item: Image | LabelMap, path: str | Path, *, version: str = _DEFAULT_VERSION) -> None:
    """Write an image or a label map as OME-Zarr; the final name holds all of it or does not exist.

    Args:
        item: what to write.
        path: the folder; one that is an OME-Zarr image already is replaced.
        version: "0.4" or "0.5".

    Raises:
        InputError: another version, or the folder holds something else.
        GeometryError: the grid is oblique.
        StorageError: the disk is full or read-only.
    """
    final = Path(path)
    _check_version(version)
    check_replaceable(final)
    with atomic_folder(final) as temporary:
        if isinstance(item, Image):
            _write_image(item, temporary, version=version)
        else:
            _write_label_map(item, temporary, version=version, image_path=None)


def add_label_map(label_map: LabelMap, image_path: str | Path, *, name: str) -> Path:
    """Put a label map into the folder of the OME-Zarr image that it labels, and return its own folder.

    Args:
        label_map: on the grid of the image's finest level.
        image_path: folder of the image.
        name: of the label map; one of that name is replaced.

    Raises:
        InputError: a name with other characters than letters, digits, "-" and "_".
        GeometryError: the grids differ.
        RefusedImageError: `image_path` is no OME-Zarr image.
        StorageError: the disk is full or read-only.
    """
    root = Path(image_path)
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        message = f"{root}: expected a label name of letters, digits, - and _, got {name!r}."
        raise InputError(message)
    volume = opened(root)
    _, grid = along_world_axes(np.broadcast_to(0, label_map.spatial_shape), affine=label_map.affine, name=name)
    shape, _ = along_world_axes(label_map.array, affine=label_map.affine, name=name)
    check_same_grid(Grid(shape.shape, grid), Grid(volume.shape[1:], volume.affine()), names=("label map", str(root)))
    version = VERSIONS[volume.multiscale.levels[0].array.zarr_format]
    names = [folder.relative_to(root / "labels").as_posix() for folder in label_folders(root)]
    final = root / "labels" / name
    with atomic_folder(final) as temporary:
        _write_label_map(label_map, temporary, version=version, image_path="../../")
    _write_group(root / "labels", {"labels": sorted({*names, name})}, version=version)
    return final


def check_replaceable(path: Path) -> None:
    """Pass when nothing but an OME-Zarr image or an empty folder would be lost by writing to `path`.

    Raises:
        InputError: something else would.
    """
    is_free = not path.exists() or (path.is_dir() and (holds_zarr(path) or not any(path.iterdir())))
    if not is_free:
        message = f"{path}: something other than a Zarr folder has that name. Move it, or choose another name."
        raise InputError(message)


def _write_image(image: Image, path: Path, *, version: str) -> None:
    keeps = not image.metadata.spacing_is_known
    array, affine = along_world_axes(image.array, affine=image.affine, name=path.name, keeps_directions=keeps)
    factors = halvings(array.shape[1:], affine.spacing_mm)
    levels = [np.ascontiguousarray(array)]
    for step in factors:
        levels.append(coarser_image(levels[-1], step))
    names = image.metadata.channel_names
    extra = {"omero": _omero(levels[0], names)} if len(names) == image.num_channels else {}
    _write(path, levels, affine=affine, metadata=image.metadata, extra=extra, version=version)


def _write_label_map(label_map: LabelMap, path: Path, *, version: str, image_path: str | None) -> None:
    _write_labels(label_map.array, path, like=label_map, times=None, version=version, image_path=image_path)


def _write_labels(
    array: NDArray[np.integer],
    path: Path,
    *,
    like: LabelMap,
    times: FrameTimes | None,
    version: str,
    image_path: str | None,
) -> None:
    """Write one label map, or those of a time series with time first."""
    keeps = not like.metadata.spacing_is_known
    stored, affine = along_world_axes(compact(array), affine=like.affine, name=path.name, keeps_directions=keeps)
    leading = () if times is None else (1,)
    factors = halvings(stored.shape[len(leading) :], affine.spacing_mm)
    levels = [np.ascontiguousarray(stored)]
    for step in factors:
        levels.append(coarser_labels(levels[-1], (*leading, *step)))
    label: dict[str, Any] = {} if version == "0.5" else {"version": version}
    if like.kind is LabelKind.SEMANTIC:
        label |= _table(like.labels)
    if image_path is not None:
        label["source"] = {"image": image_path}
    extra = {"image-label": label}
    _write(path, levels, affine=affine, metadata=like.metadata, extra=extra, version=version, times=times)


def _table(labels: LabelTable) -> dict[str, Any]:
    colours = [
        {"label-value": label.value, "rgba": [*bytes.fromhex(label.colour[1:]), 0 if label.value == 0 else 255]}
        for label in labels
    ]
    return {"colors": colours, "properties": [{"label-value": label.value, "name": label.name} for label in labels]}


def _omero(array: NDArray, names: Sequence[str]) -> dict[str, Any]:
    channels = []
    for name, channel in zip(names, array, strict=True):
        low, high = float(np.nanmin(channel)), float(np.nanmax(channel))
        window = {"min": low, "max": high, "start": low, "end": high}
        channels.append({"label": name, "color": "FFFFFF", "active": True, "window": window})
    return {"channels": channels}


def _write(
    path: Path,
    levels: Sequence[NDArray],
    *,
    affine: Affine,
    metadata: ImageMetadata,
    extra: Mapping[str, Any],
    version: str,
    times: FrameTimes | None = None,
) -> None:
    spatial, interval_s = "ZYX"[-affine.ndim :], None if times is None else times.interval_s
    leading = "" if levels[0].ndim == affine.ndim else "C" if times is None else "T"
    axes, is_known = leading + spatial, metadata.spacing_is_known
    factors = halvings(levels[0].shape[len(leading) :], affine.spacing_mm)
    path.mkdir()
    for number, level in enumerate(levels):
        _write_array(path / str(number), level, axes=axes, version=version)
    multiscale = {
        **({"version": version} if version == "0.4" else {}),
        "name": "image",
        "axes": [_axis(letter, has_size=is_known, has_interval=interval_s is not None) for letter in axes],
        "datasets": _datasets(factors, [interval_s or 1.0 for _ in leading], affine=affine, is_known=is_known),
        "metadata": {"writer": WRITER_NAME},
    }
    _write_group(path, {"multiscales": [multiscale], **extra}, version=version)


def _axis(letter: str, *, has_size: bool, has_interval: bool) -> dict[str, str]:
    if letter == "C":
        return {"name": "c", "type": "channel"}
    if letter == "T":
        return {"name": "t", "type": "time", **({"unit": "second"} if has_interval else {})}
    axis = {"name": letter.lower(), "type": "space"}
    return {**axis, "unit": "millimeter"} if has_size else axis


def _datasets(
    factors: Sequence[Sequence[int]], leading: Sequence[float], *, affine: Affine, is_known: bool
) -> list[dict[str, Any]]:
    """Scale and translation of each level; the centre of a block lies half a voxel in from that of its first voxel.

    Args:
        factors: by which each level after the first is coarser.
        leading: scale of the axes before the spatial ones.
        affine: of the finest level.
        is_known: whether its sizes are millimetres.
    """
    scale = np.asarray(affine.spacing_mm if is_known else [1.0] * affine.ndim)
    origin = np.asarray(affine.origin_mm[::-1] if is_known else [0.0] * affine.ndim)
    datasets = []
    for number, step in enumerate([[1] * affine.ndim, *factors]):
        origin = origin + scale * (np.asarray(step) - 1) / 2
        scale = scale * np.asarray(step)
        transforms = [
            {"type": "scale", "scale": [*leading, *scale.tolist()]},
            {"type": "translation", "translation": [*(0.0 for _ in leading), *origin.tolist()]},
        ]
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
    return datasets


def _write_array(folder: Path, array: NDArray, *, axes: str, version: str) -> None:
    import zarr
    from zarr.storage import LocalStore

    num_spatial = len(axes.strip("CT"))
    chunk = (1,) * (array.ndim - num_spatial) + _CHUNK[num_spatial]
    created = zarr.create_array(
        LocalStore(folder),
        shape=array.shape,
        chunks=tuple(min(size, most) for size, most in zip(array.shape, chunk, strict=True)),
        dtype=array.dtype,
        compressors=_compressor(array.dtype, version),
        zarr_format=_FORMAT_OF[version],  # type: ignore[arg-type]
        dimension_names=[letter.lower() for letter in axes] if version == "0.5" else None,
        chunk_key_encoding={"name": "default" if version == "0.5" else "v2", "separator": "/"},
        config={"write_empty_chunks": True},
    )
    created[:] = array


def _compressor(dtype: np.dtype, version: str) -> Any:
    if version == "0.5":
        from zarr.codecs import BloscCodec

        return BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=dtype.itemsize)
    from numcodecs import Blosc

    return Blosc(cname="zstd", clevel=3, shuffle=Blosc.SHUFFLE)


def _write_group(folder: Path, attributes: Mapping[str, Any], *, version: str) -> None:
    """Write the metadata of a group, `attributes` as its OME part."""
    if version == "0.5":
        ome = {"ome": {"version": version, **attributes}}
        group: dict[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": ome}
        write_text_atomically(folder / "zarr.json", json.dumps(group, indent=1))
        return
    write_text_atomically(folder / ".zattrs", json.dumps(attributes, indent=1))
    write_text_atomically(folder / ".zgroup", json.dumps({"zarr_format": 2}))


def _check_version(version: str) -> None:
    if version not in _FORMAT_OF:
        message = f"OME-Zarr: expected version {' or '.join(sorted(_FORMAT_OF))}, got {version!r}."
        raise InputError(message)
