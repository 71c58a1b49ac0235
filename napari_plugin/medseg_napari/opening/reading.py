"""An entry as layers: decoded in a child process, brought into napari's order, with what the user should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medseg.errors import InputError, MedsegError
from medseg.images import Image, LabelMap
from medseg.io.base import ReadRequest
from medseg.io.dicom.kinds import ObjectKind
from medseg.io.isolated import read_isolated
from medseg_napari.layers import LayerData, image_layer, labels_layer
from medseg_napari.opening.survey import Entry


@dataclass(frozen=True)
class Opened:
    """Layers to add, and sentences for the person who opened them."""

    layers: tuple[LayerData, ...]
    notes: tuple[str, ...] = ()


def opened(entry: Entry, *, images: Sequence[Image] = ()) -> Opened:
    """The layers of an entry.

    Args:
        entry: of a survey.
        images: open ones, on which masks are put.

    Raises:
        MedsegError: the file cannot be read, or a structure set's image is not open.
    """
    if entry.kind is ObjectKind.IMAGES:
        image = _image(entry)
        return Opened(tuple(image_layer(image, name=entry.title)), _notes(image))
    label_map, source = _mask(entry, images)
    return Opened((labels_layer(label_map, name=entry.title, image=source),), label_map.metadata.notes)


def _image(entry: Entry) -> Image:
    request = ReadRequest(series_uid=entry.series_uid or None, allow=entry.overrule)
    return read_isolated(entry.path, request)


def _notes(image: Image) -> tuple[str, ...]:
    tilted = () if image.affine.ndim != 3 or image.affine.is_orthogonal else (_TILTED,)
    return (*image.metadata.notes, *tilted)


_TILTED = (
    "The gantry was tilted: axial slices are true, other views are slanted. Layers > Visualize > Show straight adds an "
    "upright copy"
)


def _mask(entry: Entry, images: Sequence[Image]) -> tuple[LabelMap, Image | None]:
    """The label map of an entry, and the open image on whose grid it lies."""
    from medseg.io.dicom import read_rtstruct, read_segmentation

    problem: MedsegError | None = None
    for image in images:
        if not image.metadata.instance_uids:
            continue
        try:
            if entry.kind is ObjectKind.STRUCTURE_SET:
                return read_rtstruct(entry.path, source=image, allow=entry.overrule), image
            return read_segmentation(entry.path, source=image), image
        except MedsegError as error:
            problem = error
    if entry.kind is ObjectKind.SEGMENTATION:
        return read_segmentation(entry.path), None
    if problem is not None:
        raise problem
    message = f"{entry.path}: expected the series that the structure set was drawn on to be open. Open it first."
    raise InputError(message)
