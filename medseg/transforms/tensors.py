"""The last step of preparation: hand the sample over as MONAI's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from monai.transforms.transform import Transform
from numpy.typing import NDArray

from medseg.config import ObjectRims
from medseg.images import LabelKind, LabelMap
from medseg.io.monai import to_metatensor
from medseg.transforms.class_indices import class_indices
from medseg.transforms.object_codes import object_codes
from medseg.transforms.object_rims import rim_classes
from medseg.transforms.read import Sample


class ToTensors(Transform):
    """The sample as MetaTensors: "image" (C, *spatial) float32, "label" (1, *spatial), "weights" (1, *spatial).

    Each carries the affine of its grid (world RAS). The label's values are class indices, positions in its table, or
    for objects their codes, or outside, interior and rim. The image's notes, for the person who uses the result, are in
    `meta["notes"]`.

    Args:
        objects: label voxels by the object they belong to, see `medseg.transforms.object_codes`, not by class alone.
        rims: label voxels by whether they are an object's interior or rim, see `medseg.transforms.object_rims`.
    """

    def __init__(self, *, objects: bool = False, rims: ObjectRims | None = None) -> None:
        self.rims = rims
        self.objects = objects and rims is None

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Convert all that is there."""
        sample = dict(data)
        sample["image"] = to_metatensor(data["image"])
        sample["image"].meta["notes"] = data["image"].metadata.notes
        if "label" in data:
            kind = LabelKind.INSTANCES if self.objects else LabelKind.SEMANTIC
            sample["label"] = to_metatensor(data["label"].replace(array=self._values(data["label"]), kind=kind))
        if "weights" in data:
            sample["weights"] = to_metatensor(data["weights"])
        return sample

    def _values(self, label_map: LabelMap) -> NDArray[np.integer]:
        if self.rims is not None:
            return rim_classes(label_map, width_voxel=self.rims.width_voxel)
        return object_codes(label_map) if self.objects else class_indices(label_map)
