"""The Lovasz extension of the Jaccard loss."""

from __future__ import annotations

import torch
from torch import Tensor

from medseg.losses.overlap import RegionLoss, RegionOptions
from medseg.losses.voxel_batch import VoxelBatch


class LovaszOptions(RegionOptions):
    """Settings of the Lovasz-softmax loss."""

    per_image: bool = False
    """Average over one value per image; otherwise all images of a batch are one region."""


class LovaszSoftmaxLoss(RegionLoss):
    """Weighted mean over the classes present of the Jaccard loss's Lovasz extension: for masks it is 1 - IoU itself.

    Berman 2018, doi 10.1109/CVPR.2018.00464. For each class the errors of the voxels, 1 - p where the
    reference has the class and p elsewhere, p the softmax of the logits, are sorted from large to small, e_1 >= e_2
    >= .., and

        loss = sum over i of e_i (J_i - J_(i-1)),  J_i = 1 - (R - r_i) / (R + b_i)

    R the voxels of the class, r_i and b_i how many of the first i errors are inside and outside of it. Classes that
    the reference does not have are left out of the mean, as in the paper; where there is none it is 0.
    """

    def __init__(self, *, num_classes: int, options: LovaszOptions | None = None) -> None:
        options = options or LovaszOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.per_image = options.per_image

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        # (K, regions, voxels): a voxel that is ignored has probability 0 and no class, so its error is 0.
        probabilities, reference = (
            values.flatten(2).transpose(0, 1) if self.per_image else values.transpose(0, 1).flatten(1).unsqueeze(1)
            for values in (batch.probabilities, batch.reference)
        )
        losses, there = [], []
        # Class by class: sorting all at once would hold several times the logits.
        for chances, mask in zip(probabilities, reference, strict=True):
            losses.append(_jaccard_extension(chances, mask))
            there.append(mask.any(1))
        shares = self.averaging.to(probabilities.dtype).unsqueeze(1) * torch.stack(there)
        total = shares.sum(0).clamp_min(torch.finfo(shares.dtype).tiny)
        return ((torch.stack(losses) * shares).sum(0) / total).mean()


def _jaccard_extension(probabilities: Tensor, mask: Tensor) -> Tensor:
    """The extension for one class, shape (regions,), from shapes (regions, voxels)."""
    errors = torch.where(mask, 1 - probabilities, probabilities)
    errors, order = errors.sort(dim=1, descending=True)
    inside = mask.gather(1, order)
    found = inside.cumsum(1)
    members = found[:, -1:]
    seen = torch.arange(1, found.shape[1] + 1, device=found.device)
    jaccard = 1 - (members - found).to(errors.dtype) / (members + seen - found)
    steps = jaccard.diff(dim=1, prepend=torch.zeros_like(jaccard[:, :1]))
    return (errors * steps).sum(1)
