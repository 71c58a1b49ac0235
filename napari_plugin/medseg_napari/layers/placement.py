"""Images and label maps as the layer data of napari: values, place, units and how they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import WorldFrame
from medseg.images import Image, LabelMap, LabelTable
from medseg_napari.layers.origin import Origin
from medseg_napari.layers.windows import WINDOWS, percentile_window

LayerData = tuple[Any, dict[str, Any], str]

ORIGIN = "medseg"
"""Key in a layer's metadata under which its `Origin` stands."""
LABEL_TABLE = "medseg_labels"
"""Key under which a labels layer's `LabelTable` stands."""

_MICROMETRES_PER_MM = 1000.0


def image_layer(image: Image, *, name: str) -> list[LayerData]:
    """Layer data of an image, one layer a channel; patient volumes lie in LPS millimetres."""
    layers: list[LayerData] = []
    names = _channel_names(image, name)
    for channel, channel_name in enumerate(names):
        origin = Origin(image, channel)
        shown = origin.to_layer(image.array[channel])
        settings = {**layer_settings(origin, channel_name), "contrast_limits": _window(image, shown)}
        if len(names) > 1:
            settings |= {"blending": "additive", "colormap": _COLOURS[channel % len(_COLOURS)]}
        layers.append((shown, settings, "image"))
    return layers


def labels_layer(label_map: LabelMap, *, name: str, image: Image | None = None) -> LayerData:
    """Layer data of a label map.

    Args:
        label_map: on the grid of `image`.
        name: of the layer.
        image: what it was made from; absent, the label map stands for itself.
    """
    of_itself = Image(label_map.array[np.newaxis], label_map.affine, "C" + label_map.axes, label_map.metadata)
    origin = Origin(of_itself if image is None else image)
    return labels_on(origin, origin.to_layer(label_map.array), table=label_map.labels, name=name)


def labels_on(origin: Origin, labels: NDArray[np.integer], *, table: LabelTable, name: str) -> LayerData:
    """Layer data of labels on the image of another layer.

    Args:
        origin: of that layer.
        labels: in the order of the layer's axes.
        table: what the values mean.
        name: of the layer.
    """
    settings = layer_settings(Origin(origin.image), name)
    settings["metadata"] |= {LABEL_TABLE: table}
    return labels, settings, "labels"


_COLOURS = ("red", "green", "blue", "magenta", "cyan", "yellow")


def _channel_names(image: Image, name: str) -> list[str]:
    if image.num_channels == 1:
        return [name]
    known = image.metadata.channel_names
    return [f"{name}, {known[index] if index < len(known) else index}" for index in range(image.num_channels)]


def _window(image: Image, values: NDArray) -> tuple[float, float]:
    return WINDOWS["Soft tissue"] if image.metadata.value_unit == "HU" else percentile_window(values)


def layer_settings(origin: Origin, name: str) -> dict[str, Any]:
    """Name, metadata, scale, place, units and axis labels of a layer on the image of `origin`."""
    metadata = {ORIGIN: origin, "affine_ras": origin.affine.matrix}
    placed = _of_patient(origin) if origin.is_patient_volume else _of_picture(origin)
    return {"name": name, "metadata": metadata, **placed}


def _of_picture(origin: Origin) -> dict[str, Any]:
    """Of an image or stack as its file has it: micrometres where the file states a size, else pixels.

    Frames are seconds apart where the file says so, else by one.
    """
    known = origin.image.metadata.spacing_is_known
    axes = tuple(origin.image.axes[1:].lower())
    sizes = origin.image.spacing_mm
    scale = tuple(size * _MICROMETRES_PER_MM for size in sizes) if known else (1.0,) * len(axes)
    units = ("um" if known else "pixel",) * len(axes)
    if origin.times is not None:
        interval_s = origin.times.interval_s
        axes = ("t", *axes[1:])
        scale = (1.0 if interval_s is None else interval_s, *scale[1:])
        units = ("pixel" if interval_s is None else "s", *units[1:])
    return {"scale": scale, "units": units, "axis_labels": axes}


def _of_patient(origin: Origin) -> dict[str, Any]:
    """Of a volume whose axes grow towards L, P and S, shown as (z, y, x).

    An oblique one gets a scale only: it is shown in its own frame, since napari's 2-D view cannot show a rotation out
    of the plane. The origin's affine is the truth in both cases.
    """
    affine = origin.affine.to_frame(WorldFrame.LPS)
    settings = {"scale": affine.spacing_mm, "units": ("mm",) * 3, "axis_labels": ("z", "y", "x")}
    return settings if origin.is_oblique else {**settings, "translate": affine.origin_mm[::-1]}
