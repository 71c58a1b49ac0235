"""An entry as layers: decoded in a child process, brought into napari's order, with what the user should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medseg.errors import InputError, MedsegError
from medseg.images import Image, LabelKind, LabelMap
from medseg.io.base import ReadRequest
from medseg.io.dicom.kinds import ObjectKind
from medseg.io.isolated import read_isolated
from medseg.io.label_values import label_map_of
from medseg_napari.layers import LayerData, image_layer, labels_layer
from medseg_napari.layers.placement import ORIGIN
from medseg_napari.layers.results import ResultNote, objects_layer
from medseg_napari.opening.series import CELLS, frame_masks, read_frames
from medseg_napari.opening.survey import Entry
from medseg_napari.opening.trail import has_trail, taken_up, trail_beside


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
    if entry.frames is not None:
        return _opened_series(entry, images, is_mask=entry.frames.is_mask or has_trail(entry.path))
    if entry.kind is ObjectKind.IMAGES and has_trail(entry.path):
        return _opened_mask(entry, *_mask_of_values(entry, images))
    if entry.kind is ObjectKind.IMAGES:
        image = read_isolated(entry.path, _request(entry))
        return Opened(tuple(image_layer(image, name=entry.title)), _notes(image))
    return _opened_mask(entry, *_mask(entry, images))


def _request(entry: Entry, *, as_labels: bool = False) -> ReadRequest:
    return ReadRequest(series_uid=entry.series_uid or None, allow=entry.overrule, as_labels=as_labels)


def _opened_series(entry: Entry, images: Sequence[Image], *, is_mask: bool) -> Opened:
    """The layers of a time series, or of the masks of one, whose values are numbers of objects."""
    if not is_mask:
        image = read_frames(entry.path, as_labels=False)
        return Opened(tuple(image_layer(image, name=entry.title)), _notes(image))
    label_map, source = frame_masks(entry.path, images)
    if has_trail(entry.path):
        return _opened_mask(entry, label_map, source)
    data, settings, _ = labels_layer(label_map, name=entry.title, image=source)
    note = ResultNote(CELLS, {}, {})
    return Opened(
        (objects_layer(settings["metadata"][ORIGIN], data, note, name=entry.title),), label_map.metadata.notes
    )


def _opened_mask(entry: Entry, label_map: LabelMap, source: Image | None) -> Opened:
    """The layer of a mask, whose objects are as an earlier review left them where its record lies beside the mask."""
    data, settings, kind = labels_layer(label_map, name=entry.title, image=source)
    notes = label_map.metadata.notes
    if not has_trail(entry.path):
        return Opened(((data, settings, kind),), notes)
    found = taken_up(trail_beside(entry.path), label_map)
    if isinstance(found, str):
        return Opened(((data, settings, kind),), (*notes, found))
    origin = settings["metadata"][ORIGIN]
    layer = objects_layer(origin, origin.to_layer(found.numbers), found.note, name=entry.title)
    return Opened((layer,), (*notes, *found.remarks))


def _notes(image: Image) -> tuple[str, ...]:
    tilted = () if image.affine.ndim != 3 or image.affine.is_orthogonal else (_TILTED,)
    return (*image.metadata.notes, *tilted)


_TILTED = (
    "The gantry was tilted: axial slices are true, other views are slanted. Layers > Visualize > Show straight adds an "
    "upright copy"
)


def _mask_of_values(entry: Entry, images: Sequence[Image]) -> tuple[LabelMap, Image | None]:
    """The label map in a file of plain values, and the open image on the same grid."""
    image = read_isolated(entry.path, _request(entry, as_labels=True))
    label_map = label_map_of(image, labels=None, kind=LabelKind.SEMANTIC, name=entry.path)
    same = (one for one in images if one.axes[1:] == label_map.axes and one.grid.is_same_as(label_map.grid))
    return label_map, next(same, None)


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
