"""The steps that a model package can declare, applied to a map of class indices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.config import FillHoles, LargestComponent, PostprocessingStep, RemoveSmall
from medseg.postprocessing.components import largest_component
from medseg.postprocessing.morphology import fill_holes, remove_small_components

ClassIndices = NDArray[np.integer]


def apply_steps(class_indices: ClassIndices, steps: Sequence[PostprocessingStep]) -> ClassIndices:
    """The map of classes after `steps`, one after the other; the map itself is left as it is.

    Regions hold together by corners, holes are closed by faces. What is removed becomes class 0.

    Args:
        class_indices: (*spatial) of two or three axes, 0 is background.
        steps: what is done.

    Raises:
        GeometryError: the map has neither two nor three axes.
    """
    result = class_indices.copy()
    for step in steps:
        _APPLY[type(step)](result, step)
    return result


def _keep_largest(result: ClassIndices, step: LargestComponent) -> None:
    mask = np.isin(result, step.classes)
    result[mask & ~largest_component(mask)] = 0


def _remove_small(result: ClassIndices, step: RemoveSmall) -> None:
    for index in step.classes:
        mask = result == index
        result[mask & ~remove_small_components(mask, min_voxels=step.min_voxels)] = 0


def _fill_holes(result: ClassIndices, step: FillHoles) -> None:
    for index in step.classes:
        # Another class that lies in the hole stays what it is.
        filled = fill_holes(result == index, max_voxels=step.max_voxels)
        result[filled & (result == 0)] = index


_APPLY: dict[type, Callable[[ClassIndices, Any], None]] = {
    LargestComponent: _keep_largest,
    RemoveSmall: _remove_small,
    FillHoles: _fill_holes,
}
