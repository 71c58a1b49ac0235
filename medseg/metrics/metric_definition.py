"""The form in which the meaning of a score is stated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Direction(StrEnum):
    """Which way a score improves."""

    HIGHER = "higher is better"
    LOWER = "lower is better"
    ZERO = "zero is best"


@dataclass(frozen=True)
class MetricDefinition:
    """What a score means.

    Attributes:
        key: name in results; scores of a class append "/" and the class.
        name: name for people.
        meaning: what is measured, with its formula.
        unit: unit; "1" for pure numbers.
        value_range: smallest and largest value in words, "0 to 1".
        direction: which way it improves.
        when_undefined: when the value is nan (null in JSON), in words.
        over_cases: how the value of several cases comes about.
        citation: paper with DOI; empty for elementary ratios.
    """

    key: str
    name: str
    meaning: str
    unit: str = "1"
    value_range: str = "0 to 1"
    direction: Direction = Direction.HIGHER
    when_undefined: str = "never"
    over_cases: str = "mean over the cases where it is defined"
    citation: str = ""
