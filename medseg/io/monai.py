"""Handing images over to MONAI and back, with their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable

if TYPE_CHECKING:  # torch takes a second to import, and most who read files need none
    from monai.data.meta_tensor import MetaTensor

_TORCH_TYPES = {np.dtype(np.uint16): np.int32, np.dtype(np.uint32): np.int64, np.dtype(np.uint64): np.int64}
"""Types with which torch cannot calculate, and the next larger one with which it can."""


def to_metatensor(image: Image | LabelMap) -> MetaTensor:
    """A MetaTensor, (channels, *spatial), with a copy of the values; a label map becomes one channel.

    Its affine is the image's, (n+1, n+1) float64 in RAS, and `meta["space"]` says "RAS", so that MONAI's transforms
    keep the voxels' places. Unsigned types that torch has no arithmetic for become the next larger signed ones.
    """
    import torch
    from monai.data.meta_tensor import MetaTensor
    from monai.utils.enums import MetaKeys, SpaceKeys

    affine = image.affine.to_frame(WorldFrame.RAS)
    array = image.array if isinstance(image, Image) else image.array[np.newaxis]
    values = np.array(array, dtype=_TORCH_TYPES.get(array.dtype, array.dtype), order="C")
    meta = {
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.ORIGINAL_AFFINE: torch.tensor(affine.matrix),
        MetaKeys.SPATIAL_SHAPE: np.asarray(image.spatial_shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: 0,
        "filename_or_obj": image.metadata.source or "image in memory",
    }
    return MetaTensor(torch.from_numpy(values), affine=torch.tensor(affine.matrix), meta=meta)


def image_from_metatensor(tensor: MetaTensor, *, axes: str, metadata: ImageMetadata | None = None) -> Image:
    """The image in `tensor`, (channels, *spatial), at the places that its affine states.

    Args:
        tensor: as MONAI's transforms return it; its affine is RAS unless `meta["space"]` says LPS.
        axes: names of its axes, "CXYZ" for example.
        metadata: of the image it came from.

    Raises:
        GeometryError: the axes do not fit, or the affine is damaged.
    """
    return Image(_array(tensor), _affine(tensor), axes=axes, metadata=metadata or ImageMetadata())


def label_map_from_metatensor(
    tensor: MetaTensor,
    *,
    axes: str,
    labels: LabelTable,
    kind: LabelKind = LabelKind.SEMANTIC,
    metadata: ImageMetadata | None = None,
) -> LabelMap:
    """The label map in `tensor`, (1, *spatial) whole numbers, at the places that its affine states.

    Args:
        tensor: as MONAI's transforms return it.
        axes: names of its spatial axes, "XYZ" for example.
        labels: what the values mean.
        kind: semantic or instances.
        metadata: of the image it belongs to.

    Raises:
        GeometryError: the axes do not fit, or the affine is damaged.
        LabelError: values are not whole numbers of at least 0.
    """
    from medseg.io.label_values import whole_numbers

    array = whole_numbers(_array(tensor)[0], name="label map")
    return LabelMap(array, _affine(tensor), axes=axes, labels=labels, kind=kind, metadata=metadata or ImageMetadata())


def _array(tensor: MetaTensor) -> NDArray:
    return np.asarray(tensor.as_tensor().detach().cpu().numpy())


def _affine(tensor: Any) -> Affine:
    ndim = tensor.ndim - 1
    matrix = np.asarray(tensor.affine.cpu().numpy(), dtype=np.float64)
    if ndim == 2 and matrix.shape == (4, 4):  # MONAI's own 2-D images carry a 4 x 4 affine
        matrix = matrix[np.ix_([0, 1, 3], [0, 1, 3])]
    frame = WorldFrame.LPS if str(tensor.meta.get("space", "RAS")) == "LPS" else WorldFrame.RAS
    return Affine(matrix, frame=frame).to_frame(WorldFrame.RAS)
