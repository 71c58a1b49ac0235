"""True objects of training patches: boxes, classes and masks, taken after augmentation from the patch's own voxels."""

from __future__ import annotations

import torch
from torch import Tensor

from medseg.models.detection import ObjectTargets

_SMALLEST_SIDE = 2
"""Pixels of a box's shorter side below which an object is left out: a sliver at the patch's edge shows no object."""


def object_targets(codes: Tensor, *, num_classes: int) -> list[ObjectTargets]:
    """The objects of each patch.

    Args:
        codes: (N, height, width) as `medseg.transforms.object_codes` gives them.
        num_classes: with the background.
    """
    return [_of_patch(patch, num_classes) for patch in codes]


def _of_patch(codes: Tensor, num_classes: int) -> ObjectTargets:
    present = torch.unique(codes)
    present = present[present > 0]
    masks = codes == present[:, None, None]
    first, last = _extent(masks.any(dim=1))
    top, bottom = _extent(masks.any(dim=2))
    is_kept = (torch.minimum(last - first, bottom - top) + 1) >= _SMALLEST_SIDE
    # Whole coordinates are pixel centres: the box ends half a pixel beyond them.
    boxes = torch.stack([first - 0.5, top - 0.5, last + 0.5, bottom + 0.5], dim=1)
    return ObjectTargets(
        boxes[is_kept].float(), (present % num_classes)[is_kept].to(torch.int64), masks[is_kept].to(torch.uint8)
    )


def _extent(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First and last occupied place of each row of (N, length)."""
    length = occupied.shape[1]
    places = torch.arange(length, device=occupied.device)
    first = torch.where(occupied, places, length).amin(dim=1)
    last = torch.where(occupied, places, -1).amax(dim=1)
    return first, last
