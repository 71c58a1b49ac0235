"""The aggregated Jaccard index: one IoU over all objects, in which a wrong object weighs by its voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medseg.metrics.instance_overlap import InstanceOverlap


@dataclass(frozen=True)
class JaccardSums:
    """Numerator and denominator of the aggregated Jaccard index, in voxels; they add up over images.

    Attributes:
        intersection: voxels that the reference's objects share with their partners.
        union: voxels of these unions, of reference objects without a partner and of predicted ones nobody chose.
    """

    intersection: int
    union: int

    def __add__(self, other: JaccardSums) -> JaccardSums:
        """Sums of both."""
        return JaccardSums(self.intersection + other.intersection, self.union + other.union)


def jaccard_sums(overlap: InstanceOverlap) -> JaccardSums:
    """Sums for the aggregated Jaccard index, as algorithm 1 of Kumar 2017 (doi 10.1109/TMI.2017.2677499) forms them.

    Each object of the reference takes the predicted object with which its IoU is largest, of equal ones the larger
    and then the one that comes first (only then does the numbering of objects matter); several may take the same one.
    A reference object that touches none adds its size to the union, and so does each predicted object that none took.
    """
    order = np.lexsort((overlap.pair_prediction, -overlap.intersections, -overlap.ious, overlap.pair_reference))
    _, first = np.unique(overlap.pair_reference[order], return_index=True)
    best = order[first]
    taken = overlap.pair_prediction[best]
    intersection = int(overlap.intersections[best].sum())
    alone = np.ones(overlap.num_prediction, dtype=bool)
    alone[taken] = False
    # |G u S| = |G| + |S| - |G n S| for each taker; a reference object without a partner has only its own size.
    union = int(overlap.reference_sizes.sum()) + int(overlap.prediction_sizes[taken].sum()) - intersection
    union += int(overlap.prediction_sizes[alone].sum())
    return JaccardSums(intersection, union)


def aggregated_jaccard_index(sums: JaccardSums) -> float:
    """Intersection over union of all objects, 0..1, 1 is best; nan where neither image has an object.

    It is not symmetric: two reference objects may share one predicted object, whose voxels then count twice in the
    union, but two predicted objects never share one of the reference.
    """
    return sums.intersection / sums.union if sums.union else float("nan")
