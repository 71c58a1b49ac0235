"""The steps that a package declares for its finished masks, and what they mean for the probabilities beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medseg.config import FillHoles, PostprocessingStep
from medseg.inference.restore import Restored
from medseg.postprocessing import apply_steps


def needs_probabilities(steps: Sequence[PostprocessingStep]) -> bool:
    """Whether some step gives voxels to an object, whose mean probability then asks for that class's probability."""
    return any(isinstance(step, FillHoles) for step in steps)


def finished(restored: Restored, steps: Sequence[PostprocessingStep]) -> Restored:
    """The answer after `steps`; the probabilities stay the network's own.

    The confidence of a voxel that changes its class is the probability of the new class; nan where the
    probabilities were not kept.

    Args:
        restored: on the image's grid, the whole of it: a component may run through all slices.
        steps: what the package declares.
    """
    if not steps:
        return restored
    indices = apply_steps(restored.class_indices, steps)
    changed = indices != restored.class_indices
    confidence = restored.confidence.copy()
    confidence[changed] = _probability(restored, indices, changed)
    return replace(restored, class_indices=indices, confidence=confidence)


def _probability(
    restored: Restored, indices: NDArray[np.integer], changed: NDArray[np.bool_]
) -> NDArray[np.float32] | float:
    """Probability of the classes `indices` at the voxels `changed`."""
    if restored.probabilities is None:
        return float("nan")
    of_changed = restored.probabilities[:, changed]
    return np.take_along_axis(of_changed, indices[changed][np.newaxis].astype(np.intp), axis=0)[0]
