"""An evaluation as JSON and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from medseg.errors import InputError
from medseg.evaluation import statistics, text
from medseg.evaluation.intervals import Interval
from medseg.evaluation.paired import Comparison, PairedScore
from medseg.evaluation.presence import Presence, presence_counts
from medseg.evaluation.provenance import InputRecord, Provenance
from medseg.evaluation.result import CaseScores, Evaluation, MeanScore
from medseg.evaluation.statistics import number_from_data as _float
from medseg.evaluation.statistics import number_to_data as _number
from medseg.evaluation.volumes import VolumeAgreement
from medseg.images import Label, LabelTable
from medseg.metrics import CalibrationTable, ConfusionTable, definition_of, reliability_diagram

SCHEMA_VERSION = 3
"""Of the JSON; it rises when a reader of the old form would misread the new one."""


def evaluation_to_json(evaluation: Evaluation) -> str:
    """See `Evaluation.to_json`."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "task": evaluation.task,
        "labels": [{"value": label.value, "name": label.name, "colour": label.colour} for label in evaluation.labels],
        "summary": {key: _mean_to_data(key, mean) for key, mean in evaluation.means.items()},
        "pooled": {key: _number(value) for key, value in evaluation.pooled.items()},
        "presence": presence_counts(dict(case.presence) for case in evaluation.cases),
        "volume_agreement": {name: _agreement_to_data(one) for name, one in evaluation.volume_agreement.items()},
        "reliability": _reliability_to_data(evaluation.calibration),
        "comparison": None if evaluation.comparison is None else _comparison_to_data(evaluation.comparison),
        "cases": [_case_to_data(case) for case in evaluation.cases],
        "sequences": [_case_to_data(case) for case in evaluation.sequences],
        "notes": list(evaluation.notes),
        "definitions": text.definitions_used(evaluation),
        "provenance": asdict(evaluation.provenance),
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def evaluation_from_json(content: str, *, source: str) -> Evaluation:
    """See `Evaluation.from_json`."""
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


def _mean_to_data(key: str, mean: MeanScore) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "value": _number(mean.value),
        "unit": definition_of(key).unit,
        "num_cases": mean.num_cases,
        "num_undefined": mean.num_undefined,
        "num_infinite": mean.num_infinite,
        "median": _number(mean.median),
        "interval_95": _interval_to_data(mean.interval),
        "num_draws": mean.num_draws,
        "num_draws_undefined": mean.num_draws_undefined,
    }
    if entry["value"] is None:
        entry["undefined"] = definition_of(key).when_undefined
    return entry


def _mean_from_data(entry: Mapping[str, Any]) -> MeanScore:
    return MeanScore(
        _float(entry["value"]),
        entry["num_cases"],
        entry["num_undefined"],
        entry["num_infinite"],
        _float(entry["median"]),
        _interval_from_data(entry["interval_95"]),
        entry["num_draws"],
        entry["num_draws_undefined"],
    )


def _agreement_to_data(one: VolumeAgreement) -> dict[str, Any]:
    """For readers of the JSON; it is formed anew from the cases when the evaluation is read."""
    agreement = one.agreement
    return {
        "unit": "ml",
        "bias": _number(agreement.bias),
        "bias_interval_95": _interval_to_data(agreement.bias_interval),
        "standard_deviation": _number(agreement.standard_deviation),
        "limits": _interval_to_data(agreement.limits),
        "lower_limit_interval_95": _interval_to_data(agreement.lower_limit_interval),
        "upper_limit_interval_95": _interval_to_data(agreement.upper_limit_interval),
        "slope": _number(agreement.slope),
        "num_cases": len(one.case_ids),
        "num_patients": one.num_patients,
        "num_neither": one.num_neither,
        "num_without_volume": one.num_without_volume,
        "cases": list(one.case_ids),
        "means": agreement.means.tolist(),
        "differences": agreement.differences.tolist(),
    }


def _reliability_to_data(table: CalibrationTable | None) -> dict[str, Any] | None:
    """The reliability diagram for readers of the JSON; it is formed anew from the cases when it is read."""
    if table is None:
        return None
    diagram = reliability_diagram(table)
    bins = {name: [_number(value) for value in getattr(diagram, name)] for name in ("confidences", "accuracies")}
    return {
        "num_voxels": table.num_voxels,
        "edges": diagram.edges.tolist(),
        "counts": table.counts.tolist(),
        **bins,
    }


