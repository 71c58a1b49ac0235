"""One slice of a stack as a 2-D image."""

from __future__ import annotations

import dataclasses

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Affine
from medseg.images import Image


def check_slice_index(index: int, *, count: int, name: object) -> None:
    """Pass when a stack of `count` slices has a slice `index`.

    Raises:
        InputError: it has not.
    """
    if not 0 <= index < count:
        message = f"{name}: expected a slice between 0 and {count - 1}, got {index}."
        raise InputError(message)


def slice_of(image: Image, index: int) -> Image:
    """Slice `index` along the first spatial axis of a volume, as a 2-D image.

    The world axis that the dropped array axis follows most closely is dropped with it. The slice keeps the volume's
    metadata; `extra["slice_index"]` says which it is.

    Raises:
        InputError: the image has two spatial axes already, or no such slice.
    """
    name = image.metadata.source or "image"
    if image.affine.ndim != 3:
        message = f"{name}: expected a stack to take slice {index} from, got a 2-D image."
        raise InputError(message)
    check_slice_index(index, count=image.spatial_shape[0], name=name)
    return Image(
        array=image.array[:, index],
        affine=sliced_affine(image.affine),
        axes="C" + image.axes[2:],
        metadata=dataclasses.replace(
            image.metadata, instance_uids=(), extra={**image.metadata.extra, "slice_index": index}
        ),
    )


def sliced_affine(affine: Affine) -> Affine:
    """The affine of a volume without its first array axis and the world axis that this follows most closely."""
    dropped = int(np.argmax(np.abs(affine.direction[:, 0])))
    rows = [row for row in range(4) if row != dropped]
    return Affine(affine.matrix[np.ix_(rows, [1, 2, 3])], frame=affine.frame)
