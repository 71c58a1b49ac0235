"""From the scores of cases to the scores of a set, with counts, so that nothing drops out unseen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from medseg.errors import InputError
from medseg.evaluation.provenance import Provenance, medseg_version
from medseg.evaluation.result import CaseScores, Evaluation, MeanScore, all_keys
from medseg.evaluation.scores import REGION_SCORES, overlap_scores
from medseg.evaluation.text import score_name
from medseg.images import Label, LabelTable
from medseg.metrics import RegionOverlap
from medseg.metrics.overlap import mean_of_defined


def aggregate(
    cases: Sequence[CaseScores],
    *,
    notes: Sequence[str] = (),
    provenance: Provenance | None = None,
) -> Evaluation:
    """The scores of a set of cases.

    Scores are means over the cases that define them; V_rand is computed from the statistics of all slices together
    (`medseg.metrics.boundary_maps`). Each value comes with the number of cases it rests on and of those it leaves out.

    Args:
        cases: the cases' scores, of one task.
        notes: what a reader must know beside the numbers.
        provenance: where the maps come from.

    Raises:
        InputError: no case, cases of different tasks, or two cases of one id.
    """
    _check_cases(cases)
    labels = _all_labels(cases)
    regions = [case.regions for case in cases if case.regions is not None]
    means = {key: _mean(key, cases) for key in all_keys(cases)}
    means.update(_joined(regions, means))
    pooled = overlap_scores(_total(cases), labels)
    return Evaluation(
        task="isbi2012" if regions else "semantic",
        labels=labels,
        cases=tuple(cases),
        means=means,
        pooled=pooled,
        notes=(*notes, *_undefined_note(means, len(cases))),
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
    if len({case.regions is None for case in cases}) > 1:
        message = "evaluation: all cases must be of one task, got some with V_rand and some without."
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


def _total(cases: Sequence[CaseScores]) -> np.ndarray:
    first, *rest = [case.confusion for case in cases]
    return sum(rest, start=first).counts


def _mean(key: str, cases: Sequence[CaseScores]) -> MeanScore:
    values = [case.scores.get(key, math.nan) for case in cases]
    undefined = sum(math.isnan(value) for value in values)
    return MeanScore(mean_of_defined(values), len(values) - undefined, undefined)


def _joined(regions: Sequence[RegionOverlap], means: Mapping[str, MeanScore]) -> dict[str, MeanScore]:
    """Scores of all slices' statistics together instead of means."""
    if not regions:
        return {}
    together = sum(regions[1:], start=regions[0])
    return {
        key: dataclasses.replace(means[key], value=score.function(together))
        for key, score in REGION_SCORES.items()
        if score.joined and key in means
    }


def _undefined_note(means: Mapping[str, MeanScore], num_cases: int) -> tuple[str, ...]:
    keys = [key for key, mean in means.items() if mean.num_undefined]
    if not keys:
        return ()
    parts = "; ".join(f"{score_name(key)} in {means[key].num_undefined}" for key in keys)
    return (f"Undefined and left out of the means, of {num_cases} cases: {parts}.",)
