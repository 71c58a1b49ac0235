"""From a labels layer to what is exported of it: its review where it has one, else its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from medseg.errors import InputError
from medseg.images import LabelKind
from medseg_napari.exporting.subject import ExportSubject, subject_of
from medseg_napari.layers import Origin, label_map_of, origin_of
from medseg_napari.layers.results import RESULT
from medseg_napari.review.review import Review
from medseg_napari.reviewing.session import image_layers, session_of
from medseg_napari.reviewing.source import ReviewSource, objects_of_classes, shows_classes, source_of


def prepared(layer: Any, viewer: Any, *, leave_out_rejected: bool = True) -> Callable[[], ExportSubject]:
    """A function that copies the objects of a layer; call this one at the window, and what it returns beside it.

    Args:
        layer: of labels: objects, or classes whose connected regions are the objects.
        viewer: whose images lie under it.
        leave_out_rejected: whether rejected objects stay out.

    Raises:
        MedsegError: the layer has no two or three axes, or is turned, so that its voxels have no known place.
        InputError: an edit of its objects is under way.
    """
    session = session_of(layer)
    if session is not None and session.is_held:
        message = f"{layer.name}: expected objects that rest, and an edit of them is under way. Export when it is done."
        raise InputError(message)
    source = session.source if session is not None else source_of(layer, image_layers(viewer))
    review = None if session is None else session.review
    title, origin = str(layer.name), origin_of(layer)
    return lambda: _copied(layer, title, origin, source, review, leave_out_rejected=leave_out_rejected)


def _copied(
    layer: Any, title: str, origin: Origin, source: ReviewSource, review: Review | None, *, leave_out_rejected: bool
) -> ExportSubject:
    if review is None and shows_classes(layer):
        numbers, settings, _ = objects_of_classes(layer)
        note = replace(settings["metadata"][RESULT], label_map=label_map_of(layer, kind=LabelKind.SEMANTIC))
        source = replace(source, labels=numbers, note=note)
    return subject_of(title, origin, source, review=review, leave_out_rejected=leave_out_rejected)
