"""What an evaluation found: a value with its count for each score, and the cases behind it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medseg.errors import InputError
from medseg.evaluation import text
from medseg.evaluation.provenance import InputRecord, Provenance
from medseg.files import write_text_atomically
from medseg.images import Label, LabelTable
from medseg.metrics import ConfusionTable, RegionOverlap, definition_of

SCHEMA_VERSION = 1
"""Of the JSON; it rises when a reader of the old form would misread the new one."""


@dataclass(frozen=True, eq=False)
class CaseScores:
    """The scores of one case.

    Attributes:
        case_id: the case.
        scores: value by key; nan where it is undefined.
        labels: the classes.
        confusion: counts of voxels by reference and predicted class.
        regions: statistics of cell regions of a membrane map; None for other tasks.
    """

    case_id: str
    scores: Mapping[str, float]
    labels: LabelTable
    confusion: ConfusionTable
    regions: RegionOverlap | None = None


@dataclass(frozen=True)
class MeanScore:
    """A score over several cases.

    Attributes:
        value: the mean, or what the score's definition says instead; nan where no case defines it.
        num_cases: cases that it rests on.
        num_undefined: cases in which it is undefined; they are left out of the value and never hidden.
    """

    value: float
    num_cases: int
    num_undefined: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a set of cases.

    Attributes:
        task: "semantic" or "isbi2012".
        labels: the classes, of all cases.
        cases: each case's scores, in the order in which they were scored.
        means: each score over the cases.
        pooled: overlap scores from one confusion table of all cases' voxels.
        notes: what a reader must know beside the numbers.
        provenance: what was scored, with what.
    """

    task: str
    labels: LabelTable
    cases: tuple[CaseScores, ...]
    means: Mapping[str, MeanScore]
    pooled: Mapping[str, float]
    notes: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def summary(self) -> dict[str, float]:
        """Value of each score over the cases, by key: `mean_dice`, `iou/<class>`, .. ; nan where undefined."""
        return {key: mean.value for key, mean in self.means.items()}

    @property
    def confusion(self) -> ConfusionTable:
        """Counts of all cases together."""
        first, *rest = [case.confusion for case in self.cases]
        return sum(rest, start=first)

    def worst_first(self, key: str | None = None) -> tuple[CaseScores, ...]:
        """The cases, worst `key` first (the task's main score where absent); undefined ones come last."""
        key = key or self.main_score
        return tuple(
            sorted(self.cases, key=lambda case: (math.isnan(case.scores.get(key, math.nan)), _rank(case, key)))
        )

    @property
    def main_score(self) -> str:
        """Key of the score by which cases are ranked."""
        return "v_rand" if self.task == "isbi2012" else "mean_dice"

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
        """The whole evaluation as JSON; an undefined value is null and `undefined` says why."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "task": self.task,
            "labels": [{"value": label.value, "name": label.name, "colour": label.colour} for label in self.labels],
            "summary": {key: _mean_to_json(key, mean) for key, mean in self.means.items()},
            "pooled": {key: _number(value) for key, value in self.pooled.items()},
            "cases": [_case_to_json(case) for case in self.cases],
            "notes": list(self.notes),
            "definitions": text.definitions_used(self),
            "provenance": asdict(self.provenance),
        }
        return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: str, *, source: str = "metrics.json") -> Evaluation:
        """The evaluation that `to_json` wrote.

        Args:
            content: the JSON.
            source: where it comes from, for the message.

        Raises:
            InputError: not JSON, or not of this form.
        """
        try:
            data = json.loads(content)
        except json.JSONDecodeError as error:
            message = f"{source}: expected JSON from medseg evaluate, got text that is not JSON ({error})."
            raise InputError(message) from error
        version = data.get("schema_version") if isinstance(data, dict) else None
        if version != SCHEMA_VERSION:
            message = (
                f"{source}: expected an evaluation of schema_version {SCHEMA_VERSION}, got {version!r}. "
                "Evaluate again with this medseg."
            )
            raise InputError(message)
        try:
            return _from_data(data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            message = f"{source}: the evaluation lacks or garbles {error}. Evaluate again with this medseg."
            raise InputError(message) from error


def _rank(case: CaseScores, key: str) -> float:
    value = case.scores.get(key, math.nan)
    return 0.0 if math.isnan(value) else value


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _mean_to_json(key: str, mean: MeanScore) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "value": _number(mean.value),
        "unit": definition_of(key).unit,
        "num_cases": mean.num_cases,
        "num_undefined": mean.num_undefined,
    }
    if entry["value"] is None:
        entry["undefined"] = definition_of(key).when_undefined
    return entry


def _case_to_json(case: CaseScores) -> dict[str, Any]:
    return {
        "case_id": case.case_id,
        "scores": {key: _number(value) for key, value in case.scores.items()},
        "undefined": {
            key: definition_of(key).when_undefined for key, value in case.scores.items() if math.isnan(value)
        },
        "confusion": {
            "values": list(case.confusion.values),
            "counts": case.confusion.counts.tolist(),
            "ignored": case.confusion.ignored,
        },
        "regions": None if case.regions is None else asdict(case.regions),
    }


def _from_data(data: Mapping[str, Any]) -> Evaluation:
    labels = LabelTable(tuple(Label(entry["value"], entry["name"], entry["colour"]) for entry in data["labels"]))
    provenance = dict(data["provenance"])
    provenance["inputs"] = tuple(InputRecord(**entry) for entry in provenance["inputs"])
    return Evaluation(
        task=data["task"],
        labels=labels,
        cases=tuple(_case_from_data(entry, labels) for entry in data["cases"]),
        means={
            key: MeanScore(_float(entry["value"]), entry["num_cases"], entry["num_undefined"])
            for key, entry in data["summary"].items()
        },
        pooled={key: _float(value) for key, value in data["pooled"].items()},
        notes=tuple(data["notes"]),
        provenance=Provenance(**provenance),
    )


def _case_from_data(entry: Mapping[str, Any], labels: LabelTable) -> CaseScores:
    confusion = entry["confusion"]
    return CaseScores(
        case_id=entry["case_id"],
        scores={key: _float(value) for key, value in entry["scores"].items()},
        labels=labels,
        confusion=ConfusionTable(
            np.asarray(confusion["counts"], dtype=np.int64),
            tuple(confusion["values"]),
            confusion["ignored"],
        ),
        regions=None if entry["regions"] is None else RegionOverlap(**entry["regions"]),
    )


def all_keys(cases: Sequence[CaseScores]) -> tuple[str, ...]:
    """Keys of all cases' scores, in order of first appearance."""
    return tuple(dict.fromkeys(key for case in cases for key in case.scores))
