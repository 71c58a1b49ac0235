"""An evaluation from files, with a comparison where another model is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from medseg.evaluation.comparison import compare
from medseg.evaluation.evaluate import evaluate
from medseg.evaluation.options import ScoringOptions
from medseg.evaluation.result import Evaluation
from medseg.evaluation.tables import read_labels, read_patients


@dataclass(frozen=True)
class EvaluationJob:
    """What `medseg evaluate` is asked for.

    Attributes:
        prediction: mask, or folder of masks, to judge.
        reference: the truth.
        task: see `medseg.evaluation.evaluate`.
        probabilities: class probabilities of `prediction`; those of `against` are not judged.
        object_scores: tables of the scores of `prediction`'s objects.
        labels: CSV of the classes.
        slices: slices of stacks.
        patients: CSV of the cases' patients.
        against: masks of another model for the same references.
        options: how maps are scored.
    """

    prediction: Path
    reference: Path
    task: str = "semantic"
    probabilities: Path | None = None
    object_scores: Path | None = None
    labels: Path | None = None
    slices: str | None = None
    patients: Path | None = None
    against: Path | None = None
    options: ScoringOptions = field(default_factory=ScoringOptions)

    def run(self, *, progress: Callable[[float], None] | None = None) -> Evaluation:
        """The evaluation, with the comparison where there is another model.

        Args:
            progress: called with the finished share, 0 to 1.

        Raises:
            MedsegError: see `medseg.evaluation.evaluate` and `medseg.evaluation.compare`.
        """
        labels = None if self.labels is None else read_labels(self.labels)
        patients = None if self.patients is None else read_patients(self.patients)
        asked = [(self.prediction, self.probabilities, self.object_scores)]
        asked += [] if self.against is None else [(self.against, None, None)]
        evaluations = [
            evaluate(
                prediction=prediction,
                reference=self.reference,
                task=self.task,
                probabilities=probabilities,
                object_scores=object_scores,
                labels=labels,
                slices=self.slices,
                patients=patients,
                options=self.options,
                progress=_part_of(progress, number, len(asked)),
            )
            for number, (prediction, probabilities, object_scores) in enumerate(asked)
        ]
        if self.against is None:
            return evaluations[0]
        comparison = compare(
            *evaluations, name=str(self.against), replicates=self.options.replicates, seed=self.options.seed
        )
        return replace(evaluations[0], comparison=comparison)


def _part_of(progress: Callable[[float], None] | None, number: int, count: int) -> Callable[[float], None] | None:
    return None if progress is None else lambda share: progress((number + share) / count)
