"""Data elements as checked Python values; a refusal names the file and the element, and shows nothing but numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

from medseg.io.refusals import refuse

_NAMES = {
    "ImagePositionPatient": "position",
    "ImageOrientationPatient": "orientation",
    "PixelSpacing": "pixel-spacing",
    "RescaleSlope": "rescale",
    "RescaleIntercept": "rescale",
    "SliceThickness": "slice-thickness",
    "SpacingBetweenSlices": "slice-spacing",
    "PixelPaddingValue": "padding",
    "PixelPaddingRangeLimit": "padding",
}
"""Keyword -> what codes call it: "no-position" where it is missing, "bad-position" where it makes no sense."""
_EXPORT_AGAIN = "Export the series anew"


class Elements(Protocol):
    """A header, or one frame's share of it: keyword -> value."""

    def get(self, key: str, default: Any = ..., /) -> Any:
        """The value under a keyword, or the default."""
        ...

    def __contains__(self, key: Any, /) -> bool:
        """Whether the element is there, empty or not."""
        ...


def required_numbers(elements: Elements, keyword: str, *, count: int, path: Path) -> tuple[float, ...]:
    """The element's `count` finite numbers.

    Raises:
        RefusedImageError: it is missing, or holds something else.
    """
    values = numbers(elements, keyword, path=path)
    if values is None:
        refuse(
            path,
            f"no-{_name(keyword)}",
            f"expected {keyword}, which says where the voxels lie, and the file has none",
            f"{_EXPORT_AGAIN}, or give its slices as PNG or TIFF",
        )
    if len(values) != count or not all(math.isfinite(value) for value in values):
        refuse(
            path,
            f"bad-{_name(keyword)}",
            f"expected {count} finite numbers in {keyword}, got {shown(values)}",
            _EXPORT_AGAIN,
        )
    return values


def optional_number(elements: Elements, keyword: str, *, path: Path) -> float | None:
    """The element's one finite number; None where it is absent or empty.

    Raises:
        RefusedImageError: it holds something else.
    """
    values = numbers(elements, keyword, path=path)
    if values is None:
        return None
    if len(values) != 1 or not math.isfinite(values[0]):
        refuse(
            path,
            f"bad-{_name(keyword)}",
            f"expected one finite number in {keyword}, got {shown(values)}",
            _EXPORT_AGAIN,
        )
    return values[0]


def required_count(elements: Elements, keyword: str, *, path: Path) -> int:
    """The element's one whole number of at least 1.

    Raises:
        RefusedImageError: it is missing, or holds something else.
    """
    values = numbers(elements, keyword, path=path)
    if values is None or len(values) != 1 or not math.isfinite(values[0]) or values[0] < 1:
        got = "none" if values is None else shown(values)
        refuse(path, "bad-pixel-layout", f"expected a number of at least 1 in {keyword}, got {got}", _EXPORT_AGAIN)
    return int(values[0])


def numbers(elements: Elements, keyword: str, *, path: Path) -> tuple[float, ...] | None:
    """The element's values; None where it is absent or empty.

    Raises:
        RefusedImageError: they are no numbers.
    """
    try:
        values = tuple(float(value) for value in several(elements.get(keyword, None)))
    except (TypeError, ValueError, ArithmeticError):
        refuse(
            path,
            f"bad-{_name(keyword)}",
            f"expected numbers in {keyword}, got something else",
            "Correct it, or export the series anew",
        )
    return values or None


def number_or_none(elements: Elements, keyword: str) -> float | None:
    """The element's first finite number; None where there is none, for elements that only help to sort."""
    try:
        value = float(several(elements.get(keyword, None))[0])
    except (TypeError, ValueError, ArithmeticError, LookupError):
        return None
    return value if math.isfinite(value) else None


def whole_or_none(elements: Elements, keyword: str) -> int | None:
    """As `number_or_none`, as a whole number."""
    value = number_or_none(elements, keyword)
    return None if value is None else int(value)


def text(elements: Elements, keyword: str) -> str:
    """The element as text without blanks around it; empty where it is absent."""
    value = elements.get(keyword, None)
    return "" if value is None else str(value).strip(" \0")


def several(value: Any) -> list[Any]:
    """A list of the values, whether the element holds none, one or many."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | int | float) or not hasattr(value, "__iter__") else list(value)


def shown(values: Any) -> str:
    """Numbers for a message."""
    return "(" + ", ".join(f"{float(value):g}" for value in values) + ")"


def _name(keyword: str) -> str:
    return _NAMES.get(keyword, "element")
