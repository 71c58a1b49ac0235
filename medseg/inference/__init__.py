"""Trained models: their packages, finding and loading them, and running them over whole images."""

from medseg.inference.calibration import TemperatureFit, fit_model_temperature
from medseg.inference.card import model_card
from medseg.inference.device import available_devices, choose_device, choose_precision
from medseg.inference.ensemble import Ensemble
from medseg.inference.installed import find_model, installed_models
from medseg.inference.manifest import (
    Architecture,
    InputContract,
    IntensityFingerprint,
    LabelEntry,
    PackageManifest,
    Scores,
    TrainingRecord,
    label_entries,
)
from medseg.inference.notice import RESEARCH_NOTICE
from medseg.inference.object_files import check_object_file, write_objects
from medseg.inference.object_predictor import ObjectPredictor, load_model
from medseg.inference.objects import ObjectRow, measure_objects
from medseg.inference.objects_csv import objects_csv
from medseg.inference.onnx_export import OnnxExport, export_onnx
from medseg.inference.package import load_network, read_manifest, write_package
from medseg.inference.predictor import Prediction, Predictor, check_image
from medseg.inference.rim_predictor import RimPredictor
from medseg.inference.sliding_window import sliding_window_logits

__all__ = [
    "RESEARCH_NOTICE",
    "Architecture",
    "Ensemble",
    "InputContract",
    "IntensityFingerprint",
    "LabelEntry",
    "ObjectPredictor",
    "ObjectRow",
    "OnnxExport",
    "PackageManifest",
    "Prediction",
    "Predictor",
    "RimPredictor",
    "Scores",
    "TemperatureFit",
    "TrainingRecord",
    "available_devices",
    "check_image",
    "check_object_file",
    "choose_device",
    "choose_precision",
    "export_onnx",
    "find_model",
    "fit_model_temperature",
    "installed_models",
    "label_entries",
    "load_model",
    "load_network",
    "measure_objects",
    "model_card",
    "objects_csv",
    "read_manifest",
    "sliding_window_logits",
    "write_objects",
    "write_package",
]
