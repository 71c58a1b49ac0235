"""The objects of a mask that was written and read again, told apart as its record has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.postprocessing import bounding_box, label_components
from medseg_napari.review.boxes import Box, ObjectBoxes, starts
from medseg_napari.review.places import MaskRecord, MaskValues, ObjectPlace, box_at

_MOST_NUMBERS = 1 << 15
"""Up to this id 16 bits leave room for new objects."""


@dataclass(frozen=True, eq=False)
class Matched:
    """What became of the objects.

    Attributes:
        numbers: id of the object at each voxel of the mask.
        kept: ids of the objects that are as they were, voxel for voxel.
        changed: id -> number of voxels that it gained or lost elsewhere.
        gone: ids of the objects that are not there.
        new: id of an object that was not there -> its value in the mask.
        class_of: value -> class, in a mask of classes.
    """

    numbers: NDArray[np.integer]
    kept: tuple[int, ...]
    changed: Mapping[int, int]
    gone: tuple[int, ...]
    new: Mapping[int, int]
    class_of: Mapping[int, str]


def matched(mask: NDArray[np.integer], record: MaskRecord, *, names: Mapping[int, str]) -> Matched:
    """The objects of `record` in `mask`; what lies nowhere in the record is new.

    In a mask of classes, objects that touch are told apart as they were. An object that another program changed keeps
    its id where the mask has something at its place that is no other object.

    Args:
        mask: in the order of the record's axes: its grid, or the part that holds the objects.
        record: of the mask as it was written.
        names: id -> class, of the objects of the record.
    """
    matching = _Matching(mask, record, names)
    matching.keep()
    matching.take_rest()
    found = {*matching.kept, *matching.changed}
    gone = tuple(number for number in record.places if number not in found)
    return Matched(
        matching.numbers, tuple(matching.kept), matching.changed, gone, matching.new, matching.class_of_value
    )


class _Matching:
    """One look at one mask."""

    def __init__(self, mask: NDArray[np.integer], record: MaskRecord, names: Mapping[int, str]) -> None:
        self.mask, self.record, self.names = mask, record, names
        highest = max((*record.places, *names, int(mask.max(initial=0))), default=0)
        self.numbers = np.zeros(mask.shape, dtype=np.uint16 if highest < _MOST_NUMBERS else np.uint32)
        self.kept: list[int] = []
        self.changed: dict[int, int] = {}
        self.new: dict[int, int] = {}
        self.class_of_value: dict[int, str] = {}
        self._offset = self._where()

    def _where(self) -> tuple[int, ...]:
        """Index in the record's grid of the mask's first voxel."""
        if self.mask.shape == self.record.grid:
            return (0,) * self.mask.ndim
        first = starts(bounding_box(self.mask != 0))
        return tuple(there - here for there, here in zip(self.record.first, first, strict=True))

    def keep(self) -> None:
        """Find what is as it was."""
        held = {number: value for number, place, box in self._inside_mask() if (value := self._value(place, box))}
        held = self._of_its_value(held)
        for number in held:
            place = self.record.places[number]
            self.numbers[box_at(place, self._offset)][place.inside()] = number
        self.kept = list(held)

    def _inside_mask(self) -> Iterator[tuple[int, ObjectPlace, Box]]:
        for number, place in self.record.places.items():
            box = box_at(place, self._offset)
            if all(side.start >= 0 and side.stop <= length for side, length in zip(box, self.mask.shape, strict=True)):
                yield number, place, box

    def _value(self, place: ObjectPlace, box: Box) -> int:
        """The one value that the object's voxels have; 0 where they have several."""
        values = self.mask[box][place.inside()]
        return int(values[0]) if (values == values[0]).all() else 0

    def _of_its_value(self, held: Mapping[int, int]) -> dict[int, int]:
        """Those with a value of their own, or with that of their class."""
        if self.record.values is MaskValues.OBJECTS:
            values, counts = np.unique(self.mask, return_counts=True)
            voxels = dict(zip(values.tolist(), counts.tolist(), strict=True))
            return {n: value for n, value in held.items() if voxels[value] == self.record.places[n].voxels}
        for name in dict.fromkeys(self.names[number] for number in held):
            usual = Counter(value for number, value in held.items() if self.names[number] == name).most_common(1)
            self.class_of_value.setdefault(usual[0][0], name)
        return {n: value for n, value in held.items() if self.class_of_value.get(value) == self.names[n]}

    def take_rest(self) -> None:
        """Give what is left to the objects that it overlaps; what overlaps none is new."""
        rest = np.where(self.numbers == 0, self.mask, 0)
        if not rest.any():
            return
        parts, values = self._parts(rest)
        boxes = ObjectBoxes(parts)
        waiting = set(boxes)
        for number, place, box in self._inside_mask():
            if number in self.kept:
                continue
            under = Counter(parts[box][place.inside()].tolist())
            found = [(voxels, part) for part, voxels in under.items() if part in waiting]
            if found:
                voxels, part = max(found)
                waiting.remove(part)
                size = self._give(parts, part, boxes[part], number)
                self.changed[number] = size + place.voxels - 2 * voxels
        taken = {*self.record.places, *self.names}
        for part in sorted(waiting):
            value = values[part]
            is_free = self.record.values is MaskValues.OBJECTS and value not in taken
            number = value if is_free else max(taken) + 1
            taken.add(number)
            self._give(parts, part, boxes[part], number)
            self.new[number] = value

    def _parts(self, rest: NDArray[np.integer]) -> tuple[NDArray[np.integer], dict[int, int]]:
        """Number of its part at each voxel, and part -> value: an object, or a connected region of a class."""
        if self.record.values is MaskValues.OBJECTS:
            return rest, {value: value for value in np.unique(rest).tolist()}
        parts = np.zeros(rest.shape, dtype=np.uint32)
        values: dict[int, int] = {}
        for value in np.unique(rest).tolist()[1:]:
            components, count = label_components(rest == value)
            parts[components > 0] = components[components > 0] + len(values)
            values |= dict.fromkeys(range(len(values) + 1, len(values) + count + 1), value)
        return parts, values

    def _give(self, parts: NDArray[np.integer], part: int, box: Box, number: int) -> int:
        """Give a part to an object; how many voxels that are."""
        inside = parts[box] == part
        self.numbers[box][inside] = number
        return int(np.count_nonzero(inside))
