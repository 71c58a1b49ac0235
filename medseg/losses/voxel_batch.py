"""Checked arguments of a loss, and what losses commonly need of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from medseg.losses.softmax_sums import softmax_sums


@dataclass(frozen=True)
class RegionSums:
    """Sums over the voxels that count, for each image and class.

    Attributes:
        intersection: of the probabilities where the reference has the class, shape (N, K).
        predicted: of the probabilities, or of their squares, shape (N, K).
        reference: of the voxels that have the class, shape (N, K).
    """

    intersection: Tensor
    predicted: Tensor
    reference: Tensor

    def over_batch(self) -> RegionSums:
        """The batch as one region: shapes (1, K)."""
        return RegionSums(*(part.sum(0, keepdim=True) for part in (self.intersection, self.predicted, self.reference)))


@dataclass(frozen=True)
class VoxelBatch:
    """Checked arguments of a loss.

    Attributes:
        logits: shape (N, K, *spatial), float32 or float64.
        target: class indices, shape (N, *spatial); 0 where a voxel is ignored.
        counted: false where a voxel is ignored, shape (N, *spatial); None where all count.
        pixel_weights: shape (N, *spatial), or None.
    """

    logits: Tensor
    target: Tensor
    counted: Tensor | None
    pixel_weights: Tensor | None

    @cached_property
    def log_probabilities(self) -> Tensor:
        """Logarithm of the softmax of the logits, shape (N, K, *spatial)."""
        return torch.log_softmax(self.logits, dim=1)

    @cached_property
    def log_probability_of_target(self) -> Tensor:
        """Logarithm of the probability that each voxel's own class got, shape (N, *spatial)."""
        return self.log_probabilities.gather(1, self.target.unsqueeze(1)).squeeze(1)

    @cached_property
    def reference(self) -> Tensor:
        """Whether a voxel has the class and counts, shape (N, K, *spatial)."""
        classes = torch.arange(self.logits.shape[1], device=self.target.device)
        has_class = self.target.unsqueeze(1) == classes.view(-1, *(1,) * (self.target.ndim - 1))
        return has_class if self.counted is None else has_class & self.counted.unsqueeze(1)

    @cached_property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, 0 where a voxel is ignored; shape (N, K, *spatial)."""
        probabilities = self.log_probabilities.exp()
        if self.counted is None:
            return probabilities
        return torch.where(self.counted.unsqueeze(1), probabilities, 0)

    def voxel_weights(self, class_weights: Tensor | None) -> Tensor | None:
        """What each voxel counts, shape (N, *spatial); None where all count the same."""
        factors = [
            None if class_weights is None else class_weights.to(self.logits.dtype)[self.target],
            self.pixel_weights,
            None if self.counted is None else self.counted.to(self.logits.dtype),
        ]
        weights: Tensor | None = None
        for factor in factors:
            if factor is not None:
                weights = factor if weights is None else weights * factor
        return weights

    def region_sums(self, *, power: int = 1) -> RegionSums:
        """Sums of probabilities for losses that compare regions; `power` 2 squares those of `predicted`."""
        axes = tuple(range(2, self.logits.ndim))
        predicted = self.probabilities if power == 1 else self.probabilities.pow(power)
        return RegionSums(
            intersection=torch.where(self.reference, self.probabilities, 0).sum(axes),
            predicted=predicted.sum(axes),
            reference=self.reference.sum(axes).to(self.logits.dtype),
        )


@dataclass(frozen=True)
class SummedVoxelBatch(VoxelBatch):
    """The same from one softmax with a backward of its own, for losses that need the sums of probabilities.

    With 25 classes it takes a fraction of the time and memory; benchmarks/losses.py measures it.
    """

    @cached_property
    def log_probability_of_target(self) -> Tensor:
        """Logarithm of the probability that each voxel's own class got, shape (N, *spatial)."""
        return self._sums[0]

    def region_sums(self, *, power: int = 1) -> RegionSums:
        """Sums of probabilities; sums of squares are made the plain way."""
        if power != 1:
            return super().region_sums(power=power)
        own, predicted = self._sums
        images, classes = predicted.shape
        first = classes * torch.arange(images, device=own.device).view(-1, *(1,) * (own.ndim - 1))
        places = (self.target + first).flatten() if images > 1 else self.target.flatten()
        counted = None if self.counted is None else self.counted.flatten().to(own.dtype)
        hits = own.exp().flatten() if counted is None else own.exp().flatten() * counted
        # One number after the other is added to the same place, which float32 does not bear for a million of them.
        wide = torch.float32 if own.device.type == "mps" else torch.float64
        empty = torch.zeros(predicted.numel(), dtype=wide, device=own.device)
        members = torch.ones_like(hits) if counted is None else counted
        intersection = empty.index_add(0, places, hits.to(wide))
        reference = empty.index_add(0, places, members.to(wide))
        return RegionSums(
            intersection.view_as(predicted).to(own.dtype), predicted, reference.view_as(predicted).to(own.dtype)
        )

    @cached_property
    def _sums(self) -> tuple[Tensor, Tensor]:
        return softmax_sums(self.logits, self.target, self.counted)


def batch_type_for(power: int) -> type[VoxelBatch]:
    """The batch that gives a loss over `region_sums(power=power)` its sums at the least cost."""
    return SummedVoxelBatch if power == 1 else VoxelBatch
