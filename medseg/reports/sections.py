"""Sections that every report on an evaluation shares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medseg.evaluation import Evaluation
from medseg.evaluation.task import TASK_VIEWS
from medseg.evaluation.text import AGREEMENT_EXPLAINED, COMPARISON_EXPLAINED, interval_text, number_text, score_name
from medseg.metrics import definition_of, froc, joined_findings, reliability_diagram
from medseg.reports.document import Card, Document, escape, facts, fold, notice, picture, table
from medseg.reports.score_charts import bland_altman_chart, froc_chart, reliability_chart
from medseg.reports.tables import (
    agreement_table,
    case_chips,
    cases_table,
    comparison_table,
    definitions_table,
    presence_table,
    scores_table,
)

_MOST_PICTURES = 12
"""Cases shown with their picture, worst first; a page with hundreds would not open."""
_PICTURE_WIDTH = 1800
_MOST_CARDS = 4
_MOST_CHARTS = 12


def score_cards(evaluation: Evaluation) -> list[Card]:
    """The scores that a reader looks for first."""
    keys = [key for key in TASK_VIEWS[evaluation.task].columns if key in evaluation.means]
    keys.sort(key=lambda key: key != evaluation.main_score)
    result = []
    for key in keys[:_MOST_CARDS]:
        mean = evaluation.means[key]
        note = f"{mean.num_cases} {TASK_VIEWS[evaluation.task].over}{'s' if mean.num_cases != 1 else ''}"
        if mean.interval is not None:
            note = f"95 %: {interval_text(mean.interval, unit=definition_of(key).unit)}; {note}"
        if mean.num_undefined:
            note += f", undefined in {mean.num_undefined}"
        result.append(Card(score_name(key), number_text(mean.value, unit=definition_of(key).unit), note))
    return result


def add_scores(document: Document, evaluation: Evaluation, *, heading: str = "Scores") -> None:
    """Append the table of scores and the notes of the evaluation."""
    presence = presence_table(evaluation)
    if presence:
        presence = f"<h3>Cases that hold a class</h3>{presence}"
    notes = "".join(notice(note) for note in evaluation.notes)
    document.add_section(heading, scores_table(evaluation), presence, notes)
    if evaluation.comparison is not None:
        lead = f"With {evaluation.comparison.other} on the same cases. {COMPARISON_EXPLAINED}"
        document.add_section("Comparison", comparison_table(evaluation.comparison), lead=lead)


def add_volume_agreement(document: Document, evaluation: Evaluation) -> None:
    """Append how well volumes agree; nothing where no class has volumes in enough cases."""
    found = evaluation.volume_agreement
    if not found:
        return
    widest = sorted(found, key=lambda name: found[name].agreement.standard_deviation, reverse=True)[:_MOST_CHARTS]
    charts = [_chart(name, bland_altman_chart(found[name].agreement, name=name)) for name in found if name in widest]
    blocks = [agreement_table(evaluation), f'<div class="charts">{"".join(charts)}</div>']
    if len(found) > len(widest):
        blocks.append(notice(f"Drawn are the {len(widest)} classes of {len(found)} whose limits are widest."))
    document.add_section("Agreement of volumes", *blocks, lead=AGREEMENT_EXPLAINED)


def add_froc(document: Document, evaluation: Evaluation) -> None:
    """Append the curve of sensitivity against false positives; nothing where there are no lesions to find."""
    parts = [case.statistics["lesions"] for case in evaluation.cases if "lesions" in case.statistics]
    if not parts or not (findings := joined_findings(parts)).num_lesions:
        return
    curve = froc(findings)
    lead = (
        f"FROC of {findings.num_lesions} lesions in {findings.num_cases} cases: the share of lesions found at each "
        f"number of false candidates a case, over {len(curve.thresholds)} threshold(s) of confidence."
    )
    if len(curve.thresholds) < 2:
        lead += " Masks without confidences give one point, not a curve."
    document.add_section("Sensitivity and false positives", _chart("All cases", froc_chart(curve)), lead=lead)


def add_reliability(document: Document, evaluation: Evaluation) -> None:
    """Append whether the probabilities are what they say; nothing where none were judged."""
    voxels = evaluation.calibration
    if voxels is None or not voxels.num_voxels:
        return
    diagram = reliability_diagram(voxels)
    rows = [
        (
            f"{low:.3f} to {high:.3f}",
            str(count),
            *(number_text(value) for value in (confidence, accuracy, accuracy - confidence)),
        )
        for low, high, count, confidence, accuracy in zip(
            diagram.edges, diagram.edges[1:], voxels.counts, diagram.confidences, diagram.accuracies, strict=False
        )
        if count
    ]
    headings = ("Confidence", "Voxels", "Mean confidence", "Accuracy", "Accuracy - confidence")
    lead = (
        f"Of {voxels.num_voxels} voxels of {len(evaluation.cases)} case(s), in bins of the probability of the most "
        "probable class: how often that class is right. Below the diagonal the model is too sure. Marks are as large "
        "as the bin's share of the voxels; easy background fills the last bin."
    )
    document.add_section(
        "Reliability of the probabilities",
        f'<div class="charts">{_chart("All voxels", reliability_chart(diagram))}{table(headings, rows)}</div>',
        lead=lead,
    )


def _chart(heading: str, svg: str) -> str:
    return f'<div class="chart"><h3>{escape(heading)}</h3>{svg}</div>'


def add_cases(document: Document, evaluation: Evaluation, pictures: Mapping[str, Path]) -> None:
    """Append the cases worst first: their table, then the pictures of the worst."""
    ordered = evaluation.worst_first()
    shown = [case for case in ordered if case.case_id in pictures][:_MOST_PICTURES]
    without = [case.case_id for case in ordered if case.case_id not in pictures]
    blocks = [cases_table(evaluation)]
    blocks += [
        f'<div class="case"><div class="case-head"><h3>{escape(case.case_id)}</h3>{case_chips(evaluation, case)}</div>'
        + picture(
            pictures[case.case_id],
            alt=f"Image, reference, prediction and errors of {case.case_id}",
            width=_PICTURE_WIDTH,
        )
        + "</div>"
        for case in shown
    ]
    hidden = len(ordered) - len(without) - len(shown)
    if hidden:
        blocks.append(notice(f"The {len(shown)} worst cases are shown; {hidden} more have a picture beside this page."))
    if without:
        listed = ", ".join(without[:8]) + (f" and {len(without) - 8} more" if len(without) > 8 else "")
        blocks.append(notice(f"No picture of: {listed}."))
    lead = f"Worst {score_name(evaluation.main_score)} first."
    document.add_section("Cases", *blocks, lead=lead)


def add_definitions(document: Document, evaluation: Evaluation) -> None:
    """Append what the scores mean."""
    counted = TASK_VIEWS[evaluation.task].counted
    lead = f"TP, FP, FN: {counted} rightly found, wrongly found and missed. A dash is an undefined value."
    document.add_section("What the scores mean", definitions_table(evaluation), lead=lead)


def provenance_block(evaluation: Evaluation) -> str:
    """Version, choice of slices and the files with their hashes."""
    provenance = evaluation.provenance
    pairs = [
        ("medseg", provenance.medseg_version or "not recorded"),
        ("Task", evaluation.task),
        ("Slices", provenance.slices or "all"),
        *((name.replace("_", " ").capitalize(), str(value)) for name, value in provenance.options.items()),
        ("Classes", ", ".join(f"{label.value} {label.name}" for label in evaluation.labels)),
    ]
    if not provenance.inputs:
        return facts(pairs)
    rows = [(record.role, record.path, record.sha256) for record in provenance.inputs]
    inputs = table(("Role", "File", "SHA-256"), rows, numeric_from=3)
    return facts(pairs) + fold(f"{len(rows)} files and their hashes", inputs)
