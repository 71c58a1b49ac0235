"""Images and label maps as napari layers: the only file that knows napari's conventions.

napari's axes are those of numpy, the slowest first. Volumes of a patient are shown as (z, y, x) with the world axes of
LPS growing along them, so that an axial slice looks as radiologists expect: the patient's right on the screen's left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medseg.geometry import WorldFrame
from medseg.images import Image, LabelMap
from medseg.images.spatial import reorient

LayerData = tuple[Any, dict[str, Any], str]

_MICROMETRES_PER_MM = 1000.0

_ALONG_AXES = 1e-3
"""Largest component of a unit axis across the world axis that it follows, for a volume that counts as upright."""


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
    """The array (channels first) as napari shows it, and the layer's settings."""
    if image.axes != "CXYZ":
        return image.array, _settings(image, name)
    upright = reorient(image, "LPS")
    return np.transpose(upright.array, (0, 3, 2, 1)), _patient_settings(upright, name)


def _settings(image: Image, name: str) -> dict[str, Any]:
    """Of an image or stack as its file has it: micrometres where the file states a size, else pixels."""
    known = image.metadata.spacing_is_known
    axes = tuple(image.axes[1:].lower())
    return {
        "name": name,
        "scale": tuple(size * _MICROMETRES_PER_MM for size in image.spacing_mm) if known else (1.0,) * len(axes),
        "units": ("um" if known else "pixel",) * len(axes),
        "axis_labels": axes,
        "metadata": {"affine_ras": image.affine.matrix, "source": image.metadata.source},
    }


def _patient_settings(upright: Image, name: str) -> dict[str, Any]:
    """Of a volume whose axes grow towards L, P and S, shown as (z, y, x).

    An oblique one gets a scale only: it is shown in its own frame, since napari's 2-D view cannot show a rotation out
    of the plane. `affine_ras` in the metadata is the truth in both cases: index of the layer's array -> RAS mm.
    """
    affine = upright.affine.to_frame(WorldFrame.LPS)
    is_oblique = not np.allclose(affine.direction, np.eye(3), atol=_ALONG_AXES)
    reversed_index = np.eye(4)[[2, 1, 0, 3]]
    settings: dict[str, Any] = {
        "name": name,
        "scale": upright.spacing_mm[::-1],
        "units": ("mm",) * 3,
        "axis_labels": ("z", "y", "x"),
        "metadata": {
            "affine_ras": upright.affine.to_frame(WorldFrame.RAS).after_index_map(reversed_index).matrix,
            "is_oblique": is_oblique,
            "source": upright.metadata.source,
        },
    }
    return settings if is_oblique else {**settings, "translate": affine.origin_mm[::-1]}
