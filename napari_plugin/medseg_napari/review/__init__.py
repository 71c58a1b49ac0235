"""The objects of one label array: every edit, undo and redo, who did what. Knows neither Qt nor napari."""

from medseg_napari.review.audit import AuditTrail, audit_path
from medseg_napari.review.records import AlgorithmType, EditEntry, MadeBy, ObjectRecord, ObjectState
from medseg_napari.review.review import Review
from medseg_napari.review.steps import ReviewChange

__all__ = [
    "AlgorithmType",
    "AuditTrail",
    "EditEntry",
    "MadeBy",
    "ObjectRecord",
    "ObjectState",
    "Review",
    "ReviewChange",
    "audit_path",
]
