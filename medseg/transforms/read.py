"""The first step of every pipeline: images and label maps are read and must fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from medseg.errors import GeometryError, ImageFormatError, InputError
from medseg.images import Image, LabelMap, on_grid_of
from medseg.io.source import ImageSource, LabelSource

Sample = dict[str, Any]
"""What flows through a pipeline: "image", and in training "label" and "weights"."""


class ReadSample(Transform):
    """The sample with its image, float32, and its label map in memory, both checked.

    Args:
        patch_size: network's patch; says how many spatial axes the image must have.
        num_channels: channels the network takes; None accepts any number.
    """

    def __init__(self, *, patch_size: tuple[int, ...], num_channels: int | None) -> None:
        self.patch_size = patch_size
        self.num_channels = num_channels

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Read `data["image"]` and, where there is one, `data["label"]`.

        Raises:
            InputError: there is no image, or the number of channels is wrong.
            GeometryError: the number of spatial axes is wrong, or image and label map lie on different grids.
            ImageFormatError: a voxel is NaN or infinite.
            LabelError: a label value is not in its table.
        """
        if data.get("image") is None:
            message = 'sample: expected an Image or ImageSource under "image", got none.'
            raise InputError(message)
        source = data["image"]
        image: Image = source.read() if isinstance(source, ImageSource) else source
        name = _name(source, image)
        self._check_shape(image, name=name)
        sample: Sample = {**data, "image": image.replace(array=_finite_float32(image.array, name=name))}
        if data.get("label") is None:
            sample.pop("label", None)
            return sample
        label_source = data["label"]
        label_map: LabelMap = label_source.read() if isinstance(label_source, LabelSource) else label_source
        label_name = _name(label_source, label_map, otherwise="the label map")
        sample["label"] = on_grid_of(image, label_map, names=(name, label_name))
        label_map.check_values(name=label_name)
        return sample

    def _check_shape(self, image: Image, *, name: str) -> None:
        wanted, got = len(self.patch_size), image.affine.ndim
        if got != wanted:
            remedy = "Choose single slices of the stack" if got > wanted else "Choose a 2-D recipe"
            message = (
                f"{name}: expected {wanted} spatial axes, as in patch_size {self.patch_size}, got {got} with size "
                f"{image.spatial_shape}. {remedy}, or give patch_size {got} entries."
            )
            raise GeometryError(message)
        if self.num_channels is not None and image.num_channels != self.num_channels:
            message = (
                f"{name}: expected {self.num_channels} channel(s), as the network takes, got {image.num_channels}. "
                "Choose the channels the network was made for."
            )
            raise InputError(message)


def _finite_float32(array: NDArray[Any], *, name: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # values beyond float32 become infinite and are refused below
        converted = array.astype(np.float32, copy=False)
    if np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_:
        return converted
    broken = int(converted.size - np.count_nonzero(np.isfinite(converted)))
    if broken:
        message = (
            f"{name}: expected finite voxel values, got {broken} of {converted.size} that are NaN, infinite or beyond "
            "float32. Replace them (air for CT, 0 for MR) and save the image again."
        )
        raise ImageFormatError(message)
    return converted


def _name(source: object, content: Image | LabelMap, *, otherwise: str = "the image") -> str:
    if isinstance(source, ImageSource | LabelSource):
        part = "" if source.slice_index is None else f" (slice {source.slice_index})"
        return f"{source.path}{part}"
    return content.metadata.source or otherwise