def _interval_to_data(interval: Interval | None) -> list[Any] | None:
    return None if interval is None else [_number(end) for end in interval]


def _interval_from_data(data: list[Any] | None) -> Interval | None:
    return None if data is None else (_float(data[0]), _float(data[1]))


_PAIRED_FLOATS = ("difference", "median_difference", "p_wilcoxon", "p_permutation")
_PAIRED_COUNTS = ("num_patients", "num_cases", "num_unpaired", "num_draws", "num_draws_undefined", "joined")


def _comparison_to_data(comparison: Comparison) -> dict[str, Any]:
    scores = {
        key: {name: _number(getattr(score, name)) for name in _PAIRED_FLOATS}
        | {name: getattr(score, name) for name in _PAIRED_COUNTS}
        | {"interval_95": _interval_to_data(score.interval)}
        for key, score in comparison.scores.items()
    }
    others = {key: _number(value) for key, value in comparison.others.items()}
    return {"other": comparison.other, "scores": scores, "others": others}


def _comparison_from_data(data: Mapping[str, Any]) -> Comparison:
    scores = {key: _paired_from_data(entry) for key, entry in data["scores"].items()}
    return Comparison(data["other"], scores, {key: _float(value) for key, value in data["others"].items()})


def _paired_from_data(entry: Mapping[str, Any]) -> PairedScore:
    floats = {name: _float(entry[name]) for name in _PAIRED_FLOATS}
    counts = {name: entry[name] for name in _PAIRED_COUNTS}
    return PairedScore(**floats, **counts, interval=_interval_from_data(entry["interval_95"]))  # type: ignore[arg-type]


def _case_to_data(case: CaseScores) -> dict[str, Any]:
    confusion = case.confusion
    return {
        "case_id": case.case_id,
        "patient": case.patient,
        "voxel_volume_mm3": case.voxel_volume_mm3,
        "scores": {key: _number(value) for key, value in case.scores.items()},
        "undefined": {
            key: definition_of(key).when_undefined for key, value in case.scores.items() if math.isnan(value)
        },
        "presence": {name: kind.value for name, kind in case.presence.items()},
        "confusion": None
        if confusion is None
        else {"values": list(confusion.values), "counts": confusion.counts.tolist(), "ignored": confusion.ignored},
        "statistics": {name: statistics.to_data(statistic) for name, statistic in case.statistics.items()},
    }


def _case_from_data(entry: Mapping[str, Any], labels: LabelTable, task: str) -> CaseScores:
    confusion = entry["confusion"]
    return CaseScores(
        case_id=entry["case_id"],
        scores={key: _float(value) for key, value in entry["scores"].items()},
        labels=labels,
        confusion=None
        if confusion is None
        else ConfusionTable(
            np.asarray(confusion["counts"], dtype=np.int64), tuple(confusion["values"]), confusion["ignored"]
        ),
        task=task,
        statistics={name: statistics.from_data(name, data) for name, data in entry["statistics"].items()},
        presence={name: Presence(kind) for name, kind in entry["presence"].items()},
        patient=entry["patient"],
        voxel_volume_mm3=entry["voxel_volume_mm3"],
    )


def _from_data(data: Mapping[str, Any]) -> Evaluation:
    labels = LabelTable(tuple(Label(entry["value"], entry["name"], entry["colour"]) for entry in data["labels"]))
    provenance = dict(data["provenance"])
    provenance["inputs"] = tuple(InputRecord(**entry) for entry in provenance["inputs"])
    comparison = data["comparison"]
    return Evaluation(
        task=data["task"],
        labels=labels,
        cases=tuple(_case_from_data(entry, labels, data["task"]) for entry in data["cases"]),
        means={key: _mean_from_data(entry) for key, entry in data["summary"].items()},
        pooled={key: _float(value) for key, value in data["pooled"].items()},
        notes=tuple(data["notes"]),
        provenance=Provenance(**provenance),
        comparison=None if comparison is None else _comparison_from_data(comparison),
        sequences=tuple(_case_from_data(entry, labels, data["task"]) for entry in data["sequences"]),
    )
