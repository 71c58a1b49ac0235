"""Networks by name, one small file a paper."""

from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.factory import ModelDescription, available_models, build_model
from medseg.models.input_size import InputSizeRule
from medseg.models.pretrained import load_pretrained

__all__ = [
    "InputSizeRule",
    "ModelDescription",
    "SegmentationNetwork",
    "SegmentationOutput",
    "available_models",
    "build_model",
    "load_pretrained",
]
