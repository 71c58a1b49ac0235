"""The last step of preparation: hand the sample over as MONAI's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.transforms.transform import Transform

from medseg.images import LabelKind
from medseg.io.monai import to_metatensor
from medseg.transforms.class_indices import class_indices
from medseg.transforms.object_codes import object_codes
from medseg.transforms.read import Sample


class ToTensors(Transform):
    """The sample as MetaTensors: "image" (C, *spatial) float32, "label" (1, *spatial), "weights" (1, *spatial).

    Each carries the affine of its grid (world RAS). The label's values are class indices, positions in its table, or
    for objects their codes. The image's notes, for the person who uses the result, are in `meta["notes"]`.

    Args:
        objects: label voxels by the object they belong to, see `medseg.transforms.object_codes`, not by class alone.
    """

    def __init__(self, *, objects: bool = False) -> None:
        self.objects = objects

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Convert all that is there."""
        sample = dict(data)
        sample["image"] = to_metatensor(data["image"])
        sample["image"].meta["notes"] = data["image"].metadata.notes
        if "label" in data:
            values, kind = class_indices, LabelKind.SEMANTIC
            if self.objects:
                values, kind = object_codes, LabelKind.INSTANCES
            sample["label"] = to_metatensor(data["label"].replace(array=values(data["label"]), kind=kind))
        if "weights" in data:
            sample["weights"] = to_metatensor(data["weights"])
        return sample
