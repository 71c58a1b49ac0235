"""What an image is: voxels with channels first, their places, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from numpy.typing import NDArray

from medseg.errors import GeometryError
from medseg.geometry import Affine, Grid
from medseg.images.metadata import ImageMetadata


@dataclass(frozen=True, eq=False)
class Image:
    """Voxel values with their places in the world.

    Attributes:
        array: (channels, *spatial), real numbers. Spatial axes keep the order of the file: x, y, z (i, j, k) for NIfTI
            and DICOM; y, x or z, y, x for TIFF and PNG (docs/decisions/0001).
        affine: voxel index, in the array's axis order -> world mm, RAS.
        axes: one letter an array axis, "CXYZ", "CZYX" or "CYX".
        metadata: origin and meaning.

    Raises:
        GeometryError: the number of axes differs between array, affine and `axes`, or an axis is empty.
    """

    array: NDArray
    affine: Affine
    axes: str
    metadata: ImageMetadata = field(default_factory=ImageMetadata)

    def __post_init__(self) -> None:
        if self.array.ndim != self.affine.ndim + 1 or len(self.axes) != self.array.ndim or self.axes[0] != "C":
            message = (
                f"image: expected channels first and {self.affine.ndim} spatial axes as in its affine, "
                f"got shape {self.array.shape} with axes {self.axes!r}."
            )
            raise GeometryError(message)
        if 0 in self.array.shape:
            message = f"image: expected at least one voxel and one channel, got shape {self.array.shape}."
            raise GeometryError(message)

    @property
    def grid(self) -> Grid:
        """Size and places of the voxels."""
        return Grid(self.spatial_shape, self.affine)

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Number of voxels along each spatial axis."""
        return tuple(self.array.shape[1:])

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel size in array axis order, in mm (in voxels where `metadata.spacing_is_known` is False)."""
        return self.affine.spacing_mm

    @property
    def num_channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[0])

    def replace(self, **changes: object) -> Image:
        """A copy with some attributes changed, checked anew."""
        return replace(self, **changes)  # type: ignore[arg-type]
