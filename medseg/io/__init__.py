"""Reading and writing image files without changing where a voxel lies."""

from medseg.io.dispatch import (
    IMAGE_SUFFIXES,
    read_image,
    read_label_map,
    write_image,
    write_label_map,
)
from medseg.io.source import ImageSource, LabelSource

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageSource",
    "LabelSource",
    "read_image",
    "read_label_map",
    "write_image",
    "write_label_map",
]
