"""Physical voxel sizes in TIFF files: what OME-XML and ImageJ say, in mm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medseg.errors import ImageFormatError

WRITER_NAME = "medseg"
"""Creator in the OME-XML of our own files. Only in these is the position of the first voxel believed: stages write
theirs relative to whatever they like, and a mask drawn in another program would no longer fit its image."""

MM_PER_UNIT: Mapping[str, float] = {
    "m": 1e3,
    "cm": 10.0,
    "mm": 1.0,
    "millimeter": 1.0,
    "µm": 1e-3,
    "μm": 1e-3,
    "um": 1e-3,
    "\\u00b5m": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "micrometer": 1e-3,
    "nm": 1e-6,
    "nanometer": 1e-6,
    "pm": 1e-9,
    "å": 1e-7,
    "inch": 25.4,
    "in": 25.4,
}
"""Length units as OME and ImageJ write them, in lower case (both Unicode letters for micro occur)."""


@dataclass(frozen=True)
class TiffGeometry:
    """What a TIFF says about the size and place of its voxels.

    Attributes:
        spacing_mm: axis letter -> voxel size; only the axes that are stated.
        origin_mm: axis letter -> centre of the first voxel; only from files that medseg wrote.
        channel_names: as stated.
        notes: doubts.
    """

    spacing_mm: Mapping[str, float] = field(default_factory=dict)
    origin_mm: Mapping[str, float] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def ome_geometry(ome: Mapping[str, Any], *, name: object) -> TiffGeometry:
    """Geometry in parsed OME-XML.

    Raises:
        ImageFormatError: a voxel size is not a positive number.
    """
    root = ome.get("OME", ome)
    image = _first(root.get("Image", {}))
    pixels = _first(image.get("Pixels", {}))
    spacing, notes = {}, []
    for letter in "XYZ":
        size = pixels.get(f"PhysicalSize{letter}")
        if size is None:
            continue
        unit = str(pixels.get(f"PhysicalSize{letter}Unit", "µm"))
        if unit.lower() == "pixel":
            continue
        if unit.lower() not in MM_PER_UNIT:
            notes.append(f"the voxel size along {letter} is in {unit!r}, which is no length, and was left out")
            continue
        spacing[letter] = _positive(size, name=name, what=f"PhysicalSize{letter}") * MM_PER_UNIT[unit.lower()]
    origin = _origin(pixels) if root.get("Creator") == WRITER_NAME else {}
    channels = _all(pixels.get("Channel", []))
    names = tuple(str(channel["Name"]) for channel in channels if "Name" in channel)
    return TiffGeometry(spacing, origin, names if len(names) == len(channels) else (), tuple(notes))


def is_our_volume(tif: Any) -> bool:
    """Whether medseg wrote the file as a volume, even if of one slice; only volumes state a size along z there."""
    import tifffile

    if not tif.is_ome:
        return False
    ome = tifffile.xml2dict(tif.ome_metadata).get("OME", {})
    return ome.get("Creator") == WRITER_NAME and "PhysicalSizeZ" in _first(
        _first(ome.get("Image", {})).get("Pixels", {})
    )


def imagej_geometry(
    imagej: Mapping[str, Any], *, pixels_per_unit: tuple[float | None, float | None], name: object
) -> TiffGeometry:
    """Geometry in ImageJ's description.

    Args:
        imagej: parsed description.
        pixels_per_unit: resolution tags along x and y, where present.
        name: the file, for messages.

    Raises:
        ImageFormatError: a voxel size is not a positive number.
    """
    unit = str(imagej.get("unit", "pixel")).lower()
    if unit not in MM_PER_UNIT:
        return TiffGeometry()
    factor = MM_PER_UNIT[unit]
    spacing = {letter: factor / density for letter, density in zip("XY", pixels_per_unit, strict=True) if density}
    if "spacing" in imagej:
        # ImageJ writes a negative slice distance for stacks that run downwards; its size is what counts.
        spacing["Z"] = _positive(abs(float(imagej["spacing"])), name=name, what="spacing") * factor
    return TiffGeometry(spacing)


def _origin(pixels: Mapping[str, Any]) -> dict[str, float]:
    plane = _first(pixels.get("Plane", {}))
    return {
        letter: float(plane[f"Position{letter}"]) * MM_PER_UNIT[str(plane.get(f"Position{letter}Unit", "mm")).lower()]
        for letter in "XYZ"
        if f"Position{letter}" in plane
    }


def _all(element: Any) -> list[Mapping[str, Any]]:
    return list(element) if isinstance(element, list) else [element]


def _first(element: Any) -> Mapping[str, Any]:
    found = _all(element)
    return found[0] if found and isinstance(found[0], Mapping) else {}


def _positive(value: Any, *, name: object, what: str) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        message = f"{name}: expected a positive voxel size, got {what} = {value}. Correct it in the program it is from."
        raise ImageFormatError(message)
    return number
