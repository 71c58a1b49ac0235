"""Objects become background."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from medseg_napari.review.boxes import Box
from medseg_napari.review.change import Change
from medseg_napari.review.edits.merge import merge


def delete(labels: NDArray[np.integer], boxes: Mapping[int, Box]) -> tuple[Change, ...]:
    """The objects of `boxes` become background: one change for each, inside its own box."""
    return merge(labels, boxes, into=0)
