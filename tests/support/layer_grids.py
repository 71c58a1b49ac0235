"""Where the outputs of layers lie on the image and how much of it they see, by arithmetic alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import nn


class Grid(NamedTuple):
    """One axis of a feature map, in pixels of the image.

    Attributes:
        stride: from one feature to the next.
        start: centre of feature 0; pixel 0 has its centre at 0.
        field_of_view: pixels that one feature sees.
    """

    stride: float = 1
    start: float = 0
    field_of_view: int = 1


def grid_after(layers: Iterable[nn.Module], grid: Grid | None = None) -> Grid:
    """Grid of what comes out of `layers`, one after the other; other layers count as pixel by pixel."""
    grid = grid or Grid()
    for layer in layers:
        if isinstance(layer, nn.ConvTranspose2d):
            stride = grid.stride / layer.stride[0]
            start = grid.start - stride * ((layer.kernel_size[0] - 1) / 2 - layer.padding[0])
            grid = Grid(stride, start, grid.field_of_view)
        elif isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, step, padding, rate = (
                value if isinstance(value, int) else value[0]
                for value in (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
            )
            reach = rate * (kernel - 1)
            grid = Grid(
                grid.stride * step,
                grid.start + grid.stride * (reach / 2 - padding),
                grid.field_of_view + int(grid.stride) * reach,
            )
    return grid
