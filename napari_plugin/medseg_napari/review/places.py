"""Where the objects lie in a mask that was written, so that each is found again in it."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.images import CodedConcept, Label, LabelTable
from medseg_napari.review.boxes import Box, ObjectBoxes, starts, union


class MaskValues(StrEnum):
    """What the values of a mask are."""

    OBJECTS = "objects"
    """One for each object; a DICOM object numbers them anew."""
    CLASSES = "classes"


@dataclass(frozen=True)
class ObjectPlace:
    """The voxels of one object.

    Attributes:
        start: first voxel of its bounding box.
        size: of the box in voxels.
        voxels: how many it has.
        shape: which voxels of the box, in C order: one bit each, packed, compressed by zlib, as base64.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]
    voxels: int
    shape: str

    @classmethod
    def of(cls, inside: NDArray[np.bool_], start: tuple[int, ...]) -> ObjectPlace:
        """The place of the voxels of a box that begins at `start`."""
        shape = base64.b64encode(zlib.compress(np.packbits(inside).tobytes(), level=9)).decode("ascii")
        return cls(start, inside.shape, int(np.count_nonzero(inside)), shape)

    def inside(self) -> NDArray[np.bool_]:
        """(*size) which voxels of the box are the object's.

        Raises:
            ValueError: the text is not the shape of as many voxels in such a box.
        """
        count = prod(self.size)
        expected = -(-count // 8)
        try:
            packed = zlib.decompressobj().decompress(base64.b64decode(self.shape, validate=True), expected + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=min(count, 8 * len(packed)))
        if len(packed) != expected or np.count_nonzero(bits) != self.voxels or not self.voxels:
            message = f"expected {self.voxels} voxels in a box of {self.size}"
            raise ValueError(message)
        return bits.astype(bool).reshape(self.size)


@dataclass(frozen=True)
class MaskRecord:
    """A mask as it was written. Indices count along z, y, x as in `medseg_napari.layers.upright`.

    Attributes:
        values: what its values are.
        grid: number of voxels along each axis.
        first: where the bounding box of all objects begins, since a DICOM object may hold no more than that.
        classes: that an object can be of.
        places: object id -> its place, of the objects that were written.
    """

    values: MaskValues
    grid: tuple[int, ...]
    first: tuple[int, ...]
    classes: LabelTable
    places: Mapping[int, ObjectPlace]

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON holds it."""
        return {
            "values": self.values,
            "grid": self.grid,
            "first": self.first,
            "classes": [asdict(label) for label in self.classes],
            "places": {str(number): asdict(place) for number, place in sorted(self.places.items())},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> MaskRecord:
        """The record that `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        places = {int(number): _place(place) for number, place in content["places"].items()}
        grid, first = _whole(content["grid"]), _whole(content["first"])
        if any(len(place.start) != len(grid) or len(place.size) != len(grid) for place in places.values()):
            message = "expected places with as many axes as the grid"
            raise ValueError(message)
        labels = tuple(_label(label) for label in content["classes"])
        return cls(MaskValues(content["values"]), grid, first, LabelTable(labels), places)


def places_in(numbers: NDArray[np.integer], ids: tuple[int, ...]) -> tuple[dict[int, ObjectPlace], tuple[int, ...]]:
    """The place of each object among `numbers`, and where the bounding box of all begins; it looks at every voxel."""
    boxes = ObjectBoxes(numbers)
    places = {number: ObjectPlace.of(numbers[boxes[number]] == number, starts(boxes[number])) for number in ids}
    return places, starts(union(boxes[number] for number in ids)) if ids else (0,) * numbers.ndim


def box_at(place: ObjectPlace, offset: tuple[int, ...]) -> Box:
    """The box of a place in an array that begins at `offset` of the grid."""
    return tuple(
        slice(start - by, start - by + size) for start, size, by in zip(place.start, place.size, offset, strict=True)
    )


def _place(content: Mapping[str, Any]) -> ObjectPlace:
    start, size, shape = _whole(content["start"]), _whole(content["size"]), content["shape"]
    if not isinstance(shape, str):
        message = "the shape of an object is text"
        raise TypeError(message)
    return ObjectPlace(start, size, int(content["voxels"]), shape)


def _whole(numbers: Any) -> tuple[int, ...]:
    found = tuple(int(number) for number in numbers)
    if any(number < 0 for number in found):
        message = "a place in a mask is counted from 0"
        raise ValueError(message)
    return found


def _label(content: Mapping[str, Any]) -> Label:
    concept = content["concept"]
    return Label(**{**content, "concept": None if concept is None else CodedConcept(**concept)})
