"""What the metadata of an OME-Zarr image says: axes, levels, sizes in mm, labels.

Versions 0.4 (https://ngff.openmicroscopy.org/0.4/) and 0.5 (https://ngff.openmicroscopy.org/0.5/). A level's transform
is its scale, then its translation, then those of the whole image; the translation is the place of a voxel's centre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from medseg.errors import MedsegError
from medseg.io.ome_zarr_files import DAMAGED, ZarrArray, array_at, attributes_of, member
from medseg.io.refusals import flag, refuse
from medseg.io.tiff_spacing import MM_PER_UNIT
from medseg.verdicts import Verdict

VERSIONS: Mapping[int, str] = {2: "0.4", 3: "0.5"}
"""Zarr format -> version of OME-Zarr that is kept in it."""
_LENGTHS = {
    **MM_PER_UNIT,
    "angstrom": 1e-7,
    "foot": 304.8,
    "yard": 914.4,
    "mile": 1609344.0,
    "meter": 1e3,
    "micrometre": 1e-3,
    "centimeter": 10.0,
    "decimeter": 100.0,
    "hectometer": 1e5,
    "kilometer": 1e6,
    "picometer": 1e-9,
    "femtometer": 1e-12,
    "metre": 1e3,
    "millimetre": 1.0,
    "nanometre": 1e-6,
}
"""Unit in lower case -> mm. The standard recommends the long names of UDUNITS-2; the short ones occur."""
_LARGEST_DISAGREEMENT = 2.0
"""Voxels (of the coarser level) by which the extents of two levels may differ; the rounding of odd sizes makes 1."""
_EXPORT_AGAIN = "Export it again, or correct its metadata"


@dataclass(frozen=True)
class Level:
    """One resolution.

    Attributes:
        array: its stored array.
        scale: voxel size along each stored axis, in the axis' unit.
        translation: place of the first voxel's centre along each.
    """

    array: ZarrArray
    scale: tuple[float, ...]
    translation: tuple[float, ...]


@dataclass(frozen=True)
class Multiscale:
    """One image at several resolutions.

    Attributes:
        root: its folder.
        axes: one letter of T, C, Z, Y, X an axis of the stored arrays; "?" for one that has another meaning.
        mm_per_unit: axis letter -> mm; only spatial axes whose unit is a length.
        levels: finest first.
        channel_names: as stated; empty where their number does not fit.
        image_label: metadata of a label map; None for images.
        verdicts: flags.
    """

    root: Path
    axes: str
    mm_per_unit: Mapping[str, float]
    levels: tuple[Level, ...]
    channel_names: tuple[str, ...] = ()
    image_label: Mapping[str, Any] | None = None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def spatial(self) -> str:
        """Letters of the spatial axes, in stored order."""
        return "".join(letter for letter in self.axes if letter in "ZYX")


def read_multiscale(root: Path) -> Multiscale:
    """The one image that the folder `root` holds.

    Raises:
        RefusedImageError: it is no OME-Zarr image, holds several, or its metadata is damaged.
    """
    found = attributes_of(root, root=root)
    if found is None:
        cause = "expected an OME-Zarr image, and the folder holds no group (no zarr.json, no .zgroup)"
        refuse(root, "no-ome-zarr", cause, "Give the folder of the image, or copy it again with its hidden files")
    attributes, zarr_format = found
    ome = _ome_part(attributes, zarr_format, root)
    for kind, remedy in (
        ("plate", f"Give the folder of one field of view, {root.name}/A/1/0 for example"),
        ("well", f"Give the folder of one field of view, {root.name}/0 for example"),
    ):
        if kind in ome:
            refuse(root, kind, f"expected one image, got a {kind} of a screen", remedy)
    multiscales = ome.get("multiscales")
    if multiscales is None:
        return _only_member(root, ome)
    if not isinstance(multiscales, Sequence) or len(multiscales) != 1 or not isinstance(multiscales[0], Mapping):
        refuse(root, "several-images", "expected one image (multiscales entry)", "Save one to a folder")
    _check_version(ome if zarr_format == 3 else multiscales[0], zarr_format, root)
    try:
        return _multiscale(root, multiscales[0], ome, zarr_format)
    except MedsegError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        refuse(
            root,
            DAMAGED,
            "the axes, datasets or transforms in its metadata are not as the standard has them",
            _EXPORT_AGAIN,
        )


def label_folders(root: Path) -> tuple[Path, ...]:
    """The label maps that an image's folder lists in its group "labels"; none where there is no such group.

    Raises:
        RefusedImageError: the metadata is damaged or leads out of the folder.
    """
    group = root / "labels"
    if not group.is_dir():
        return ()
    found = attributes_of(group, root=root)
    if found is None:
        return ()
    attributes, zarr_format = found
    names = _ome_part(attributes, zarr_format, root).get("labels", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        refuse(root, DAMAGED, "expected the names of its label maps", _EXPORT_AGAIN)
    return tuple(member(root, name, within=group) for name in names)


def _ome_part(attributes: Mapping[str, Any], zarr_format: int, root: Path) -> Mapping[str, Any]:
    ome = attributes.get("ome", {}) if zarr_format == 3 else attributes
    if not isinstance(ome, Mapping):
        refuse(root, DAMAGED, "expected OME metadata to be a JSON object", _EXPORT_AGAIN)
    return ome


def _only_member(root: Path, ome: Mapping[str, Any]) -> Multiscale:
    """The image "0" of a collection of one, as bioformats2raw lays them out."""
    names = sorted((child.name for child in root.iterdir() if child.name.isdecimal()), key=int)
    if "bioformats2raw.layout" not in ome or not names:
        cause = "expected an OME-Zarr image, and the metadata describes none (no multiscales)"
        refuse(root, "no-ome-zarr", cause, "Give the folder of the image itself")
    if len(names) > 1:
        cause = f"expected one image, got {len(names)} (folders {names[0]} to {names[-1]})"
        refuse(root, "several-images", cause, f"Give the folder of one, {root.name}/{names[0]} for example")
    inner = member(root, names[0], within=root)
    if attributes_of(inner, root=root) is None:
        refuse(root, DAMAGED, f"expected an image in the folder {names[0]}", _EXPORT_AGAIN)
    return read_multiscale(inner)


def _check_version(stating: Mapping[str, Any], zarr_format: int, root: Path) -> None:
    version = str(stating.get("version", VERSIONS[zarr_format]))
    if version != VERSIONS[zarr_format]:
        cause = (
            f"expected OME-Zarr 0.4 (Zarr format 2) or 0.5 (Zarr format 3), got another version in format {zarr_format}"
        )
        refuse(root, "unknown-version", cause, "Convert it to 0.4 or 0.5, with ome2024-ngff-challenge for example")


def _multiscale(root: Path, stated: Mapping[str, Any], ome: Mapping[str, Any], zarr_format: int) -> Multiscale:
    axes = "".join(_letter(axis) for axis in stated["axes"])
    if len(set(axes.replace("?", ""))) != len(axes.replace("?", "")) or not {"Y", "X"} <= set(axes):
        refuse(root, "unknown-axes", "expected one y and one x axis, and at most one of z, c and t", _EXPORT_AGAIN)
    units, flags = _units(stated["axes"], axes, root)
    whole = stated.get("coordinateTransformations", [])
    levels = []
    for dataset in stated["datasets"]:
        array = array_at(member(root, dataset["path"], within=root), root=root, zarr_format=zarr_format)
        if len(array.shape) != len(axes):
            raise ValueError
        scale, translation = _transform([*dataset["coordinateTransformations"], *whole], len(axes), root)
        levels.append(Level(array, scale, translation))
    if not levels:
        raise ValueError
    flags += _disagreements(levels, axes, root)
    label = ome.get("image-label")
    names = _channel_names(ome, axes, levels[0].array.shape)
    return Multiscale(root, axes, units, tuple(levels), names, label if isinstance(label, Mapping) else None, flags)


def _letter(axis: Mapping[str, Any]) -> str:
    """The letter of an axis: by its name, and for channel and time also by its type."""
    kind, name = axis.get("type"), str(axis["name"]).upper()
    by_kind = {"channel": "C", "time": "T"}.get(str(kind))
    if by_kind is not None:
        return by_kind
    fits = name in {"Z", "Y", "X"} if kind == "space" else kind is None and name in {"T", "C", "Z", "Y", "X"}
    return name if fits else "?"


def _units(stated: Sequence[Mapping[str, Any]], axes: str, root: Path) -> tuple[dict[str, float], tuple[Verdict, ...]]:
    spatial = {letter: axis.get("unit") for letter, axis in zip(axes, stated, strict=True) if letter in "ZYX"}
    known = {letter: _LENGTHS[str(unit).lower()] for letter, unit in spatial.items() if str(unit).lower() in _LENGTHS}
    missing = sorted(set(spatial) - set(known))
    if not missing:
        return known, ()
    cause = f"the axes {', '.join(missing).lower()} state no unit of length, so the voxel size in mm is unknown"
    return known, (flag(root, "no-unit", cause),)


def _transform(
    stated: Sequence[Mapping[str, Any]], num_axes: int, root: Path
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and translation of the transforms applied one after the other."""
    scale, translation = [1.0] * num_axes, [0.0] * num_axes
    for one in stated:
        kind = one["type"]
        if kind == "identity":
            continue
        if kind not in {"scale", "translation"} or kind not in one:
            cause = "expected transforms of the types scale and translation with their numbers, got another"
            refuse(root, "unknown-transform", cause, _EXPORT_AGAIN)
        numbers = [float(number) for number in one[kind]]
        if len(numbers) != num_axes or not all(isfinite(number) for number in numbers):
            raise ValueError
        if kind == "scale":
            if min(numbers) <= 0:
                refuse(root, "no-voxel-size", "expected positive voxel sizes, got one of 0 or less", _EXPORT_AGAIN)
            scale = [old * new for old, new in zip(scale, numbers, strict=True)]
            translation = [old * new for old, new in zip(translation, numbers, strict=True)]
        else:
            translation = [old + new for old, new in zip(translation, numbers, strict=True)]
    return tuple(scale), tuple(translation)


def _disagreements(levels: Sequence[Level], axes: str, root: Path) -> tuple[Verdict, ...]:
    """A flag where a level covers another field of view than the first, by its own scale."""
    finest = levels[0]
    for number, level in enumerate(levels[1:], start=1):
        for axis, letter in enumerate(axes):
            if letter not in "ZYX":
                continue
            extents = [one.array.shape[axis] * one.scale[axis] for one in (finest, level)]
            if abs(extents[0] - extents[1]) > _LARGEST_DISAGREEMENT * level.scale[axis]:
                cause = f"level {number} covers another length along {letter.lower()} than level 0"
                return (flag(root, "levels-disagree", cause),)
    return ()


def _channel_names(ome: Mapping[str, Any], axes: str, shape: Sequence[int]) -> tuple[str, ...]:
    channels = ome.get("omero", {}).get("channels", []) if isinstance(ome.get("omero", {}), Mapping) else []
    names = tuple(str(channel["label"]) for channel in channels if isinstance(channel, Mapping) and "label" in channel)
    return names if "C" in axes and len(names) == shape[axes.index("C")] else ()
