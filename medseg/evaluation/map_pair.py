"""The two maps that are scored as one case, as they are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.images import LabelMap


@dataclass(frozen=True, eq=False)
class MapPair:
    """A reference and a prediction that lie on one grid.

    Attributes:
        case_id: the case.
        reference: the truth.
        prediction: the map to judge.
        names: of reference and prediction, for messages.
        confidence: of each voxel, where the prediction of lesions is a detection map.
        object_scores: number of a predicted object -> its confidence, where known.
    """

    case_id: str
    reference: LabelMap
    prediction: LabelMap
    names: tuple[str, str]
    confidence: NDArray[np.floating] | None = None
    object_scores: Mapping[int, float] | None = None
