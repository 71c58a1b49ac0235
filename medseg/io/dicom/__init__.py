"""DICOM: the only place that knows pydicom, highdicom and the LPS frame of the standard.

`write_series` loads pydicom when it is first asked for; importing this package does not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg.io.dicom.writer import write_series

__all__ = ["write_series"]


def __getattr__(name: str) -> object:
    if name == "write_series":
        return importlib.import_module("medseg.io.dicom.writer").write_series
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
