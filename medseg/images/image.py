"""What an image is: voxels with channels first, their places, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from numpy.typing import NDArray

from medseg.errors import ImageFormatError
from medseg.geometry import Affine, Grid
from medseg.images.axes import check_axes
from medseg.images.metadata import ImageMetadata


@dataclass(frozen=True, eq=False)
class Image:
    """Voxel values with their places in the world.

    Attributes:
        array: (channels, *spatial), real numbers. Spatial axes keep the order of the file: x, y, z (i, j, k) for NIfTI
            and DICOM; y, x or z, y, x for TIFF and PNG (docs/decisions/0001).
        affine: voxel index, in the array's axis order -> world mm, RAS.
        axes: one letter an array axis, "CXYZ", "CZYX" or "CYX"; a reordered image has them in another order.
        metadata: origin and meaning.

    Raises:
        GeometryError: the number of axes differs between array, affine and `axes`, an axis is empty, a letter is wrong
            or the affine is not RAS.
        ImageFormatError: the values are not real numbers.
    """

    array: NDArray
    affine: Affine
    axes: str
    metadata: ImageMetadata = field(default_factory=ImageMetadata)

    def __post_init__(self) -> None:
        check_axes(self.array.shape, self.affine, self.axes, leading="C", name="image")
        if self.array.dtype.kind not in "biuf":
            message = (
                f"image: expected real numbers, got {self.array.dtype}. Take the magnitude or one component first."
            )
            raise ImageFormatError(message)

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
