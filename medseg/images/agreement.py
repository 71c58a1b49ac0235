"""Whether an image and a label map belong together."""

from __future__ import annotations

from medseg.geometry import check_same_grid
from medseg.images.image import Image
from medseg.images.label_map import LabelMap


def on_grid_of(image: Image, label_map: LabelMap, *, names: tuple[str, str]) -> LabelMap:
    """The label map with the image's affine, to the last digit.

    Where one of the two states no voxel size, an equal number of voxels is all there is to compare.

    Args:
        image: the image.
        label_map: its label map.
        names: what the two are called in the message.

    Raises:
        GeometryError: the two lie on different grids.
    """
    known = image.metadata.spacing_is_known and label_map.metadata.spacing_is_known
    axes = (image.axes.removeprefix("C"), label_map.axes)
    check_same_grid(image.grid, label_map.grid, names=names, sizes_are_known=known, axes=axes)
    return label_map.replace(affine=image.affine)
