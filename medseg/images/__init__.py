"""What images and label maps are. Nothing here resamples unless it is asked to by name."""

from medseg.images.agreement import on_grid_of
from medseg.images.colour import brightness, is_colour
from medseg.images.image import Image
from medseg.images.label_map import LabelKind, LabelMap
from medseg.images.label_table import CodedConcept, Label, LabelTable
from medseg.images.metadata import ImageMetadata
from medseg.images.object_numbers import NumberedObjects, number_objects
from medseg.images.object_seams import object_seams
from medseg.images.spatial import crop, pad, reorient, resample_to, straighten

__all__ = [
    "CodedConcept",
    "Image",
    "ImageMetadata",
    "Label",
    "LabelKind",
    "LabelMap",
    "LabelTable",
    "NumberedObjects",
    "brightness",
    "crop",
    "is_colour",
    "number_objects",
    "object_seams",
    "on_grid_of",
    "pad",
    "reorient",
    "resample_to",
    "straighten",
]
