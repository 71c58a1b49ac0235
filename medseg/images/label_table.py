"""What the values of a label map mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medseg.errors import LabelError

_COLOUR = re.compile("#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class CodedConcept:
    """A term of a coding scheme, as DICOM writes it (PS3.3 section 8.8).

    Attributes:
        value: code value, "4147007" for example.
        scheme: coding scheme designator, "SCT" for SNOMED CT.
        meaning: what the code means, in words.
    """

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True)
class Label:
    """One class.

    Attributes:
        value: number in the label map; 0 is the background.
        name: short name, unique in its table.
        colour: "#rrggbb" in which it is drawn.
        concept: coded meaning where one is known.
    """

    value: int
    name: str
    colour: str = "#ff4f5e"
    concept: CodedConcept | None = None


@dataclass(frozen=True)
class LabelTable:
    """The classes of a label map, by ascending value.

    Raises:
        LabelError: values are negative, a value or name stands twice, or a colour is not "#rrggbb".
    """

    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.labels, key=lambda label: label.value))
        values = [label.value for label in ordered]
        names = [label.name for label in ordered]
        if len(set(values)) != len(values) or len(set(names)) != len(names) or min(values, default=0) < 0:
            listed = ", ".join(f"{label.value}={label.name}" for label in ordered)
            message = f"label table: expected distinct names and distinct values of at least 0, got {listed}."
            raise LabelError(message)
        for label in ordered:
            if not _COLOUR.fullmatch(label.colour):
                message = f"label table: expected a colour like #ff4f5e for {label.name}, got {label.colour!r}."
                raise LabelError(message)
        object.__setattr__(self, "labels", ordered)

    @classmethod
    def from_names(cls, names: Iterable[str]) -> LabelTable:
        """Table that gives the first name the value 0 (the background), the next 1, and so on, each its colour."""
        return cls(
            tuple(
                Label(value, name, "#000000" if value == 0 else _PALETTE[(value - 1) % len(_PALETTE)])
                for value, name in enumerate(names)
            )
        )

    @property
    def values(self) -> tuple[int, ...]:
        """The values, ascending."""
        return tuple(label.value for label in self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, by ascending value."""
        return tuple(label.name for label in self.labels)

    @property
    def foreground(self) -> tuple[Label, ...]:
        """All labels but the background."""
        return tuple(label for label in self.labels if label.value != 0)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)


_PALETTE = (
    "#ff4f5e",
    "#2fb8ff",
    "#ffc933",
    "#5fd35f",
    "#b57bff",
    "#ff8c3a",
    "#26d9c4",
    "#ff7ad9",
    "#a0b04a",
    "#8d99ff",
)
"""Class colours that stay apart on grey images; red first, since most models have one foreground class."""
