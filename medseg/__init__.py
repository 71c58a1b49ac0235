"""Segment cells and tumours: read what instruments write, train, predict, evaluate, hand masks back.

The public names load what they need when they are first used, so `import medseg` itself is light:

    image = medseg.read_image("scan.nii.gz")
    prediction = medseg.load_model("ct-phantom-lesions").predict(image)
    medseg.write_label_map(prediction.label_map, "lesions.nii.gz", source=image)

medseg is a research and workflow tool. It is not a medical device.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg.datasets import available_datasets as available_datasets
    from medseg.datasets import open_dataset as open_dataset
    from medseg.evaluation.evaluate import evaluate as evaluate
    from medseg.geometry import Affine as Affine
    from medseg.geometry import Grid as Grid
    from medseg.geometry import WorldFrame as WorldFrame
    from medseg.images import Image as Image
    from medseg.images import LabelKind as LabelKind
    from medseg.images import LabelMap as LabelMap
    from medseg.images import LabelTable as LabelTable
    from medseg.inference import load_model as load_model
    from medseg.io import read_image as read_image
    from medseg.io import read_label_map as read_label_map
    from medseg.io import write_image as write_image
    from medseg.io import write_label_map as write_label_map
    from medseg.jobs.train import train as train
    from medseg.losses import available_losses as available_losses
    from medseg.losses import build_loss as build_loss
    from medseg.metrics import available_metrics as available_metrics
    from medseg.models import available_models as available_models
    from medseg.models import build_model as build_model

__version__ = version("medseg")

_HOMES = {
    "Affine": "medseg.geometry",
    "Grid": "medseg.geometry",
    "WorldFrame": "medseg.geometry",
    "Image": "medseg.images",
    "LabelKind": "medseg.images",
    "LabelMap": "medseg.images",
    "LabelTable": "medseg.images",
    "read_image": "medseg.io",
    "read_label_map": "medseg.io",
    "write_image": "medseg.io",
    "write_label_map": "medseg.io",
    "available_datasets": "medseg.datasets",
    "open_dataset": "medseg.datasets",
    "available_models": "medseg.models",
    "build_model": "medseg.models",
    "available_losses": "medseg.losses",
    "build_loss": "medseg.losses",
    "available_metrics": "medseg.metrics",
    "load_model": "medseg.inference",
    "evaluate": "medseg.evaluation",
    "train": "medseg.jobs.train",
}
"""Public name -> module that holds it."""

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604 - the names come from the table above


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'medseg' has no attribute {name!r}. Public names: {', '.join(__all__)}."
        raise AttributeError(message)
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
