"""Whether temperature and learned steps help on slices that they were not fitted to: the ISBI 2012 held-out slices.

The held-out slices of a run are split in halves. Temperature and steps are fitted on one half and scored on the other,
then the other way round, so that every slice is scored once, by what was fitted without it.

.venv/bin/python scripts/calibration.py runs/em --data isbi2012 --picture docs/results/calibration.png
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from medseg.config import PostprocessingStep
from medseg.datasets import open_dataset
from medseg.evaluation import aggregate, score_pair
from medseg.inference import Prediction, find_model, fit_model_temperature, load_model
from medseg.metrics import (
    CalibrationTable,
    apply_temperature,
    brier_score,
    calibration_table,
    expected_calibration_error,
    log_loss,
    reliability_diagram,
)
from medseg.postprocessing import apply_steps
from medseg.training.postprocessing_choice import PostprocessingChoice, choose_postprocessing
from medseg.training.validation import ValidationCase, read_validation_case
from medseg.transforms.class_indices import class_indices

SCORES = ("v_rand", "v_info", "mean_dice")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder or package whose training left out the validation slices")
    parser.add_argument("--data", type=Path, required=True, help="folder with the ISBI 2012 stacks")
    parser.add_argument("--picture", type=Path, help="reliability before and after, as PNG")
    arguments = parser.parse_args()
    predictor = load_model(find_model(arguments.run), device="cpu")
    cases = held_out(arguments.data, trained_on=predictor.manifest.training.case_ids)
    answers = {case.case_id: predictor.predict(case.image, with_probabilities=True) for case in cases}
    half = len(cases) // 2
    tables: dict[str, dict[str, CalibrationTable]] = {}
    for fitted, tested in ((cases[:half], cases[half:]), (cases[half:], cases[:half])):
        fit = fit_model_temperature(predictor, ((case.image, case.reference) for case in fitted))
        line(f"fitted on {names(fitted)}, scored on {names(tested)}: temperature {fit.temperature:.3f}")
        tables[names(tested)] = {
            "before": calibration(tested, answers, temperature=1),
            "after": calibration(tested, answers, temperature=fit.temperature),
        }
        for state, table in tables[names(tested)].items():
            line(f"  {state}: {calibration_text(table)}")
        choice = chosen(fitted, answers, num_classes=len(predictor.labels))
        line(f"  steps: {'; '.join(map(str, choice.steps)) or 'none'}")
        line(f"  where they were chosen: Dice {choice.dice_before:.4f} -> {choice.dice_after:.4f}")
        line(f"  before: {scores(tested, answers, ())}")
        line(f"  after: {scores(tested, answers, choice.steps)}")
    if arguments.picture is not None:
        draw(tables, arguments.picture)


def line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def names(cases: Sequence[ValidationCase]) -> str:
    return ", ".join(case.case_id for case in cases)


def held_out(folder: Path, *, trained_on: Sequence[str]) -> list[ValidationCase]:
    """The validation slices of the frozen split; none of them may have been trained on."""
    dataset = open_dataset("isbi2012_em", root=folder)
    wanted = dataset.splits().validation
    if seen := sorted(set(wanted) & set(trained_on)):
        message = f"expected a run that was not trained on {', '.join(seen)}, but it was. Train with slices 0-19."
        raise SystemExit(message)
    return [read_validation_case(case) for case in dataset.cases() if case.case_id in wanted]


def calibration(
    cases: Sequence[ValidationCase], answers: dict[str, Prediction], *, temperature: float
) -> CalibrationTable:
    """The sums over all pixels of the cases at a temperature."""
    tables = [
        calibration_table(
            reference=class_indices(case.reference),
            probabilities=apply_temperature(answers[case.case_id].probabilities.array, temperature=temperature),
        )
        for case in cases
    ]
    return sum(tables[1:], start=tables[0])


def calibration_text(table: CalibrationTable) -> str:
    return (
        f"log loss {log_loss(table):.4f}, Brier score {brier_score(table):.4f}, "
        f"expected calibration error {expected_calibration_error(table):.4f}"
    )


def chosen(
    cases: Sequence[ValidationCase], answers: dict[str, Prediction], *, num_classes: int
) -> PostprocessingChoice:
    pairs = [(class_indices(answers[case.case_id].label_map), class_indices(case.reference)) for case in cases]
    return choose_postprocessing(pairs, num_classes=num_classes)


def scores(cases: Sequence[ValidationCase], answers: dict[str, Prediction], steps: Sequence[PostprocessingStep]) -> str:
    """The scores of the cases' masks after the steps."""
    scored = []
    for case in cases:
        mask = answers[case.case_id].label_map
        after = mask.replace(array=apply_steps(class_indices(mask), tuple(steps)))
        scored.append(score_pair(prediction=after, reference=case.reference, task="isbi2012", case_id=case.case_id))
    summary = aggregate(scored, replicates=0).summary
    return ", ".join(f"{key} {summary[key]:.4f}" for key in SCORES)


def draw(tables: dict[str, dict[str, CalibrationTable]], path: Path) -> None:
    """Accuracy minus confidence over confidence: the gaps are far smaller than the axes of the usual diagram."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True)
    for axes, (title, of_state) in zip(panels, tables.items(), strict=True):
        axes.axhline(0, color="0.5", linewidth=0.8, linestyle="--")
        for (state, table), marker in zip(of_state.items(), "os", strict=True):
            diagram = reliability_diagram(table)
            filled = diagram.shares > 0
            gaps = diagram.accuracies[filled] - diagram.confidences[filled]
            axes.plot(diagram.confidences[filled], gaps, marker=marker, markersize=4, linewidth=1.2, label=state)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("Confidence (mean of the bin)")
    panels[0].set_ylabel("Accuracy - confidence")
    panels[0].legend(frameon=False)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
