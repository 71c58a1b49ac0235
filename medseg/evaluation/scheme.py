"""What each task does with a pair of maps and with many cases: one line of a table for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from medseg.evaluation.calibration_scores import JOINED_CALIBRATION_SCORES
from medseg.evaluation.instances import JOINED_OBJECT_SCORES, score_instances
from medseg.evaluation.lesion_scores import JOINED_LESION_SCORES, score_lesions
from medseg.evaluation.map_pair import MapPair
from medseg.evaluation.membrane_scores import score_membranes
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.result import CaseScores
from medseg.evaluation.scores import JOINED_REGION_SCORES
from medseg.evaluation.semantic import score_semantic
from medseg.evaluation.statistics import JoinedScore
from medseg.evaluation.task import Task
from medseg.images import LabelKind


class Scorer(Protocol):
    """Scores a pair of maps that lie on one grid."""

    def __call__(self, pair: MapPair, *, options: ScoringOptions) -> CaseScores:
        """The case's scores."""
        ...


@dataclass(frozen=True)
class TaskScheme:
    """What a task does.

    Attributes:
        score: a pair of maps -> the case's scores.
        joined: scores that are formed from the cases' statistics together; all others are means of the cases' values.
        kind: what a value in the maps stands for.
    """

    score: Scorer
    joined: Mapping[str, JoinedScore] = field(default_factory=dict)
    kind: LabelKind = LabelKind.SEMANTIC


SCHEMES: Mapping[str, TaskScheme] = MappingProxyType(
    {
        Task.SEMANTIC.value: TaskScheme(score_semantic, JOINED_CALIBRATION_SCORES),
        Task.ISBI2012.value: TaskScheme(score_membranes, JOINED_REGION_SCORES),
        Task.LESIONS.value: TaskScheme(score_lesions, {**JOINED_LESION_SCORES, **JOINED_CALIBRATION_SCORES}),
        Task.INSTANCES.value: TaskScheme(score_instances, JOINED_OBJECT_SCORES, LabelKind.INSTANCES),
    }
)
"""By the name of the task. `ctc` scores sequences, not pairs of maps: `medseg.evaluation.ctc_evaluation`."""
