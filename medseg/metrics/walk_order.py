"""The order in which arrays are walked through as one line of numbers."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray


def common_order(*arrays: NDArray[Any] | None) -> Literal["C", "F"]:
    """The order in which all can be walked through without a copy, where there is one (NIfTI is stored in "F")."""
    return "F" if all(array is None or array.flags.f_contiguous for array in arrays) else "C"
