"""A network of interiors and rims, ready to find the objects of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medseg.images import Image, ImageMetadata, LabelKind, LabelMap
from medseg.inference.predictor import Predictor
from medseg.inference.restore import Restored
from medseg.postprocessing import objects_from_boundary, remove_small_objects, renumber_objects
from medseg.transforms.object_rims import INTERIOR, RIM


class RimPredictor(Predictor):
    """A network that learned objects by `transforms.object_rims`; the answer is a map of object numbers.

    Each slice of a volume that a 2-D network goes through has objects of its own. The confidence of an object is the
    mean probability, over its voxels, of not being outside.
    """

    finds_objects = True

    @property
    def _needs_probabilities(self) -> bool:
        return True

    def _answered(self, restored: Restored, slice_axis: int | None) -> Restored:
        assert restored.probabilities is not None  # noqa: S101 - they were asked for
        numbers = self._parted(restored.probabilities, slice_axis)
        return replace(restored, class_indices=numbers, confidence=1 - restored.probabilities[0])

    def _parted(self, probabilities: NDArray[np.float32], slice_axis: int | None) -> NDArray[np.integer]:
        if slice_axis is None:
            return self._objects(probabilities)
        slices = np.moveaxis(probabilities, slice_axis + 1, 0)
        numbers = np.zeros(slices.shape[:1] + slices.shape[2:], dtype=np.uint32)
        count = 0
        for place, one in enumerate(slices):
            found = self._objects(one)
            numbers[place] = np.where(found > 0, found + np.uint32(count), np.uint32(0))
            count += int(found.max(initial=0))
        return np.ascontiguousarray(np.moveaxis(numbers, 0, slice_axis))

    def _objects(self, probabilities: NDArray[np.float32]) -> NDArray[np.uint32]:
        settings = self.manifest.inference.rims
        numbers = objects_from_boundary(
            interior_probability=probabilities[INTERIOR],
            boundary_probability=probabilities[RIM],
            threshold=settings.threshold,
            seed_threshold=settings.seed_threshold,
            min_seed_voxels=settings.min_seed_voxels,
        )
        kept, _ = renumber_objects(remove_small_objects(numbers, min_voxels=settings.min_voxels))
        return kept

    def _label_map(self, restored: Restored, image: Image, metadata: ImageMetadata) -> LabelMap:
        numbers = restored.class_indices
        if int(numbers.max(initial=0)) <= np.iinfo(np.uint16).max:
            numbers = numbers.astype(np.uint16)
        return LabelMap(numbers, image.affine, image.axes[1:], self.labels, LabelKind.INSTANCES, metadata)
