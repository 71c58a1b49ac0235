"""DICOM: the only place that knows pydicom, highdicom and the LPS frame of the standard.

The names below load pydicom when one is first asked for; importing this package does not.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg.io.dicom.algorithm import AlgorithmIdentity
    from medseg.io.dicom.measured_object import MeasuredObject
    from medseg.io.dicom.measurements import write_measurements
    from medseg.io.dicom.rtstruct import write_rtstruct
    from medseg.io.dicom.rtstruct_reader import list_rois, read_rtstruct
    from medseg.io.dicom.segment_origin import SegmentOrigin
    from medseg.io.dicom.segmentation import write_segmentation
    from medseg.io.dicom.segmentation_reader import read_segmentation
    from medseg.io.dicom.writer import write_series

__all__ = [
    "AlgorithmIdentity",
    "MeasuredObject",
    "SegmentOrigin",
    "list_rois",
    "read_rtstruct",
    "read_segmentation",
    "write_measurements",
    "write_rtstruct",
    "write_segmentation",
    "write_series",
]

_HOMES: Mapping[str, str] = {
    "AlgorithmIdentity": "algorithm",
    "MeasuredObject": "measured_object",
    "SegmentOrigin": "segment_origin",
    "list_rois": "rtstruct_reader",
    "read_rtstruct": "rtstruct_reader",
    "read_segmentation": "segmentation_reader",
    "write_measurements": "measurements",
    "write_rtstruct": "rtstruct",
    "write_segmentation": "segmentation",
    "write_series": "writer",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
