"""Networks by name, one small file a paper."""

from medseg.models.base import SegmentationNetwork, SegmentationOutput
from medseg.models.detection import DetectionNetwork, Detections, ObjectTargets
from medseg.models.factory import ModelDescription, available_models, build_model
from medseg.models.input_size import InputSizeRule
from medseg.models.pretrained import load_pretrained

__all__ = [
    "DetectionNetwork",
    "Detections",
    "InputSizeRule",
    "ModelDescription",
    "ObjectTargets",
    "SegmentationNetwork",
    "SegmentationOutput",
    "available_models",
    "build_model",
    "load_pretrained",
]
