"""Losses that ask how far from a boundary a voxel is wrong."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import PositiveFloat
from scipy import ndimage
from torch import Tensor

from medseg.losses.overlap import RegionLoss, RegionOptions
from medseg.losses.voxel_batch import VoxelBatch


class BoundaryOptions(RegionOptions):
    """Settings of the boundary loss."""


class HausdorffOptions(RegionOptions):
    """Settings of the Hausdorff loss."""

    exponent: PositiveFloat = 2.0
    """Power of the distances; the larger, the more the farthest errors count."""


class BoundaryLoss(RegionLoss):
    """Mean over voxels and classes of d |p - r|: errors count by their distance from the reference's boundary.

    Kervadec 2021, doi 10.1016/j.media.2020.101851, p the softmax of the logits, r = 1 where the reference has
    the class, d the distance in voxels to the nearest voxel on the other side of the boundary. The paper writes it as
    the sum of phi p, phi = -d inside and d outside, and drops the constant sum of phi r; with it the loss is 0 for a
    perfect prediction, and the gradient is the same. It says nothing about a class that the reference of an image does
    not have or that fills it, so it is used together with another loss: see `dice_boundary`.

    Distances are computed on the CPU. An ignored voxel is on neither side.
    """

    def __init__(self, *, num_classes: int, options: BoundaryOptions | None = None) -> None:
        super().__init__(num_classes=num_classes, options=options or BoundaryOptions())

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        distance = _distances(batch.reference, batch).to(batch.logits.dtype)
        return self.mean(
            _voxel_mean((batch.probabilities - batch.reference.to(distance.dtype)).abs() * distance, batch)
        )


class HausdorffLoss(RegionLoss):
    """Mean over voxels and classes of (p - r)^2 (d_p^a + d_r^a): a smooth relative of the Hausdorff distance.

    Karimi 2020, doi 10.1109/TMI.2019.2930068, p the softmax of the logits, r = 1 where the reference has the
    class, d_r and d_p the distances in voxels to the nearest voxel on the other side of the boundary of the reference
    and of the prediction, where p > 1/2; a is `exponent`. The distances are taken for constants, as in the paper. A
    mask without a boundary has distance 0 everywhere.

    Distances are computed on the CPU, twice for each class. An ignored voxel is on neither side.
    """

    def __init__(self, *, num_classes: int, options: HausdorffOptions | None = None) -> None:
        options = options or HausdorffOptions()
        super().__init__(num_classes=num_classes, options=options)
        self.exponent = options.exponent

    def compute(self, batch: VoxelBatch) -> Tensor:
        """The loss of checked arguments; `pixel_weights` play no part."""
        kind = batch.logits.dtype
        predicted = batch.probabilities.detach() > 0.5
        far = sum(_distances(mask, batch).to(kind).pow(self.exponent) for mask in (predicted, batch.reference))
        return self.mean(_voxel_mean((batch.probabilities - batch.reference.to(kind)).square() * far, batch))


def _voxel_mean(values: Tensor, batch: VoxelBatch) -> Tensor:
    """Mean of `values`, shape (N, K, *spatial), over all voxels that count, shape (1, K)."""
    axes = (0, *range(2, values.ndim))
    if batch.counted is None:
        return values.mean(axes).unsqueeze(0)
    # Errors of ignored voxels are 0 already: they have neither probability nor reference.
    return (values.sum(axes) / batch.counted.sum().clamp_min(1)).unsqueeze(0)


def _distances(masks: Tensor, batch: VoxelBatch) -> Tensor:
    """Distance in voxels to the nearest voxel across the mask's boundary, shape (N, K, *spatial) as `masks`."""
    images = masks.cpu().numpy()
    kept = np.ones(images[:, 0].shape, dtype=np.bool_) if batch.counted is None else batch.counted.cpu().numpy()
    distances = np.zeros(images.shape, dtype=np.float32)
    for number, counted in enumerate(kept):
        for mask, distance in zip(images[number], distances[number], strict=True):
            inside, outside = mask & counted, ~mask & counted
            if inside.any() and outside.any():
                distance[inside] = _distance_to(outside)[inside]
                distance[outside] = _distance_to(inside)[outside]
    return torch.from_numpy(distances).to(masks.device)


def _distance_to(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(ndimage.distance_transform_edt(~mask))
