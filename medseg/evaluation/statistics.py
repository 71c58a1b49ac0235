"""The sufficient statistics that a case keeps: they add up over cases, are drawn again by the bootstrap, and stored.

A table says which there are; a new task adds a line.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.evaluation.intervals import weighted_sums_of
from medseg.metrics import (
    CalibrationTable,
    CocoCounts,
    DetectionCounts,
    LesionFindings,
    MatchCounts,
    RankedObjects,
    RegionOverlap,
    SegmentationCounts,
    joined_findings,
    joined_ranks,
)

STATISTICS: Mapping[str, type] = MappingProxyType(
    {
        "regions": RegionOverlap,
        "coco": CocoCounts,
        "lesions": LesionFindings,
        "matches": MatchCounts,
        "ranked": RankedObjects,
        "segmentation": SegmentationCounts,
        "detection": DetectionCounts,
        "calibration": CalibrationTable,
    }
)
"""Name in a case -> its class, a dataclass of numbers or of arrays."""


_JOINS: Mapping[type, Callable[[Any], Any]] = MappingProxyType(
    {LesionFindings: joined_findings, RankedObjects: joined_ranks}
)
"""Statistics that are tables: joined at once, without copying the growing sum each time."""
_DTYPES: Mapping[type, type] = MappingProxyType({LesionFindings: np.float64, RankedObjects: np.float64})
"""Of the arrays of tables, which may be empty or hold nan; of others, as the numbers are."""
_MOST_SUMS: Mapping[type, int] = MappingProxyType({LesionFindings: 500, RankedObjects: 500})
"""Tables grow with each sum and are joined some hundred times only."""


@dataclass(frozen=True)
class JoinedScore:
    """A score whose value over several cases comes from their statistics added, not from a mean of values.

    Attributes:
        statistic: name in `STATISTICS`.
        function: the sum -> value.
    """

    statistic: str
    function: Callable[[Any], float]


def joined(parts: Sequence[Any]) -> Any:
    """The sum of statistics of one kind."""
    join = _JOINS.get(type(parts[0]))
    if join is not None:
        return join(parts)
    return sum(parts[1:], start=parts[0])


def most_sums(part: Any) -> int:
    """How many sums of such statistics can be formed in reasonable time."""
    return _MOST_SUMS.get(type(part), sys.maxsize)


def weighted_sums(parts: Sequence[Any], weights: NDArray[np.number]) -> list[Any] | None:
    """The sum of the parts for each row of weights, (rows, parts), for the first `most_sums` rows; None for none."""
    weights = weights[: most_sums(parts[0])]
    if not len(weights):
        return None
    if type(parts[0]) in _JOINS:
        counts = weights.astype(np.int64)
        return [joined([part for part, count in zip(parts, row, strict=True) for _ in range(count)]) for row in counts]
    names = [field.name for field in dataclasses.fields(parts[0])]
    sums = [
        weighted_sums_of(np.array([getattr(part, name) for part in parts], dtype=np.float64), weights) for name in names
    ]
    # Plain numbers stay plain numbers: the scores' functions take them as they take those of one case.
    rows = zip(*(one.tolist() if one.ndim == 1 else one for one in sums), strict=True)
    return [type(parts[0])(*row) for row in rows]


def to_data(statistic: Any) -> dict[str, Any]:
    """Numbers and lists for JSON."""
    return {
        field.name: _listed(value) if isinstance(value, np.ndarray) else value
        for field in dataclasses.fields(statistic)
        for value in [getattr(statistic, field.name)]
    }


def _listed(values: NDArray[Any]) -> list[Any]:
    """The values, with None for nan."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - only nan is not itself


def from_data(name: str, data: Mapping[str, Any]) -> Any:
    """The statistic that `to_data` wrote.

    Raises:
        InputError: another name or other fields.
    """
    kind = STATISTICS.get(name)
    if kind is None:
        message = f"statistics: expected one of {', '.join(STATISTICS)}, got {name!r}. Evaluate again with this medseg."
        raise InputError(message)
    values = {key: _array(value, kind, key) if isinstance(value, list) else value for key, value in data.items()}
    return kind(**values)


def _array(value: list[Any], kind: type, field: str) -> NDArray[Any]:
    dtype = np.bool_ if field.startswith("has_") else _DTYPES.get(kind)
    return np.array([math.nan if one is None else one for one in value], dtype=dtype)


def number_to_data(value: float) -> float | str | None:
    """A score for JSON, which knows neither nan (null here) nor infinity ("inf")."""
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else str(float(value))


def number_from_data(value: float | str | None) -> float:
    """The score that `number_to_data` wrote."""
    return math.nan if value is None else float(value)
