"""Single slices of volumes, as a 2-D model sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from medseg.geometry import Affine, WorldFrame
from medseg.images.image import Image
from medseg.images.label_map import LabelMap

Spatial = TypeVar("Spatial", Image, LabelMap)


def slice_of_volume(item: Spatial, axis: int, index: int) -> Spatial:
    """Slice `index` along spatial axis `axis` in two dimensions, its axes and voxel size those of the volume.

    The slice's own plane is its world: x along the axis called X, y along Y, whatever the volume's direction. UIDs of
    instances are left out.
    """
    leading = item.array.ndim - item.affine.ndim
    letters = item.axes[leading:].replace("Z", "")
    spacing = [size for other, size in enumerate(item.affine.spacing_mm) if other != axis]
    direction = np.eye(2)[:, ["XY".find(letter) if letter in "XY" else place for place, letter in enumerate(letters)]]
    return item.replace(
        array=np.take(item.array, index, axis=axis + leading),
        affine=Affine.from_spacing(spacing, frame=WorldFrame.RAS, direction=direction),
        axes=item.axes[:leading] + letters,
        metadata=replace(item.metadata, instance_uids=()),
    )
