"""Running a network over an image of any size, tile by tile.

Two ways, by the kind of network. Same-padding networks give back what they get: overlapping tiles are blended with a
Gaussian window, so that a tile's unsure border counts little. Networks of valid convolutions (`context_voxels` > 0)
give back only their tile's middle: these middles are laid side by side over the mirrored image, the overlap-tile
strategy of Ronneberger 2015, doi 10.1007/978-3-319-24574-4_28, which gives what one pass over the whole image would.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from medseg.errors import Cancelled, GeometryError, InputError, ModelPackageError
from medseg.geometry.tiling import gaussian_window, tile_slices
from medseg.inference.device import Precision
from medseg.inference.workplace import Workplace
from medseg.models.base import SegmentationNetwork

Progress = Callable[[float], None]
"""Takes the finished fraction, 0 to 1."""


@dataclass(frozen=True)
class _Tile:
    """One step: `source` is cut from the padded image, the network's answer belongs to `target` of the logits."""

    source: tuple[slice, ...]
    target: tuple[slice, ...]


@dataclass(frozen=True)
class _Plan:
    """How an image is cut: the voxels added before and after it, and the tiles of the padded image.

    Attributes:
        before: voxels added at the start of each axis of the network's input.
        after: the same at its end.
        logits_shape: size of the logits that the tiles fill; at least the image's.
        logits_start: where the image's first voxel lies in them.
        tiles: the steps.
        window: weight of each voxel of a tile's answer, None where tiles do not overlap.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    logits_shape: tuple[int, ...]
    logits_start: tuple[int, ...]
    tiles: tuple[_Tile, ...]
    window: Tensor | None


def sliding_window_logits(  # noqa: PLR0913 - the settings of one call; the recipe's InferenceConfig holds them together
    network: nn.Module,
    image: Tensor,
    *,
    tile_size: Sequence[int],
    overlap_fraction: float,
    device: torch.device,
    precision: Precision,
    mirror: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """Logits (K, *spatial), float32 on the CPU, of `image`, (C, *spatial).

    Tiles go through the network one at a time (several at once are slower on a CPU and need more memory) and are added
    up in float32 whatever `precision` is. Where the device has not enough memory even so, the CPU does the rest. Images
    smaller than a tile are mirrored at their faces to its size. Beside the logits only one map of weights is held.

    Args:
        network: in eval mode and on `device`; modules that are no `SegmentationNetwork` must take any tile and answer
            at its size.
        image: prepared for the network.
        tile_size: one entry per spatial axis; rounded up to a size that the network accepts.
        overlap_fraction: of neighbouring tiles; without effect on networks of valid convolutions.
        device: where tiles are computed.
        precision: see `medseg.inference.choose_precision`.
        mirror: average over all mirrored copies of each tile.
        progress: called after each tile; the last call gets 1.
        cancelled: asked before each pass of the network.

    Raises:
        InputError: `image` holds NaN or infinity, or a setting does not fit it.
        ModelPackageError: the network's answer has the wrong size, or holds NaN or infinity.
        OutOfMemoryError: not even the CPU has enough memory for a tile.
        Cancelled: `cancelled` said so.
    """
    return tiled_logits(
        Workplace(network, device=device, precision=precision),
        image,
        tile_size=tile_size,
        overlap_fraction=overlap_fraction,
        mirror=mirror,
        progress=progress,
        cancelled=cancelled,
    )


def tiled_logits(
    place: Workplace,
    image: Tensor,
    *,
    tile_size: Sequence[int],
    overlap_fraction: float,
    mirror: bool = False,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """As `sliding_window_logits`, computed at `place`, which remembers what was done for want of memory."""
    image = image.as_subclass(Tensor).to(device="cpu", dtype=torch.float32)
    _check_input(image, tile_size=tile_size, overlap_fraction=overlap_fraction)
    spatial_shape = tuple(image.shape[1:])
    make_plan = _plan_valid if _context(place.network) > 0 else _plan_same
    plan = make_plan(place.network, spatial_shape, tile_size=tuple(tile_size), overlap_fraction=overlap_fraction)
    padded = _mirror_padded(image, plan)
    flips = tuple(_flips(len(spatial_shape))) if mirror else ((),)
    compute = partial(_mean_over_flips, flips=flips, cancelled=cancelled)
    logits: Tensor | None = None
    for number, tile in enumerate(plan.tiles, start=1):
        source = padded[(slice(None), *tile.source)].unsqueeze(0)
        answer = _checked(place.answer(source, compute), tile=tile)
        if logits is None:
            logits = torch.zeros((answer.shape[0], *plan.logits_shape), dtype=torch.float32)
        region = logits[(slice(None), *tile.target)]
        region.copy_(answer) if plan.window is None else region.addcmul_(answer, plan.window)
        if progress is not None:
            progress(number / len(plan.tiles))
    if logits is None:
        message = "sliding window: no tile covers the image."
        raise GeometryError(message)
    return _finished(logits, plan, spatial_shape)


def accepted_tile_size(network: nn.Module, tile_size: Sequence[int]) -> tuple[int, ...]:
    """The smallest tile of at least `tile_size` voxels, one entry per spatial axis, that the network takes."""
    context, steps = _context(network), _steps(network, len(tile_size))
    if context:
        # At least one step of answers, so that tiles which start a step apart leave no gap.
        tile_size = [max(size, step + 2 * context) for size, step in zip(tile_size, steps, strict=True)]
    if isinstance(network, SegmentationNetwork):
        return network.input_size.at_least(tile_size)
    return tuple(math.ceil(size / step) * step for size, step in zip(tile_size, steps, strict=True))


def _context(network: nn.Module) -> int:
    return network.context_voxels if isinstance(network, SegmentationNetwork) else 0


def _steps(network: nn.Module, spatial_dims: int) -> tuple[int, ...]:
    """Total pooling stride of each axis."""
    return network.input_size.divisor if isinstance(network, SegmentationNetwork) else (1,) * spatial_dims


def _check_input(image: Tensor, *, tile_size: Sequence[int], overlap_fraction: float) -> None:
    if image.ndim - 1 != len(tile_size):
        message = (
            f"sliding window: expected an image of {len(tile_size)} spatial axes as the tile size has, "
            f"got shape {tuple(image.shape)}."
        )
        raise InputError(message)
    if not 0.0 <= overlap_fraction < 1.0 or min(tile_size) < 1:
        message = (
            f"sliding window: expected tiles of at least 1 voxel and an overlap from 0 to below 1, "
            f"got {tuple(tile_size)} and {overlap_fraction:g}."
        )
        raise InputError(message)
    if not bool(torch.isfinite(image).all()):
        message = "the prepared image holds NaN or infinity. Replace such voxels in the file, or mask them, first."
        raise InputError(message)


def _plan_same(
    network: nn.Module, spatial_shape: tuple[int, ...], *, tile_size: tuple[int, ...], overlap_fraction: float
) -> _Plan:
    tile = accepted_tile_size(network, tile_size)
    padded = tuple(max(size, side) for size, side in zip(spatial_shape, tile, strict=True))
    before = tuple((more - size) // 2 for more, size in zip(padded, spatial_shape, strict=True))
    after = tuple(more - size - first for more, size, first in zip(padded, spatial_shape, before, strict=True))
    places = tile_slices(padded, tile, overlap_fraction=overlap_fraction)
    window = None if len(places) == 1 else torch.from_numpy(np.asarray(gaussian_window(tile), dtype=np.float32))
    return _Plan(before, after, padded, before, tuple(_Tile(place, place) for place in places), window)


def _plan_valid(
    network: nn.Module, spatial_shape: tuple[int, ...], *, tile_size: tuple[int, ...], overlap_fraction: float
) -> _Plan:
    """Tiles whose answers lie side by side.

    They start at multiples of the network's total pooling stride: elsewhere its pooling windows would fall on other
    voxels and the answer would differ from that of one pass over the whole image.
    """
    del overlap_fraction  # the answers agree where tiles overlap, so overlap would only cost time
    context = _context(network)
    answers = tuple(tile - 2 * context for tile in accepted_tile_size(network, tile_size))
    starts: list[list[int]] = []
    for size, answer, stride in zip(spatial_shape, answers, _steps(network, len(tile_size)), strict=True):
        step = answer // stride * stride
        count = 1 if answer >= size else math.ceil((size - answer) / step) + 1
        starts.append([index * step for index in range(count)])
    counts = tuple(places[-1] + answer for places, answer in zip(starts, answers, strict=True))
    tiles = [
        _Tile(
            tuple(slice(first, first + size + 2 * context) for first, size in zip(corner, answers, strict=True)),
            tuple(slice(first, first + size) for first, size in zip(corner, answers, strict=True)),
        )
        for corner in itertools.product(*starts)
    ]
    after = tuple(total - size + context for total, size in zip(counts, spatial_shape, strict=True))
    n = len(spatial_shape)
    return _Plan((context,) * n, after, counts, (0,) * n, tuple(tiles), None)


def _mirror_padded(image: Tensor, plan: _Plan) -> Tensor:
    if not any((*plan.before, *plan.after)):
        return image
    # numpy mirrors again and again where the image is smaller than the margin; torch refuses that.
    widths = [(0, 0), *zip(plan.before, plan.after, strict=True)]
    return torch.from_numpy(np.pad(image.numpy(), widths, mode="reflect"))


def _mean_over_flips(
    network: nn.Module, source: Tensor, *, flips: Sequence[tuple[int, ...]], cancelled: Callable[[], bool] | None
) -> Tensor:
    """(1, K, *spatial) float32 on the CPU: the network's answers to the mirrored copies, each mirrored back."""
    total: Tensor | None = None
    for axes in flips:
        if cancelled is not None and cancelled():
            message = "the prediction was cancelled."
            raise Cancelled(message)
        answer = network(source.flip(axes) if axes else source).float()
        answer = answer.flip(axes) if axes else answer
        total = answer if total is None else total + answer
    assert total is not None  # noqa: S101 - `flips` always holds the empty set
    return (total / len(flips) if len(flips) > 1 else total).cpu()


