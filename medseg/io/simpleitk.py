"""Handing images to SimpleITK and back, for its filters; files are read and written by medseg itself.

SimpleITK counts world axes in LPS millimetres and arrays in z, y, x; both are changed here and nowhere else.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medseg.errors import GeometryError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelMap


def to_simpleitk(item: Image | LabelMap) -> Any:
    """A SimpleITK image of the same voxels at the same places; channels become components.

    Raises:
        GeometryError: the axes are not at right angles, which SimpleITK cannot say. Straighten the image first.
    """
    import SimpleITK as sitk  # noqa: N813 - the name its users know

    if not item.affine.is_orthogonal:
        message = (
            f"{item.metadata.source or 'the image'}: expected axes at right angles, which SimpleITK needs, got a "
            "tilted volume. Use medseg.images.straighten first."
        )
        raise GeometryError(message)
    channels = item.array if isinstance(item, Image) else item.array[np.newaxis]
    is_vector = len(channels) > 1
    backwards = tuple(range(channels.ndim - 1, 0, -1))
    array = np.ascontiguousarray(channels.transpose(*backwards, 0) if is_vector else channels[0].T)
    image = sitk.GetImageFromArray(array, isVector=is_vector)
    affine = item.affine.to_frame(WorldFrame.LPS)
    image.SetSpacing(affine.spacing_mm)
    image.SetOrigin(affine.origin_mm)
    image.SetDirection(affine.direction.ravel().tolist())
    return image


def image_from_simpleitk(image: Any) -> Image:
    """The `Image` of a SimpleITK image, 2-D or 3-D; its axes are x, y(, z)."""
    import SimpleITK as sitk  # noqa: N813

    n = image.GetDimension()
    array = sitk.GetArrayFromImage(image)
    is_vector = image.GetNumberOfComponentsPerPixel() > 1
    forwards = tuple(range(n - 1, -1, -1))
    channels = array.transpose(n, *forwards) if is_vector else array.transpose(forwards)[np.newaxis]
    affine = Affine.from_spacing(
        image.GetSpacing(),
        frame=WorldFrame.LPS,
        origin_mm=image.GetOrigin(),
        direction=np.reshape(image.GetDirection(), (n, n)),
    )
    return Image(channels, affine.to_frame(WorldFrame.RAS), axes="CXYZ"[: n + 1])
