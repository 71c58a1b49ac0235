"""Images and label maps as napari layers: the only file that knows napari's conventions.

napari's axes are those of numpy, the slowest first. Volumes of a patient are shown as (z, y, x) with the world axes of
LPS growing along them, so that an axial slice looks as radiologists expect: the patient's right on the screen's left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelMap
from medseg.images.spatial import reorient

LayerData = tuple[Any, dict[str, Any], str]

_MICROMETRES_PER_MM = 1000.0


def image_layer(image: Image, *, name: str) -> LayerData:
    """Layer data of an image: channels become a channel axis, patient volumes lie in LPS millimetres."""
    shown, settings = _shown(image, name)
    if image.metadata.value_unit == "HU":
        settings["contrast_limits"] = (-160.0, 240.0)
    if shown.shape[0] == 1:
        return shown[0], settings, "image"
    names = [f"{name} {index}" for index in range(shown.shape[0])]
    return shown, {**settings, "channel_axis": 0, "name": names}, "image"


def labels_layer(label_map: LabelMap, *, name: str) -> LayerData:
    """Layer data of a label map, on the same places as its image's layer."""
    as_image = Image(label_map.array[np.newaxis], label_map.affine, "C" + label_map.axes, label_map.metadata)
    shown, settings = _shown(as_image, name)
    return shown[0], settings, "labels"


def _shown(image: Image, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    if image.axes != "CXYZ":
        return image.array, _settings(image, name, tuple(image.axes[1:].lower()), image.spacing_mm)
    upright = reorient(image, "LPS")
    array = np.transpose(upright.array, (0, 3, 2, 1))
    spacing = tuple(reversed(upright.spacing_mm))
    settings = _settings(upright, name, ("z", "y", "x"), spacing)
    affine = upright.affine.to_frame(WorldFrame.LPS)
    settings["translate"] = tuple(reversed(affine.origin_mm))
    settings["metadata"]["is_oblique"] = _is_oblique(affine)
    return array, settings


def _settings(image: Image, name: str, axes: tuple[str, ...], spacing_mm: tuple[float, ...]) -> dict[str, Any]:
    known = image.metadata.spacing_is_known
    is_volume = image.axes == "CXYZ"
    unit, factor = ("mm", 1.0) if is_volume else ("um", _MICROMETRES_PER_MM)
    return {
        "name": name,
        "scale": tuple(value * factor for value in spacing_mm) if known else (1.0,) * len(axes),
        "units": (unit if known else "pixel",) * len(axes),
        "axis_labels": axes,
        "metadata": {"medseg_affine_ras": np.array(image.affine.matrix), "source": image.metadata.source},
    }


def _is_oblique(affine: Affine) -> bool:
    """Whether the array axes leave the world axes; napari shows such a volume in its own frame, scaled only."""
    return not np.allclose(np.abs(affine.direction), np.eye(3), atol=1e-3)
