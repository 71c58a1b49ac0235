"""From the list of objects that a network finds to a map with a number for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from medseg.models.detection import Detections
from medseg.postprocessing.stitching import stitch_objects

_LEAST_VISIBLE = 0.5
"""Share of an object's pixels that more confident objects must leave to it; with less it is taken as one of them."""


@dataclass(frozen=True, eq=False)
class PaintedObjects:
    """Objects of a picture or of one tile.

    Attributes:
        numbers: (height, width) uint32; 0 is background, the others 1, 2, 3, ...
        scores: (objects,) float32, confidence of object 1, 2, 3, ...
        classes: (objects,) int64 class index of each.
    """

    numbers: NDArray[np.uint32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]


def paint(
    found: Detections, *, spatial_shape: Sequence[int], min_score: float, mask_threshold: float
) -> PaintedObjects:
    """The objects of at least `min_score` painted into an empty picture.

    Where two masks overlap, the pixels belong to the object with the higher score. An object that keeps less than
    half of its pixels that way is not painted at all.

    Args:
        found: of one image, on the CPU.
        spatial_shape: its height and width.
        min_score: confidence below which an object is left out.
        mask_threshold: probability from which on a pixel is inside.
    """
    numbers = np.zeros(tuple(spatial_shape), dtype=np.uint32)
    scores: list[float] = []
    classes: list[int] = []
    order = torch.argsort(found.scores, descending=True, stable=True)
    for index in order[: int((found.scores >= min_score).sum())].tolist():
        pasted = _pasted(found.masks[index], found.boxes[index], numbers.shape)
        if pasted is None:
            continue
        place, probability = pasted
        inside = probability >= mask_threshold
        free = inside & (numbers[place] == 0)
        if not inside.any() or free.sum() < _LEAST_VISIBLE * inside.sum():
            continue
        scores.append(float(found.scores[index]))
        classes.append(int(found.classes[index]))
        numbers[place][free] = len(scores)
    return PaintedObjects(numbers, np.array(scores, dtype=np.float32), np.array(classes, dtype=np.int64))


def join_tiles(
    tiles: Iterable[tuple[tuple[slice, ...], PaintedObjects]], *, spatial_shape: Sequence[int]
) -> PaintedObjects:
    """The objects of overlapping tiles as those of one picture, see `medseg.postprocessing.stitching.stitch_objects`.

    An object takes class and score from that of its parts that shares most pixels with it.

    Args:
        tiles: place of each tile in the picture and what was painted there.
        spatial_shape: size of the picture.
    """
    kept = list(tiles)
    numbers = stitch_objects([(place, one.numbers) for place, one in kept], spatial_shape=spatial_shape)
    count = int(numbers.max())
    shared, scores, classes = np.zeros(count + 1), np.zeros(count + 1, dtype=np.float32), np.zeros(count + 1, np.int64)
    for place, one in kept:
        both = (numbers[place] > 0) & (one.numbers > 0)
        pairs, sizes = np.unique(np.stack([numbers[place][both], one.numbers[both]]), axis=1, return_counts=True)
        for whole, part, size in zip(*pairs.tolist(), sizes.tolist(), strict=True):
            if size > shared[whole]:
                shared[whole], scores[whole], classes[whole] = size, one.scores[part - 1], one.classes[part - 1]
    return PaintedObjects(numbers, scores[1:], classes[1:])


def _pasted(
    mask: torch.Tensor, box: torch.Tensor, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], NDArray[np.float32]] | None:
    """Where a mask lies in the picture, and its probability at the pixels there; None where that is outside.

    Pixel centres have whole coordinates. The mask's cells divide the box evenly; between their centres the
    probability is interpolated.
    """
    left, top, right, bottom = box.double().tolist()
    if not (right > left and bottom > top):
        return None
    rows = range(max(0, int(np.ceil(top))), min(shape[0], int(np.floor(bottom)) + 1))
    columns = range(max(0, int(np.ceil(left))), min(shape[1], int(np.floor(right)) + 1))
    if not rows or not columns:
        return None
    # torch counts from -1 to 1 between the outer edges of the outermost cells.
    y = (torch.arange(rows.start, rows.stop, dtype=torch.float64) - top) / (bottom - top) * 2 - 1
    x = (torch.arange(columns.start, columns.stop, dtype=torch.float64) - left) / (right - left) * 2 - 1
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).float()
    sampled = F.grid_sample(mask.float()[None, None], grid[None], padding_mode="border", align_corners=False)
    return (slice(rows.start, rows.stop), slice(columns.start, columns.stop)), sampled[0, 0].numpy()
