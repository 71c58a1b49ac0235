"""Bringing a network's answer back onto the grid of the image it was asked about."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray
from torch import Tensor

from medseg.config import BoundaryClosing, InferenceConfig
from medseg.errors import InputError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.geometry.orientation import AxisReordering
from medseg.geometry.resampling import Interpolation, resample_array
from medseg.images import LabelTable
from medseg.metrics import apply_temperature
from medseg.postprocessing import boundary_lines

_WHOLE_STEP_TOLERANCE = 1e-4
"""How far the step from voxel to voxel of one grid may be from a whole voxel of the other."""

_MOST_UINT8 = 256
"""Number of classes whose indices fit into one byte."""


@dataclass(frozen=True)
class Restored:
    """The answer on the input's grid.

    Attributes:
        class_indices: (*spatial) uint8 or uint16, the class of greatest probability; the lower one where two are equal.
        confidence: (*spatial) float32, the probability of that class.
        probabilities: (K, *spatial) float32, None unless asked for.
    """

    class_indices: NDArray[np.integer]
    confidence: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None


def answer(
    logits: Tensor, *, source: Grid, target: Grid, inference: InferenceConfig, with_probabilities: bool
) -> Restored:
    """What a model package says of its logits: `restore`, and after it what the package declares.

    Args:
        logits: of the network; overwritten to save memory.
        source: grid of the network's answer.
        target: grid of the image.
        inference: settings of the package.
        with_probabilities: also keep the probabilities of all classes.
    """
    closing, temperature = inference.close_boundaries, inference.temperature
    keep = with_probabilities or closing is not None or temperature != 1
    restored = restore(logits, source=source, target=target, with_probabilities=keep)
    if closing is not None:
        restored = close_boundaries(restored, closing)
    if temperature != 1:
        # Last of all, so that no decision about a label depends on it.
        restored = calibrate(restored, temperature=temperature)
    return restored if with_probabilities else replace(restored, probabilities=None)


def restore(logits: Tensor, *, source: Grid, target: Grid, with_probabilities: bool) -> Restored:
    """Classes and probabilities of `logits`, (K, *source spatial), at the voxels of `target`.

    Where the two grids hold the same voxels in another axis order nothing is interpolated; else the probabilities of
    one class after the other are interpolated linearly, so that beside the logits only two volumes are held.

    Args:
        logits: of the network; overwritten to save memory.
        source: grid of the network's answer.
        target: grid of the image.
        with_probabilities: also keep the probabilities of all classes.
    """
    reordering = reordering_between(target, source)
    if reordering is None:
        probabilities = _softmax_in_place(logits, logits.amax(dim=0)).numpy()
        return _resampled(probabilities, source=source, target=target, with_probabilities=with_probabilities)
    indices, best = _greatest(logits)
    probabilities = _softmax_in_place(logits, best).numpy()
    confidence = probabilities.max(axis=0)
    back = reordering.inverse()
    return Restored(
        class_indices=np.ascontiguousarray(back.apply(indices.numpy().astype(_index_type(len(logits)), copy=False))),
        confidence=np.ascontiguousarray(back.apply(confidence)),
        probabilities=np.ascontiguousarray(back.apply(probabilities, leading=1)) if with_probabilities else None,
    )


def close_boundaries(restored: Restored, closing: BoundaryClosing) -> Restored:
    """The answer with the boundary class also on the lines that close its gaps.

    Args:
        restored: with probabilities.
        closing: which class, and how.
    """
    probabilities = restored.probabilities
    if probabilities is None:
        message = "close_boundaries needs the probabilities of all classes."
        raise InputError(message)
    boundary = probabilities[closing.class_index]
    lines = boundary_lines(boundary, smoothing_voxel=closing.smoothing_voxel, depth=closing.depth)
    return Restored(
        class_indices=np.where(lines, restored.class_indices.dtype.type(closing.class_index), restored.class_indices),
        confidence=np.where(lines, boundary, restored.confidence),
        probabilities=probabilities,
    )


def calibrate(restored: Restored, *, temperature: float) -> Restored:
    """The same classes, with probabilities and confidence at that temperature.

    Where nothing was interpolated this is the softmax of the logits divided by it.

    Args:
        restored: with probabilities, which are overwritten to save memory.
        temperature: above 1 makes the answer less sure.
    """
    probabilities = restored.probabilities
    if probabilities is None:
        message = "calibrate needs the probabilities of all classes."
        raise InputError(message)
    confidence = np.empty_like(restored.confidence)
    for place, classes in enumerate(restored.class_indices):
        scaled = apply_temperature(probabilities[:, place], temperature=temperature)
        probabilities[:, place] = scaled
        confidence[place] = np.take_along_axis(scaled, classes[np.newaxis].astype(np.intp), axis=0)[0]
    return Restored(restored.class_indices, confidence, probabilities)


def reordering_between(first: Grid, second: Grid) -> AxisReordering | None:
    """The change of axis order and direction that turns `first` into `second`; None where they hold other voxels."""
    if first.ndim != second.ndim:
        return None
    frame = second.affine.frame
    steps = np.linalg.solve(second.affine.linear, first.affine.to_frame(frame).linear)
    whole = np.rint(steps)
    ones = np.ones(first.ndim)
    is_permutation = np.array_equal(np.abs(whole).sum(0), ones) and np.array_equal(np.abs(whole).sum(1), ones)
    if not is_permutation or np.abs(steps - whole).max() > _WHOLE_STEP_TOLERANCE:
        return None
    permutation = tuple(int(axis) for axis in np.argmax(np.abs(whole), axis=1))
    flips = tuple(bool(whole[new, old] < 0) for new, old in enumerate(permutation))
    reordering = AxisReordering(permutation, flips)
    return reordering if reordering.apply_to_grid(first).is_same_as(second) else None


def grid_of(tensor: MetaTensor) -> Grid:
    """The grid of a prepared image, (C, *spatial) with the RAS affine of its voxels."""
    n = tensor.ndim - 1
    matrix = np.asarray(tensor.affine, dtype=np.float64)
    # MONAI writes affines of two axes as 4 x 4 matrices in some of its transforms; the last column is the translation.
    rows = [*range(n), matrix.shape[0] - 1]
    return Grid(tuple(tensor.shape[1:]), Affine(matrix[np.ix_(rows, rows)], frame=WorldFrame.RAS))


def label_values(class_indices: NDArray[np.integer], labels: LabelTable) -> NDArray[np.integer]:
    """Label values in place of class indices."""
    if labels.values == tuple(range(len(labels))):
        return class_indices
    table = np.array(labels.values, dtype=np.uint8 if labels.values[-1] <= np.iinfo(np.uint8).max else np.uint16)
    return np.asarray(table[class_indices])


def _greatest(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Class of the greatest logit, the lower one where two are equal, and that logit; both (*spatial).

    One class after the other: torch's argmax would take 8 bytes a voxel, and longer.
    """
    best = logits[0].clone()
    indices = torch.zeros(best.shape, dtype=torch.uint8 if len(logits) <= _MOST_UINT8 else torch.int32)
    for index in range(1, len(logits)):
        is_greater = logits[index] > best
        indices.masked_fill_(is_greater, index)
        torch.maximum(best, logits[index], out=best)
    return indices, best