def _checked(answer: Tensor, *, tile: _Tile) -> Tensor:
    """The tile's logits, (K, *spatial)."""
    expected = tuple(side.stop - side.start for side in tile.target)
    if tuple(answer.shape[2:]) != expected:
        message = (
            f"the network answered a tile of {tuple(side.stop - side.start for side in tile.source)} voxels with "
            f"{tuple(answer.shape[2:])}, expected {expected}. Its rule of input sizes is wrong."
        )
        raise ModelPackageError(message)
    logits = answer[0]
    if not bool(torch.isfinite(logits).all()):
        message = (
            "the network answered with NaN or infinity. Its weights are damaged or overflow in this precision: "
            "train again with a lower learning rate, or run with fp32."
        )
        raise ModelPackageError(message)
    return logits


def _finished(logits: Tensor, plan: _Plan, spatial_shape: tuple[int, ...]) -> Tensor:
    """The blended logits of the image without its margins."""
    if plan.window is not None:
        weights = torch.zeros(plan.logits_shape, dtype=torch.float32)
        for tile in plan.tiles:
            weights[tile.target] += plan.window
        logits /= weights
    inside = [slice(first, first + size) for first, size in zip(plan.logits_start, spatial_shape, strict=True)]
    return logits[(slice(None), *inside)].contiguous()


def _flips(spatial_dims: int) -> Iterator[tuple[int, ...]]:
    """Each set of spatial axes of a (1, C, *spatial) tensor, the empty one first."""
    for count in range(spatial_dims + 1):
        yield from itertools.combinations(range(2, spatial_dims + 2), count)
