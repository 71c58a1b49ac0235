"""What a labels layer and the images beside it say of the objects, as a review takes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.images import LabelKind, LabelTable, number_objects
from medseg_napari.layers import label_map_of, origin_of
from medseg_napari.layers.placement import LABEL_TABLE, LayerData
from medseg_napari.layers.results import RESULT, ResultNote, objects_layer
from medseg_napari.review.frame_review import FrameReview
from medseg_napari.review.history import MAX_BYTES
from medseg_napari.review.review import Review

_ONE_CLASS = LabelTable.from_names(("background", "object"))


@dataclass(frozen=True, eq=False)
class ReviewSource:
    """Everything that a review of a layer begins with.

    Attributes:
        labels: the layer's own array.
        spacing_mm: voxel size in the layer's axis order; None where it is not known.
        image: values on the same grid; None where no image lies under the layer.
        value_unit: of the image, "HU" for example; empty where it is not known.
        note: what the layer is of.
        is_sequence: whether the first axis is time, by which each frame is a picture of its own.
    """

    labels: NDArray[np.integer]
    spacing_mm: tuple[float, ...] | None
    image: NDArray | None
    value_unit: str
    note: ResultNote
    is_sequence: bool = False

    @property
    def kind_of_review(self) -> type[Review]:
        """The review for such labels."""
        return FrameReview if self.is_sequence else Review

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes that an object can be of."""
        return tuple(label.name for label in self.note.table.foreground) or ("object",)

    def review(self, *, editor: str, max_bytes: int = MAX_BYTES) -> Review:
        """The review; it looks at the whole array once, so make it beside the window.

        Args:
            editor: name under which edits are recorded.
            max_bytes: most memory of what can be undone.
        """
        note = self.note
        return self.kind_of_review(
            self.labels,
            spacing_mm=self.spacing_mm,
            image=self.image,
            class_of=note.class_of,
            classes=self.classes,
            confidence=note.confidence,
            made_by=note.made_by,
            editor=editor,
            audit=note.audit,
            max_bytes=max_bytes,
        )


def source_of(layer: Any, images: Iterable[Any] = ()) -> ReviewSource:
    """What the layer and the images say; nothing large is looked at.

    Args:
        layer: of labels.
        images: layers, the topmost last; the one that lies on the same grid gives the values.

    Raises:
        InputError: the layer has no two or three axes, several resolutions, or an array that cannot be written to.
    """
    labels = layer.data
    if not isinstance(labels, np.ndarray) or labels.ndim not in {2, 3} or not labels.flags.writeable:
        message = f"{layer.name}: expected a mask of 2 or 3 axes in memory, got another one. Duplicate it as such."
        raise InputError(message)
    origin = origin_of(layer)
    known = origin.image.metadata.spacing_is_known
    under = _image_under(layer, images)
    return ReviewSource(
        labels=labels,
        spacing_mm=tuple(float(size) for size in origin.affine.spacing_mm[: labels.ndim]) if known else None,
        image=None if under is None else np.asarray(under.data),
        value_unit="" if under is None else origin_of(under).image.metadata.value_unit or "",
        note=note_of(layer),
        is_sequence=origin.times is not None,
    )


def note_of(layer: Any) -> ResultNote:
    """What a layer says of its objects; of one that no model made only the classes that its file names."""
    note = layer.metadata.get(RESULT)
    if isinstance(note, ResultNote):
        return note
    table = layer.metadata.get(LABEL_TABLE)
    return ResultNote(table if isinstance(table, LabelTable) and table.foreground else _ONE_CLASS, {}, {})


def shows_classes(layer: Any) -> bool:
    """Whether the values of a layer are classes and not objects; it looks at every voxel.

    A layer of classes comes with a table that names each of its values.
    """
    table = layer.metadata.get(LABEL_TABLE)
    if not isinstance(table, LabelTable) or RESULT in layer.metadata:
        return False
    values = {0, *table.values}
    return int(layer.data.max(initial=0)) in values and all(
        set(np.unique(part).tolist()) <= values for part in layer.data
    )


def objects_of_classes(layer: Any) -> LayerData:
    """Layer data of the connected regions of a layer of classes. Call it beside the window."""
    label_map = label_map_of(layer, kind=LabelKind.SEMANTIC)
    numbered = number_objects(label_map)
    note = ResultNote(label_map.labels, dict(numbered.names), {})
    origin = origin_of(layer)
    return objects_layer(origin, origin.to_layer(numbered.array), note, name=f"{layer.name}, objects")


def _image_under(layer: Any, images: Iterable[Any]) -> Any | None:
    """The topmost image layer on the layer's grid, one of the image that the layer was made from before all others."""
    fitting = [image for image in images if _is_on_grid(image, layer)]
    origin = origin_of(layer)
    own = [image for image in fitting if origin_of(image).image is origin.image]
    return own[0] if own else fitting[-1] if fitting else None


def _is_on_grid(image: Any, layer: Any) -> bool:
    if getattr(image, "rgb", True) or RESULT in image.metadata or tuple(image.data.shape) != tuple(layer.data.shape):
        return False
    corners = (np.zeros(layer.ndim), np.asarray(layer.data.shape, dtype=float))
    return all(np.allclose(image.data_to_world(corner), layer.data_to_world(corner)) for corner in corners)
