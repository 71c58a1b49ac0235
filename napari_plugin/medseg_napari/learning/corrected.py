"""From a reviewed mask to what a model learns from: its classes, with the corrected borders between objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.images import LabelMap, LabelTable
from medseg_napari.layers import Origin, origin_of
from medseg_napari.layers.results import RESULT, ResultNote
from medseg_napari.learning.corrections import CorrectedImage
from medseg_napari.review.records import MadeBy, ObjectRecord, ObjectState

_WRONG = {ObjectState.REJECTED, ObjectState.REMOVED}


@dataclass(frozen=True, eq=False)
class Reviewed:
    """What a person made of a mask.

    Attributes:
        numbers: number of the object at each voxel, in the layer's order.
        records: number -> what is known of it.
        origin: of the image's layer.
        title: of the image's layer.
        made_by: the model whose answer it was.
    """

    numbers: NDArray[np.integer]
    records: Mapping[int, ObjectRecord]
    origin: Origin
    title: str
    made_by: MadeBy | None

    @property
    def proposed(self) -> int:
        """Number of objects that nobody looked at yet."""
        return sum(record.state is ObjectState.PROPOSED for record in self.records.values())

    def without_proposed(self) -> Reviewed:
        """The same, with the objects that nobody looked at as wrong ones."""
        records = {
            number: replace(record, state=ObjectState.REJECTED) if record.state is ObjectState.PROPOSED else record
            for number, record in self.records.items()
        }
        return replace(self, records=records)


def reviewed_layer(layer: Any, records: Mapping[int, ObjectRecord], images: Iterable[Any]) -> Reviewed:
    """What a layer of objects and its review say.

    Args:
        layer: of objects.
        records: of its review.
        images: layers, the topmost last; the one of the same image and size is what the mask belongs to.

    Raises:
        InputError: there is no such image.
    """
    shape, own = tuple(layer.data.shape), origin_of(layer).image
    fitting = [image for image in images if origin_of(image).shape == shape]
    fitting.sort(key=lambda image: origin_of(image).image is own)
    if not fitting:
        message = f"{layer.name}: expected the image of this mask to be open, got none of its size. Open the image."
        raise InputError(message)
    image, note = fitting[-1], layer.metadata.get(RESULT)
    made_by = note.made_by if isinstance(note, ResultNote) else None
    return Reviewed(np.asarray(layer.data), records, origin_of(image), image.name, made_by)


def corrected_image(reviewed: Reviewed, *, table: LabelTable, spatial_dims: int, num_channels: int) -> CorrectedImage:
    """The image with the classes that a model of `table` should have answered with.

    Rejected objects are background, all others are as they are. Where two objects touch, the one of the higher number
    gives up the voxels at the border, so that a split that was drawn is one to the model as well. A 2-D model learns
    from each slice of a volume, as it goes through it when it segments; there objects touch within slices only.

    Raises:
        InputError: the image is not of the model's kind, or an object is of a class that the model does not know.
    """
    image = reviewed.origin.image
    _check_kind(reviewed, spatial_dims=spatial_dims, num_channels=num_channels)
    kept = {number: record for number, record in reviewed.records.items() if record.state not in _WRONG}
    value_of_class = {label.name: label.value for label in table.foreground}
    strangers = {record.class_name for record in kept.values()} - value_of_class.keys()
    if strangers:
        message = (
            f"{reviewed.title}: objects of the class {sorted(strangers)[0]!r}, but the model knows "
            f"{', '.join(value_of_class)}. Give these objects one of its classes, or choose another model."
        )
        raise InputError(message)
    axis = image.axes.index("Z") - 1 if spatial_dims < len(image.spatial_shape) else None
    numbers = parted(np.ascontiguousarray(reviewed.origin.from_layer(reviewed.numbers)), slice_axis=axis)
    lookup = np.zeros(max(int(numbers.max()), *kept, 0) + 1, dtype=np.uint8 if max(table.values) < 256 else np.uint16)
    for number, record in kept.items():
        lookup[number] = value_of_class[record.class_name]
    made_by = reviewed.made_by
    return CorrectedImage(
        image=image,
        label_map=LabelMap(lookup[numbers], image.affine, image.axes[1:], table),
        slice_axis=axis,
        objects=len(kept),
        model="" if made_by is None else made_by.model_name,
        model_sha256="" if made_by is None else made_by.sha256,
    )


def parted(numbers: NDArray[np.integer], *, slice_axis: int | None = None) -> NDArray[np.integer]:
    """The numbers with background between objects that touch, by a corner included.

    The object of the lowest number keeps all of its voxels.

    Args:
        numbers: number of the object at each voxel.
        slice_axis: across which objects do not touch.
    """
    from scipy.ndimage import minimum_filter

    nothing = min(int(numbers.max(initial=0)) + 1, np.iinfo(numbers.dtype).max)  # scipy compares as float64
    size = tuple(1 if axis == slice_axis else 3 for axis in range(numbers.ndim))
    lowest = minimum_filter(np.where(numbers == 0, nothing, numbers), size=size, mode="nearest")
    return np.where(numbers > lowest, 0, numbers)


def _check_kind(reviewed: Reviewed, *, spatial_dims: int, num_channels: int) -> None:
    image = reviewed.origin.image
    if len(image.spatial_shape) < spatial_dims:
        message = (
            f"{reviewed.title}: the model learns from volumes, and this is a picture. Open volumes, or choose another "
            "model."
        )
        raise InputError(message)
    if image.num_channels != num_channels:
        message = (
            f"{reviewed.title}: the model looks at {num_channels} channel(s), and the image has {image.num_channels}. "
            "Open an image with as many, or choose another model."
        )
        raise InputError(message)
