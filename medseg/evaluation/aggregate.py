"""From the scores of cases to the scores of a set, with counts, so that nothing drops out unseen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.evaluation.intervals import (
    FEW_PATIENTS,
    count_undefined,
    draw_weights,
    median,
    percentile_interval,
    weighted_means,
)
from medseg.evaluation.provenance import Provenance, medseg_version
from medseg.evaluation.result import CaseScores, Evaluation, MeanScore, all_keys
from medseg.evaluation.scheme import SCHEMES
from medseg.evaluation.scores import overlap_scores
from medseg.evaluation.statistics import joined, weighted_sums
from medseg.evaluation.text import score_name
from medseg.images import Label, LabelTable
from medseg.metrics.overlap import mean_of_defined

Weights = NDArray[np.unsignedinteger]


def aggregate(
    cases: Sequence[CaseScores],
    *,
    notes: Sequence[str] = (),
    provenance: Provenance | None = None,
    replicates: int = 0,
    seed: int = 0,
) -> Evaluation:
    """The scores of a set of cases.

    Scores are means over the cases that define them; those that the task names are computed from the statistics of all
    cases together (`medseg.evaluation.scheme`). Each value comes with the number of cases it rests on and of those it
    leaves out.

    Args:
        cases: the cases' scores, of one task.
        notes: what a reader must know beside the numbers.
        provenance: where the maps come from.
        replicates: draws of patients behind each confidence interval; 0 forms none.
        seed: of the draws.

    Raises:
        InputError: no case, cases of different tasks, or two cases of one id.
    """
    _check_cases(cases)
    labels = _all_labels(cases)
    weights = _weights(cases, replicates=replicates, seed=seed)
    means = {key: _mean(key, cases, weights) for key in all_keys(cases)}
    means.update(_joined(cases, means, weights))
    tables = [case.confusion for case in cases if case.confusion is not None]
    pooled = overlap_scores(sum(tables[1:], start=tables[0]).counts, labels) if len(tables) == len(cases) else {}
    return Evaluation(
        task=cases[0].task,
        labels=labels,
        cases=tuple(cases),
        means=means,
        pooled=pooled,
        notes=(*notes, *_mean_notes(means, cases), *_patient_note(cases, weights)),
        provenance=provenance or Provenance(medseg_version=medseg_version()),
    )


def _check_cases(cases: Sequence[CaseScores]) -> None:
    if not cases:
        message = "evaluation: expected at least one case, got none."
        raise InputError(message)
    ids = [case.case_id for case in cases]
    twice = sorted({case_id for case_id in ids if ids.count(case_id) > 1})
    if twice:
        message = f"evaluation: case ids must be distinct, got {', '.join(twice)} more than once."
        raise InputError(message)
    tasks = sorted({case.task for case in cases})
    if len(tasks) > 1:
        message = f"evaluation: all cases must be of one task, got {', '.join(tasks)}."
        raise InputError(message)

    kept = {frozenset(case.statistics) for case in cases}
    if len(kept) > 1:
        names = sorted(set().union(*kept) - frozenset.intersection(*kept))
        message = f"evaluation: all cases must have the same statistics, only some have {', '.join(names)}."
        raise InputError(message)


def _all_labels(cases: Sequence[CaseScores]) -> LabelTable:
    """The classes of all cases; two cases may not call one value by two names."""
    known: dict[int, Label] = {}
    for case in cases:
        for label in case.labels:
            before = known.setdefault(label.value, label)
            if before.name != label.name:
                message = (
                    f"evaluation: case {case.case_id} calls value {label.value} {label.name!r}, another case calls it "
                    f"{before.name!r}. Give one label table for all cases."
                )
                raise InputError(message)
    return LabelTable(tuple(known.values()))


def _weights(cases: Sequence[CaseScores], *, replicates: int, seed: int) -> Weights | None:
    """How often each case counts in each draw of patients; None where no interval can be formed."""
    patients = [case.group for case in cases]
    if not replicates or len(set(patients)) < 2:
        return None
    return draw_weights(patients, replicates=replicates, rng=np.random.default_rng(seed))


def _mean(key: str, cases: Sequence[CaseScores], weights: Weights | None) -> MeanScore:
    values = np.array([case.scores.get(key, math.nan) for case in cases])
    defined = values[~np.isnan(values)]
    drawn = np.zeros(0) if weights is None or defined.size < 2 else weighted_means(values, weights)
    return MeanScore(
        value=mean_of_defined(values),
        num_cases=defined.size,
        num_undefined=values.size - defined.size,
        num_infinite=int(np.count_nonzero(np.isinf(defined))),
        median=median(values),
        interval=percentile_interval(drawn),
        num_draws=drawn.size,
        num_draws_undefined=count_undefined(drawn),
    )


def _joined(
    cases: Sequence[CaseScores], means: Mapping[str, MeanScore], weights: Weights | None
) -> dict[str, MeanScore]:
    """Scores of all cases' statistics together instead of means."""
    scheme = SCHEMES.get(cases[0].task)
    result = {}
    sums: dict[str, tuple[Any, list[Any] | None]] = {}
    for key, score in ({} if scheme is None else scheme.joined).items():
        if key not in means:
            continue
        if score.statistic not in sums:
            parts = [case.statistics[score.statistic] for case in cases]
            sums[score.statistic] = joined(parts), None if weights is None else weighted_sums(parts, weights)
        together, drawn = sums[score.statistic]
        values = [score.function(one) for one in drawn or ()]
        result[key] = dataclasses.replace(
            means[key],
            value=score.function(together),
            interval=percentile_interval(values),
            num_draws=len(values),
            num_draws_undefined=count_undefined(values),
        )
    return result


def _mean_notes(means: Mapping[str, MeanScore], cases: Sequence[CaseScores]) -> list[str]:
    scheme, among = SCHEMES.get(cases[0].task), f"of {len(cases)} cases"
    together = set() if scheme is None else set(means) & set(scheme.joined)
    alone = set(means) - together
    kinds = (
        (f"Undefined and left out of the means, {among}", "num_undefined", alone),
        (f"Undefined in a case alone; its counts enter the value all the same, {among}", "num_undefined", together),
        (f"Infinite because a class is missed or falsely there, {among}", "num_infinite", set(means)),
    )
    notes = []
    for sentence, count, keys in kinds:
        counts = {key: getattr(mean, count) for key, mean in means.items() if key in keys}
        parts = [f"{score_name(key)} in {number}" for key, number in counts.items() if number]
        if parts:
            notes.append(f"{sentence}: {'; '.join(parts)}.")
    parts = [
        f"{score_name(key)} in {mean.num_draws_undefined} of {mean.num_draws}"
        for key, mean in means.items()
        if mean.num_draws_undefined and not math.isnan(mean.value)
    ]
    if parts:
        notes.append(f"Undefined in draws of patients, which the interval leaves out: {'; '.join(parts)}.")
    return notes


def _patient_note(cases: Sequence[CaseScores], weights: Weights | None) -> list[str]:
    count = len({case.group for case in cases})
    if weights is None or count >= FEW_PATIENTS:
        return []
    return [f"The confidence intervals rest on {count} patients: with so few they are too narrow."]