def _softmax_in_place(logits: Tensor, best: Tensor) -> Tensor:
    logits -= best
    logits.exp_()
    logits /= logits.sum(dim=0)
    return logits


def _resampled(probabilities: NDArray[np.float32], *, source: Grid, target: Grid, with_probabilities: bool) -> Restored:
    # The network's grid may end up to one of its voxels before the image's last voxel centre (sizes are rounded), so
    # its outermost values are carried on by one voxel.
    ones = (1,) * source.ndim
    padded_grid = source.padded(ones, ones)
    confidence = np.full(target.spatial_shape, -1.0, dtype=np.float32)
    indices = np.zeros(target.spatial_shape, dtype=_index_type(len(probabilities)))
    kept = np.empty((len(probabilities), *target.spatial_shape), dtype=np.float32) if with_probabilities else None
    for index, channel in enumerate(probabilities):
        there = resample_array(
            np.pad(channel, 1, mode="edge"),
            source=padded_grid,
            target=target,
            interpolation=Interpolation.LINEAR,
            fill=0.0,
        )
        is_greater = there > confidence
        indices[is_greater] = index
        np.copyto(confidence, there, where=is_greater)
        if kept is not None:
            kept[index] = there
    return Restored(indices, confidence, kept)


def _index_type(num_classes: int) -> type[np.uint8 | np.uint16]:
    return np.uint8 if num_classes <= _MOST_UINT8 else np.uint16
