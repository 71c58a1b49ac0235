"""What a label map is: whole numbers on a grid, with a table that says what each means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from medseg.errors import LabelError
from medseg.geometry import Affine, Grid
from medseg.images.axes import check_axes
from medseg.images.label_table import LabelTable
from medseg.images.metadata import ImageMetadata

_LARGEST_TABLE = 1 << 24
"""Largest label value for which a table of all values is made instead of sorting the voxels."""

_MANY = 3
"""Values outside of the class table from which on they may well be numbers of objects."""


class LabelKind(StrEnum):
    """What a value in a label map stands for."""

    SEMANTIC = "semantic"
    """The class of the voxel."""
    INSTANCES = "instances"
    """The object to which the voxel belongs; 0 is no object."""


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A class or an object number for each voxel.

    Attributes:
        array: (*spatial), an integer type, in the same axis order as the image it belongs to.
        affine: voxel index -> world mm, RAS.
        axes: one letter an array axis, "XYZ", "ZYX" or "YX".
        labels: what the values mean; for instances, the class of the objects.
        kind: semantic or instances.
        metadata: origin.

    Raises:
        GeometryError: the number of axes differs between array, affine and `axes`, an axis is empty, a letter is wrong
            or the affine is not RAS.
        LabelError: the array is not of an integer type or holds negative values.
    """

    array: NDArray[np.integer]
    affine: Affine
    axes: str
    labels: LabelTable
    kind: LabelKind = LabelKind.SEMANTIC
    metadata: ImageMetadata = field(default_factory=ImageMetadata)

    def __post_init__(self) -> None:
        check_axes(self.array.shape, self.affine, self.axes, leading="", name="label map")
        if not np.issubdtype(self.array.dtype, np.integer):
            message = f"label map: expected whole numbers, got {self.array.dtype}. Round or threshold the mask first."
            raise LabelError(message)
        if np.issubdtype(self.array.dtype, np.signedinteger) and int(self.array.min()) < 0:
            message = f"label map: expected values of at least 0, got {int(self.array.min())}."
            raise LabelError(message)

    @property
    def grid(self) -> Grid:
        """Size and places of the voxels."""
        return Grid(self.spatial_shape, self.affine)

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
        return tuple(self.array.shape)

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel size in array axis order, in mm."""
        return self.affine.spacing_mm

    def replace(self, **changes: object) -> LabelMap:
        """A copy with some attributes changed, checked anew."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def present_values(self) -> tuple[int, ...]:
        """The values that occur, ascending."""
        largest = int(self.array.max())
        if largest > _LARGEST_TABLE:
            return tuple(int(value) for value in np.unique(self.array))
        # Much faster than sorting, and a slab at a time because numpy widens an index array to 64 bits.
        occurs = np.zeros(largest + 1, dtype=np.bool_)
        for slab in self.array:
            occurs[slab] = True
        return tuple(int(value) for value in np.flatnonzero(occurs))

    def check_values(self, *, name: str) -> None:
        """Pass when each value of a semantic map stands in the label table.

        Args:
            name: what the map is, for the message (its file or case).

        Raises:
            LabelError: some values do not; the message lists them and the table.
        """
        if self.kind is LabelKind.INSTANCES:
            return
        strangers = sorted(set(self.present_values()) - set(self.labels.values))
        if strangers:
            shown = ", ".join(str(value) for value in strangers[:5]) + (", ..." if len(strangers) > 5 else "")
            table = ", ".join(f"{label.value}={label.name}" for label in self.labels)
            message = f"{name}: label values {shown} are not in the class table ({table}). Map or remove them."
            if len(strangers) >= _MANY and len(self.labels.foreground) == 1:
                message += " If they number single objects, say so (objects: true in a recipe, instances in scoring)."
            raise LabelError(message)
