"""From the coarse grid of a dilated network back to the pixels of its input."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from medseg.models.input_size import InputSizeRule


def upsample_aligned(features: Tensor, *, stride: int, size: Sequence[int]) -> Tensor:
    """`features`, shape (N, C, h, w), interpolated bilinearly to (N, C, *size), with cell i on pixel stride * i.

    That is where the centres of padded windows of odd width lie, so nothing is shifted or stretched, and overlapping
    tiles agree. For the papers' sizes, stride * k + 1, it is the interpolation between corners ("align corners") that
    they use. Up to stride - 1 pixels behind the last cell repeat its value.
    """
    # One more cell behind the last one repeats it, without the padding layers that have no repeatable gradient.
    for axis in (-2, -1):
        features = torch.cat([features, features.narrow(axis, features.shape[axis] - 1, 1)], dim=axis)
    height, width = (stride * (cells - 1) + 1 for cells in features.shape[2:])
    fine = F.interpolate(features, size=(height, width), mode="bilinear", align_corners=True)
    return fine[..., : size[0], : size[1]]


def any_size_above(output_stride: int) -> InputSizeRule:
    """Every size that leaves two cells or more on the coarsest grid: one cell alone could not be normalised."""
    return InputSizeRule(divisor=(1, 1), minimum=(output_stride + 1,) * 2)
