"""The last step of preparation: hand the sample over as MONAI's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.transforms.transform import Transform

from medseg.images import LabelKind
from medseg.io.monai import to_metatensor
from medseg.transforms.class_indices import class_indices
from medseg.transforms.read import Sample


class ToTensors(Transform):
    """The sample as MetaTensors: "image" (C, *spatial) float32, "label" (1, *spatial), "weights" (1, *spatial).

    Each carries the affine of its grid (world RAS). The label's values are class indices, positions in its table. The
    image's notes, for the person who uses the result, are in `meta["notes"]`.
    """

    def __call__(self, data: Mapping[str, Any]) -> Sample:
        """Convert all that is there."""
        sample = dict(data)
        sample["image"] = to_metatensor(data["image"])
        sample["image"].meta["notes"] = data["image"].metadata.notes
        if "label" in data:
            label_map = data["label"].replace(array=class_indices(data["label"]), kind=LabelKind.SEMANTIC)
            sample["label"] = to_metatensor(label_map)
        if "weights" in data:
            sample["weights"] = to_metatensor(data["weights"])
        return sample
