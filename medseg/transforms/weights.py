"""How much each pixel counts in the loss: the weight map of the U-Net paper.

Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015,
doi 10.1007/978-3-319-24574-4_28, equation 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray
from scipy import ndimage

from medseg.config import BorderWeights
from medseg.errors import ConfigError
from medseg.images import Image, LabelKind, LabelMap
from medseg.transforms.class_indices import class_indices
from medseg.transforms.read import Sample

NEGLIGIBLE_WEIGHT = 1e-3
"""Border weights below this are not computed: distances matter only near the objects."""

LARGEST_CLASS_WEIGHT = 10.0
"""Cap of the class weights; a class of a few pixels would otherwise outweigh its whole image."""


class AddBorderWeights(Transform):
    """The sample with a weight map under "weights"."""

    def __init__(self, settings: BorderWeights) -> None:
        self.settings = settings

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Compute the weights from the label map; a sample without one stays as it is.

        Raises:
            ConfigError: `object_class` is not a class of the label table.
        """
        if "label" not in data:
            return dict(data)
        label_map: LabelMap = data["label"]
        num_classes = len(label_map.labels)
        if self.settings.object_class >= num_classes:
            message = (
                f"transforms.border_weights.object_class: expected a class index below {num_classes}, "
                f"got {self.settings.object_class}."
            )
            raise ConfigError(message)
        classes = class_indices(label_map)
        objects = separate_objects(label_map, object_class=self.settings.object_class)
        weights = border_weights(objects, w0=self.settings.w0, sigma_voxel=self.settings.sigma_voxel)
        weights += class_balance_weights(classes, num_classes=num_classes)[classes]
        image = Image(weights[np.newaxis], label_map.affine, f"C{label_map.axes}", label_map.metadata)
        return {**data, "weights": image}


def separate_objects(label_map: LabelMap, *, object_class: int) -> NDArray[np.integer]:
    """The objects numbered from 1, 0 elsewhere.

    Those of an instance map are its own, if `object_class` is not the background; otherwise they are the regions of
    the class that hang together across faces (not corners, so that a diagonal membrane of one pixel separates).
    """
    if label_map.kind is LabelKind.INSTANCES and object_class != 0:
        return label_map.array
    numbered, _ = ndimage.label(class_indices(label_map) == object_class)
    return np.asarray(numbered)


def border_weights(objects: NDArray[np.integer], *, w0: float, sigma_voxel: float) -> NDArray[np.float32]:
    """w0 * exp(-(d1 + d2)^2 / (2 sigma^2)), d1 and d2 the distances in voxels to the nearest two objects.

    The distance to an object is that to its nearest voxel's centre, 0 inside it. The equation holds inside and
    outside objects alike, as printed in the paper. With fewer than two objects the result is 0. Distances are
    computed for each object in a box only as large as its weight reaches, so that a hundred cells cost little more
    than one distance transform of the image.

    Args:
        objects: (*spatial) object numbers; 0 is no object.
        w0: weight where two objects touch.
        sigma_voxel: how fast the weight falls.

    Returns:
        (*spatial) weights of at least 0.
    """
    if w0 <= NEGLIGIBLE_WEIGHT:
        return np.zeros(objects.shape, dtype=np.float32)
    reach = math.ceil(sigma_voxel * math.sqrt(2.0 * math.log(w0 / NEGLIGIBLE_WEIGHT)))
    nearest = np.full(objects.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    for number, box in enumerate(ndimage.find_objects(objects), start=1):
        if box is None:
            continue
        window = _grown(box, reach, objects.shape)
        distance = ndimage.distance_transform_edt(objects[window] != number).astype(np.float32)
        np.minimum(second[window], np.maximum(nearest[window], distance), out=second[window])
        np.minimum(nearest[window], distance, out=nearest[window])
    both = np.add(nearest, second, out=second)
    np.square(both, out=both)
    both *= np.float32(-0.5 / sigma_voxel**2)
    np.exp(both, out=both)
    both *= np.float32(w0)
    return both


def class_balance_weights(classes: NDArray[np.integer], *, num_classes: int) -> NDArray[np.float32]:
    """Weight of each class, so that all classes that occur weigh the same together and the mean voxel weighs 1.

    A class of n_c of n voxels, k classes occurring, weighs n / (k n_c), capped at `LARGEST_CLASS_WEIGHT`. The paper
    balances class frequencies without giving its formula.

    Args:
        classes: class index of each voxel.
        num_classes: length of the result.
    """
    counts = np.bincount(classes.reshape(-1), minlength=num_classes).astype(np.float64)
    present = counts > 0
    weights = np.zeros(num_classes, dtype=np.float64)
    weights[present] = classes.size / (np.count_nonzero(present) * counts[present])
    return np.minimum(weights, LARGEST_CLASS_WEIGHT).astype(np.float32)


def _grown(box: tuple[slice, ...], margin: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, side.start - margin), min(size, side.stop + margin)) for side, size in zip(box, shape, strict=True)
    )
