"""Features of a region in a fixed size, taken from the pyramid level that fits the region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.ops import MultiScaleRoIAlign, roi_pool

from medseg.models.blocks.feature_pyramid import PYRAMID_LEVELS

RoIPooling = Literal["align", "pool"]

_CANONICAL_SIDE = 224.0
_CANONICAL_LEVEL = 4
_FINEST_LEVEL, _COARSEST_LEVEL = 2, 5


def build_roi_pooling(kind: RoIPooling, *, output_size: int) -> nn.Module:
    """What takes (features by level, boxes of each image, image sizes) to (boxes, channels, size, size).

    "align" samples the features between their cells (He 2017, doi 10.1109/ICCV.2017.322, section 3); "pool" rounds
    the region to whole cells and takes the greatest of each part (Girshick 2015, doi 10.1109/ICCV.2015.169).
    """
    if kind == "align":
        return MultiScaleRoIAlign(list(PYRAMID_LEVELS), output_size=output_size, sampling_ratio=2)
    return PyramidRoIPool(output_size=output_size)


class PyramidRoIPool(nn.Module):
    """RoIPool over a pyramid; regions are given to levels as in Lin 2017, doi 10.1109/CVPR.2017.106, equation 1."""

    def __init__(self, *, output_size: int) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(
        self, features: Mapping[str, Tensor], boxes: Sequence[Tensor], image_shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """(all boxes, channels, output_size, output_size).

        Args:
            features: (N, channels, y, x) of each level.
            boxes: (boxes, 4) of each image, in pixels.
            image_shapes: size of each image; the strides of the levels are known without.
        """
        del image_shapes
        numbers = torch.cat([box.new_full((len(box), 1), index) for index, box in enumerate(boxes)])
        regions = torch.cat([numbers, torch.cat(list(boxes))], dim=1)
        levels = level_of(regions[:, 1:])
        finest = features[PYRAMID_LEVELS[0]]
        result = finest.new_zeros((len(regions), finest.shape[1], self.output_size, self.output_size))
        for level, name in enumerate(PYRAMID_LEVELS, start=_FINEST_LEVEL):
            rows = torch.where(levels == level)[0]
            # In single precision: torchvision pools no bfloat16 on the CPU, and its 8 bits would move the regions.
            pooled = roi_pool(features[name].float(), regions[rows].float(), self.output_size, 0.5**level)
            result = result.index_copy(0, rows, pooled.to(result.dtype))
        return result


def level_of(boxes: Tensor) -> Tensor:
    """Level of each box, 2 (stride 4) to 5 (stride 32): a box of 224 x 224 belongs to level 4."""
    sides = boxes[:, 2:] - boxes[:, :2]
    side = sides.prod(dim=1).clamp(min=1e-6).sqrt()
    level = torch.floor(_CANONICAL_LEVEL + torch.log2(side / _CANONICAL_SIDE) + 1e-6)
    return level.clamp(_FINEST_LEVEL, _COARSEST_LEVEL).to(torch.int64)
