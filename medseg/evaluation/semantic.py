"""Scores of maps with a class for each voxel: overlap, volumes, and surfaces in mm."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medseg.errors import LabelError
from medseg.evaluation.map_pair import MapPair
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.presence import class_presence
from medseg.evaluation.result import CaseScores
from medseg.evaluation.scores import overlap_scores
from medseg.images import LabelKind, LabelMap
from medseg.metrics import confusion_table
from medseg.metrics.surface import SurfaceDistances, surface_distances
from medseg.metrics.surface_scores import (
    assd_mm,
    hausdorff_95_area_weighted_mm,
    hausdorff_95_directed_mm,
    hausdorff_95_pooled_mm,
    hausdorff_mm,
    nsd_area_weighted,
    nsd_voxel_count,
)

_Box = tuple[slice, ...]

_DISTANCES: Mapping[str, Callable[[SurfaceDistances], float]] = MappingProxyType(
    {
        "hausdorff_mm": hausdorff_mm,
        "hausdorff_95_directed_mm": hausdorff_95_directed_mm,
        "hausdorff_95_pooled_mm": hausdorff_95_pooled_mm,
        "hausdorff_95_area_weighted_mm": hausdorff_95_area_weighted_mm,
        "assd_mm": assd_mm,
    }
)
_WITHIN_TOLERANCE: Mapping[str, Callable[..., float]] = MappingProxyType(
    {"nsd_voxel_count": nsd_voxel_count, "nsd_area_weighted": nsd_area_weighted}
)


def score_semantic(pair: MapPair, *, options: ScoringOptions) -> CaseScores:
    """Scores of one case; the classes are those of the reference's table.

    Raises:
        LabelError: values that are not in the table.
    """
    reference, prediction = pair.reference, pair.prediction
    labels = reference.labels
    try:
        confusion = confusion_table(reference=reference.array, prediction=prediction.array, class_values=labels.values)
    except LabelError:
        # The slower check knows the file and the names of the classes.
        for label_map, name in zip((reference, prediction), pair.names, strict=True):
            label_map.replace(labels=labels, kind=LabelKind.SEMANTIC).check_values(name=name)
        raise
    has_volume = reference.array.ndim == 3 and reference.metadata.spacing_is_known
    volume = reference.grid.voxel_volume_mm3 if has_volume else None
    scores = overlap_scores(confusion.counts, labels, voxel_volume_mm3=volume)
    if options.surfaces and reference.metadata.spacing_is_known and reference.array.ndim in {2, 3}:
        scores.update(_surface_scores(reference, prediction, tolerance_mm=options.tolerance_mm))
    presence = class_presence(confusion, labels)
    return CaseScores(pair.case_id, scores, labels, confusion, presence=presence, voxel_volume_mm3=volume)


def _surface_scores(reference: LabelMap, prediction: LabelMap, *, tolerance_mm: float | None) -> dict[str, float]:
    """Surface scores of each foreground class, one kind of score after the other."""
    by_class = {}
    boxes = [ndimage.find_objects(one.array) for one in (reference, prediction)]
    for label in reference.labels.foreground:
        box = _union(*(found[label.value - 1] if label.value <= len(found) else None for found in boxes))
        by_class[label.name] = _of_class(reference, prediction, box, label.value, tolerance_mm=tolerance_mm)
    keys = dict.fromkeys(key for scores in by_class.values() for key in scores)
    return {f"{key}/{name}": scores[key] for key in keys for name, scores in by_class.items()}


def _of_class(
    reference: LabelMap, prediction: LabelMap, box: _Box | None, value: int, *, tolerance_mm: float | None
) -> dict[str, float]:
    keys = [*_DISTANCES, *(_WITHIN_TOLERANCE if tolerance_mm is not None else ())]
    if box is None or not reference.affine.is_orthogonal:  # distances along sheared axes are no sums of squares
        return dict.fromkeys(keys, math.nan)
    # Outside the box both are background, as outside the image: cropping changes nothing but the time.
    distances = surface_distances(
        reference=_mask(reference.array[box], value),
        prediction=_mask(prediction.array[box], value),
        spacing_mm=reference.spacing_mm,
    )
    scores = {key: function(distances) for key, function in _DISTANCES.items()}
    if tolerance_mm is not None:
        scores |= {key: function(distances, tolerance_mm=tolerance_mm) for key, function in _WITHIN_TOLERANCE.items()}
    return scores


def _mask(array: NDArray[np.integer], value: int) -> NDArray[np.bool_]:
    return np.asarray(array == value, dtype=np.bool_)


def _union(first: _Box | None, second: _Box | None) -> _Box | None:
    """The smallest box that holds both; None where neither is."""
    if first is None or second is None:
        return first or second
    pairs = zip(first, second, strict=True)
    return tuple(slice(min(one.start, two.start), max(one.stop, two.stop)) for one, two in pairs)
