"""What an evaluation found: a value with its count for each score, and the cases behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medseg.evaluation import text
from medseg.evaluation.intervals import Interval
from medseg.evaluation.paired import Comparison
from medseg.evaluation.presence import Presence
from medseg.evaluation.provenance import Provenance
from medseg.evaluation.task import TASK_VIEWS, Task
from medseg.evaluation.volumes import VolumeAgreement, volume_agreements
from medseg.files import write_text_atomically
from medseg.images import LabelTable
from medseg.metrics import CalibrationTable, ConfusionTable, RegionOverlap, definition_of
from medseg.metrics.metric_definition import Direction


@dataclass(frozen=True, eq=False)
class CaseScores:
    """The scores of one case.

    Attributes:
        case_id: the case.
        scores: value by key; nan where it is undefined.
        labels: the classes.
        confusion: counts of voxels by reference and predicted class; None for tasks without classes of voxels.
        task: how it was scored.
        statistics: what the task's joined scores are made of, by name in `medseg.evaluation.statistics.STATISTICS`.
        presence: for each class, whether the case's reference and prediction hold it.
        patient: whom the case comes from; empty: a patient of its own.
        voxel_volume_mm3: volume of a voxel; None for images that are no volume or have no known spacing.
    """

    case_id: str
    scores: Mapping[str, float]
    labels: LabelTable
    confusion: ConfusionTable | None = None
    task: str = Task.SEMANTIC.value
    statistics: Mapping[str, Any] = field(default_factory=dict)
    presence: Mapping[str, Presence] = field(default_factory=dict)
    patient: str = ""
    voxel_volume_mm3: float | None = None

    @property
    def regions(self) -> RegionOverlap | None:
        """Statistics of cell regions of a membrane map; None for other tasks."""
        return self.statistics.get("regions")

    @property
    def group(self) -> str:
        """What is drawn as one by the bootstrap: the patient, or the case where none is known."""
        return self.patient or self.case_id


@dataclass(frozen=True)
class MeanScore:
    """A score over several cases.

    Attributes:
        value: the mean, or what the score's definition says instead; nan where no case defines it, inf where one is.
        num_cases: cases that it rests on.
        num_undefined: cases in which it is undefined; they are left out of the value and never hidden.
        num_infinite: of `num_cases`, those in which it is infinite (a distance to something missed).
        median: of the cases that define it, inf ones included as the largest; nan where no case defines it.
        interval: 95 % confidence interval of `value` over patients; None where none was formed.
        num_draws: draws of patients behind the interval.
        num_draws_undefined: of these, those in which the score is undefined; the interval rests on the others.
    """

    value: float
    num_cases: int
    num_undefined: int
    num_infinite: int = 0
    median: float = math.nan
    interval: Interval | None = None
    num_draws: int = 0
    num_draws_undefined: int = 0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a set of cases.

    Attributes:
        task: name of the task, see `Task`.
        labels: the classes, of all cases.
        cases: each case's scores, in the order in which they were scored.
        means: each score over the cases.
        pooled: overlap scores from one confusion table of all cases' voxels.
        notes: what a reader must know beside the numbers.
        provenance: what was scored, with what.
        comparison: with another model on the same cases; None where there is none.
        sequences: what the values rest on where that is not the cases (task ctc: the cases are single frames).
    """

    task: str
    labels: LabelTable
    cases: tuple[CaseScores, ...]
    means: Mapping[str, MeanScore]
    pooled: Mapping[str, float]
    notes: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)
    comparison: Comparison | None = None
    sequences: tuple[CaseScores, ...] = ()

    @property
    def units(self) -> tuple[CaseScores, ...]:
        """What the values over the set rest on: the sequences where there are some, else the cases."""
        return self.sequences or self.cases

    @property
    def summary(self) -> dict[str, float]:
        """Value of each score over the cases, by key: `mean_dice`, `iou/<class>`, .. ; nan where undefined."""
        return {key: mean.value for key, mean in self.means.items()}

    @property
    def confusion(self) -> ConfusionTable | None:
        """Counts of all cases together; None for tasks without classes of voxels."""
        tables = [case.confusion for case in self.cases if case.confusion is not None]
        return sum(tables[1:], start=tables[0]) if tables else None

    @property
    def calibration(self) -> CalibrationTable | None:
        """Sums over the bins of confidence of all cases together; None where no probabilities were judged."""
        tables = [case.statistics["calibration"] for case in self.cases if "calibration" in case.statistics]
        return sum(tables[1:], start=tables[0]) if tables else None

    @property
    def volume_agreement(self) -> dict[str, VolumeAgreement]:
        """Agreement of the volumes of each class (Bland-Altman), by its name; of those with enough cases."""
        return volume_agreements(self.cases, self.labels)

    def worst_first(self, key: str | None = None) -> tuple[CaseScores, ...]:
        """The cases, worst `key` first (the task's main score where absent); undefined ones come last."""
        key = key or self.main_score
        return tuple(
            sorted(self.cases, key=lambda case: (math.isnan(case.scores.get(key, math.nan)), _rank(case, key)))
        )

    @property
    def main_score(self) -> str:
        """Key of the score by which cases are ranked: the first that is there of those the task shows."""
        view = TASK_VIEWS[self.task]
        return next((key for key in view.columns if any(key in case.scores for case in self.cases)), view.main_score)

    def table(self) -> str:
        """The results as text: scores with units and counts, cases worst first, definitions."""
        return text.evaluation_table(self)

    def to_csv(self) -> str:
        """One row a case and one column a score as CSV; an undefined score is an empty field."""
        return text.cases_csv(self)

    def write_csv(self, path: Path) -> None:
        """Write `to_csv` to a file.

        Raises:
            StorageError: the file cannot be written.
        """
        write_text_atomically(path, self.to_csv())

    def to_json(self) -> str:
        """The whole evaluation as JSON; undefined is null and `undefined` says why; infinity is the text "inf"."""
        from medseg.evaluation.result_json import evaluation_to_json

        return evaluation_to_json(self)

    @classmethod
    def from_json(cls, content: str, *, source: str = "metrics.json") -> Evaluation:
        """The evaluation that `to_json` wrote.

        Args:
            content: the JSON.
            source: where it comes from, for the message.

        Raises:
            InputError: not JSON, or not of this form.
        """
        from medseg.evaluation.result_json import evaluation_from_json

        return evaluation_from_json(content, source=source)


def _rank(case: CaseScores, key: str) -> float:
    """The smaller, the worse."""
    value = case.scores.get(key, math.nan)
    badness = {Direction.HIGHER: value, Direction.LOWER: -value, Direction.ZERO: -abs(value)}
    return 0.0 if math.isnan(value) else badness[definition_of(key).direction]


def all_keys(cases: Sequence[CaseScores]) -> tuple[str, ...]:
    """Keys of all cases' scores, in order of first appearance."""
    return tuple(dict.fromkeys(key for case in cases for key in case.scores))
