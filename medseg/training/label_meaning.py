"""What the numbers in label files mean: classes, or single objects. It is never guessed where both would fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medseg.errors import ConfigError
from medseg.training.data_facts import CaseFacts

_MOST_CLASSES = 20
_FEWEST_OBJECTS = 10
"""Objects that one image must hold before its numbers are taken for those of objects."""
_PARTS = 1.2
"""Regions a number, on average, up to which the numbers may be those of objects."""


@dataclass(frozen=True)
class LabelMeaning:
    """What the label files say.

    Attributes:
        labels: names of the classes, the background first.
        objects: whether the numbers are those of single objects.
        value_map: value in the files -> class number, where the files have other numbers.
        why: what speaks for it, in a sentence.
    """

    labels: tuple[str, ...]
    objects: bool
    value_map: Mapping[int, int] | None
    why: str


def label_meaning(
    facts: Sequence[CaseFacts], *, names: Sequence[str] = (), objects: bool | None = None
) -> LabelMeaning:
    """The meaning of the numbers in the label files.

    Args:
        facts: of the cases.
        names: of the classes, the background first; made up where absent.
        objects: whether the numbers are those of objects, where the user says so.

    Raises:
        ConfigError: it cannot be told, or there are more or fewer classes than names.
    """
    values = sorted({value for one in facts for value in one.label_values})
    foreground = [value for value in values if value]
    if objects is None:
        objects, why = _told(facts, foreground)
    else:
        why = "as was said"
    if objects:
        chosen = tuple(names) or ("background", "object")
        _check_count(chosen, 2, what="label files with numbers of objects")
        return LabelMeaning(chosen, objects=True, value_map=None, why=why)
    chosen = tuple(names) or ("background", *_made_up(len(foreground)))
    _check_count(chosen, len(foreground) + 1, what=f"label files with the values {_listed(values)}")
    numbers = {0: 0, **{value: number for number, value in enumerate(foreground, start=1)}}
    is_plain = all(value == number for value, number in numbers.items())
    return LabelMeaning(chosen, objects=False, value_map=None if is_plain else numbers, why=why)


def _told(facts: Sequence[CaseFacts], foreground: Sequence[int]) -> tuple[bool, str]:
    """Whether the numbers are those of objects, and why."""
    sets = [frozenset(one.label_values) - {0} for one in facts]
    most = max(map(len, sets))
    parts = [one.parts for one, values in zip(facts, sets, strict=True) if values]
    mean_parts = sum(parts) / len(parts)
    count_up = all(values == frozenset(range(1, len(values) + 1)) for values in sets)
    seen = f"up to {most} numbers a file, {mean_parts:.1f} connected regions to a number"
    if most >= _FEWEST_OBJECTS and mean_parts <= _PARTS and count_up and len(set(sets)) > 1:
        return True, f"{seen}, and each file counts 1, 2, 3, .. to an end of its own"
    always_the_same = len(sets) > 1 and len(set(sets)) == 1
    if len(foreground) <= _MOST_CLASSES and (most < _FEWEST_OBJECTS or mean_parts > _PARTS or always_the_same):
        return False, f"the files hold {_listed(foreground)} besides 0"
    message = (
        f"the label files hold {seen}, {len(foreground)} different ones in all: these may be classes or single "
        "objects. Say which: --classes or --objects."
    )
    raise ConfigError(message)


def _made_up(count: int) -> tuple[str, ...]:
    return ("foreground",) if count == 1 else tuple(f"class_{number}" for number in range(1, count + 1))


def _check_count(names: Sequence[str], count: int, *, what: str) -> None:
    if len(names) != count:
        message = f"--labels: expected {count} names for {what}, got {len(names)}: {', '.join(names)}."
        raise ConfigError(message)


def _listed(values: Sequence[int]) -> str:
    shown = ", ".join(map(str, values[:8]))
    return shown + (", .." if len(values) > 8 else "")
