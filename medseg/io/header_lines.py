"""Helpers of the formats whose header is lines of text: NRRD and MetaImage."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from medseg.io import refusals
from medseg.io.refusals import flag
from medseg.verdicts import Verdict

LONGEST_HEADER = 2**20
"""Bytes in which a header has to end."""
NO_ORIENTATION = "the file states no orientation; its axes were taken as left, posterior, superior"
MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "nm": 1e-6, "cm": 10.0, "m": 1e3}


def refuse(path: Path, code: str, cause: str, remedy: str = "Convert it anew from its source") -> NoReturn:
    """Refuse the image at `path` with the remedy usual for such files."""
    refusals.refuse(path, code, cause, remedy)


def numbers_in(text: str, *, path: Path, field: str) -> NDArray[np.float64]:
    """(n,) the numbers in a header's field; NaN may stand for "none".

    Raises:
        RefusedImageError: something in it is no number.
    """
    try:
        return np.array([float(word) for word in text.split()], dtype=np.float64)
    except ValueError:
        refuse(path, "damaged-header", f"expected numbers in the field {field}")


def whole_numbers_in(text: str, *, path: Path, field: str) -> tuple[int, ...]:
    """The positive whole numbers in a header's field.

    Raises:
        RefusedImageError: something in it is none.
    """
    words = text.split()
    if not words or not all(word.isdecimal() and 0 < int(word) < 2**40 for word in words):
        refuse(path, "damaged-header", f"expected positive whole numbers in the field {field}")
    return tuple(int(word) for word in words)


def millimetres(unit: str, *, path: Path, verdicts: list[Verdict]) -> float:
    """Millimetres of one `unit`; flags where that is not 1."""
    factor = MM_PER_UNIT.get(unit.strip('" ').lower())
    if factor is None:
        verdicts.append(flag(path, "units", "its unit of length is unknown and was taken as mm"))
    elif factor != 1.0:
        verdicts.append(flag(path, "units", f"its lengths are in units of {factor:g} mm and were converted to mm"))
    return factor or 1.0
