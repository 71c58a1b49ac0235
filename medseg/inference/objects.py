"""The objects in a label map: connected regions of each class, counted and measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.images import Image, LabelMap, NumberedObjects, number_objects


@dataclass(frozen=True)
class ObjectRow:
    """One object.

    Attributes:
        object_id: from 1, in the order of the classes, then of the object's first voxel; in an instance map its value.
        label: name of its class.
        voxels: number of voxels.
        volume_mm3: volume; None for 2-D objects and where the voxel size is not known.
        volume_ml: the same in millilitres.
        area_mm2: area; None for volumes and where the voxel size is not known.
        centroid_voxel: mean index of its voxels, in array axis order.
        centroid_mm: the same in the world, RAS; None where the voxel size is not known.
        box_start: first voxel of its bounding box, in array axis order.
        box_stop: one past its last voxel.
        mean_intensity: mean value of the image's first channel inside it; None without an image.
        mean_probability: mean probability of the predicted class inside it; None where not given.
        score: confidence of a network that finds single objects, 0 to 1; None for others.
    """

    object_id: int
    label: str
    voxels: int
    volume_mm3: float | None
    volume_ml: float | None
    area_mm2: float | None
    centroid_voxel: tuple[float, ...]
    centroid_mm: tuple[float, ...] | None
    box_start: tuple[int, ...]
    box_stop: tuple[int, ...]
    mean_intensity: float | None
    mean_probability: float | None
    score: float | None = None


def measure_objects(
    label_map: LabelMap, *, image: Image | None = None, confidence: NDArray[np.floating] | None = None
) -> tuple[ObjectRow, ...]:
    """The objects of `label_map`.

    In a semantic map an object is a connected region of one class, voxels that touch by a corner included; in an
    instance map each value is one. The background is none.

    Args:
        label_map: classes or instances.
        image: on the same grid, for the mean intensity.
        confidence: (*spatial) probability of the predicted class, for the mean probability.
    """
    numbered = number_objects(label_map)
    return tuple(_measure(label_map, numbered, image=image, maps=confidence))


def _measure(
    label_map: LabelMap,
    numbered: NumberedObjects,
    *,
    image: Image | None,
    maps: NDArray[np.floating] | None,
) -> list[ObjectRow]:
    """Rows of the objects, from sums over the foreground voxels only."""
    components = numbered.array
    places = np.nonzero(components)
    numbers = np.asarray(components[places], dtype=np.int64)
    if numbers.size == 0:
        return []
    counts = np.bincount(numbers)
    centroids = [_means(numbers, index, counts) for index in places]
    intensities = None if image is None else _means(numbers, image.array[0][places], counts)
    probabilities = None if maps is None else _means(numbers, maps[places], counts)
    rows: list[ObjectRow] = []
    for value, box in enumerate(ndimage.find_objects(components), start=1):
        if box is None:
            continue
        centroid = tuple(float(means[value]) for means in centroids)
        rows.append(
            ObjectRow(
                object_id=value,
                label=numbered.names[value],
                voxels=int(counts[value]),
                **_sizes(label_map, int(counts[value])),
                centroid_voxel=centroid,
                centroid_mm=_in_world(label_map, centroid),
                box_start=tuple(int(side.start) for side in box),
                box_stop=tuple(int(side.stop) for side in box),
                mean_intensity=None if intensities is None else float(intensities[value]),
                mean_probability=None if probabilities is None else float(probabilities[value]),
            )
        )
    return rows


def _means(numbers: NDArray[np.int64], values: NDArray[Any], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(numbers, weights=values) / np.maximum(counts, 1)


def _sizes(label_map: LabelMap, voxels: int) -> dict[str, float | None]:
    sizes: dict[str, float | None] = {"volume_mm3": None, "volume_ml": None, "area_mm2": None}
    if label_map.metadata.spacing_is_known:
        size = voxels * label_map.grid.voxel_volume_mm3
        if label_map.affine.ndim == 2:
            sizes["area_mm2"] = size
        else:
            sizes["volume_mm3"], sizes["volume_ml"] = size, size / 1000.0
    return sizes


def _in_world(label_map: LabelMap, centroid: tuple[float, ...]) -> tuple[float, ...] | None:
    if not label_map.metadata.spacing_is_known:
        return None
    return tuple(float(value) for value in label_map.affine.apply(centroid))
