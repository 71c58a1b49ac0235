"""The demo: the whole way from files to a report, on generated data with exact truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from medseg.config import load_recipe
from medseg.datasets import Case, open_dataset, read_case
from medseg.errors import InputError
from medseg.evaluation import Evaluation, aggregate, score_pair
from medseg.files import write_text_atomically
from medseg.images import Image, LabelMap
from medseg.inference import RESEARCH_NOTICE, load_model
from medseg.io import read_image, write_label_map
from medseg.jobs.train import find_recipe, train
from medseg.reports import write_overlay
from medseg.reports.document import Card, Document, cards, facts, picture
from medseg.training.run_folder import next_run_folder

CT_MODEL = "ct-phantom-lesions"
CT_SEED = 2026
"""Of the patient of the demo, whom the model has not seen."""

Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class DemoResult:
    """What the demo shows at its end.

    Attributes:
        facts: what was measured, in words and numbers.
        report: path of the page.
        cell_dice: mean Dice of the cells in images that were not trained on.
        largest_shift_mm: largest distance between the corners of the written mask and those of the DICOM series.
    """

    facts: Facts
    report: Path
    cell_dice: float
    largest_shift_mm: float


def run_demo(output: Path, *, say: Callable[[str], None]) -> DemoResult:
    """Do it all in `output`; what an earlier demo generated there is used again, its training is not.

    Args:
        output: folder, made where it is missing.
        say: takes a line for the person who waits.

    Raises:
        StorageError: the disk is full or read-only.
    """
    say("1/4  generating cells and training a small U-Net on them")
    run = train("phantom_cells", data_dir=output / "cells" / "images", run_dir=next_run_folder(output / "cells", "run"))
    say("2/4  segmenting cells that it has not seen")
    cells = _segment_cells(run, output / "cells")
    say("3/4  generating a CT series in DICOM")
    case = open_dataset("phantom_ct", root=output / "ct", options=_ct_options()).cases()[0]
    image, truth = _read_with_truth(case)
    say(f"4/4  finding its lesions with {CT_MODEL}")
    mask = load_model(CT_MODEL).predict(image).label_map
    written = output / "ct" / "lesions.nii.gz"
    write_label_map(mask, written, source=image)
    ct = score_pair(prediction=mask, reference=truth, task="semantic", case_id="CT")
    write_overlay(output / "ct" / "lesions.png", image=image, reference=truth, prediction=mask, title="Lesions in CT")
    shift = float(np.abs(read_image(written).grid.corners_mm - image.grid.corners_mm).max())
    measured = _facts(cells, image, truth, mask, ct_dice=ct.scores["mean_dice"], shift_mm=shift, written=written)
    report = _write_report(output, measured, cells, run)
    return DemoResult(measured, report, cells.summary["mean_dice"], shift)


def _ct_options() -> dict[str, object]:
    return {"seed": CT_SEED, "train_cases": 1, "validation_cases": 0, "test_cases": 0, "format": "dicom"}


def _read_with_truth(case: Case) -> tuple[Image, LabelMap]:
    image, truth = read_case(case)
    if truth is None:
        message = f"case {case.case_id}: expected generated data with its truth, got an image alone. Empty the folder."
        raise InputError(message)
    return image, truth


def _segment_cells(run: Path, folder: Path) -> Evaluation:
    """Masks, pictures and scores of the test images, which neither trained nor chose the weights."""
    recipe = load_recipe(find_recipe("phantom_cells"))
    dataset = open_dataset("phantom_cells", root=folder / "images", options=recipe.data.options)
    predictor = load_model(str(run))
    scores = []
    for case in dataset.cases():
        if case.case_id not in dataset.splits().test:
            continue
        image, reference = _read_with_truth(case)
        mask = predictor.predict(image).label_map
        write_label_map(mask, folder / "masks" / f"{case.case_id}.tif", source=image)
        write_overlay(
            folder / "masks" / f"{case.case_id}.png",
            image=image,
            reference=reference,
            prediction=mask,
            title=f"Cells, {case.case_id}, not seen in training",
        )
        scores.append(score_pair(prediction=mask, reference=reference, task="semantic", case_id=case.case_id))
    return aggregate(scores)


def _facts(
    cells: Evaluation,
    image: Image,
    truth: LabelMap,
    mask: LabelMap,
    *,
    ct_dice: float,
    shift_mm: float,
    written: Path,
) -> Facts:
    found, total, false = _lesion_counts(truth, mask)
    size = " x ".join(str(number) for number in image.spatial_shape)
    return [
        ("cells: mean Dice", f"{cells.summary['mean_dice']:.3f} over {len(cells.cases)} images not seen in training"),
        ("CT: series read", f"{size} voxels of {' x '.join(f'{mm:g}' for mm in image.spacing_mm)} mm"),
        ("CT: lesions found", f"{found} of {total}, and {false} where none is"),
        ("CT: lesion Dice", f"{ct_dice:.3f} (lesions are {np.mean(truth.array > 0):.2e} of the volume)"),
        ("CT: mask written", str(written)),
        ("CT: mask against series", f"corners differ by at most {shift_mm:.1e} mm"),
    ]


def _lesion_counts(truth: LabelMap, mask: LabelMap) -> tuple[int, int, int]:
    """Lesions touched by the mask, all lesions, and regions of the mask that touch none."""
    structure = np.ones((3, 3, 3), dtype=bool)
    lesions, total = ndimage.label(truth.array > 0, structure=structure)
    regions, count = ndimage.label(mask.array > 0, structure=structure)
    found = len(np.unique(lesions[(mask.array > 0) & (lesions > 0)]))
    right = len(np.unique(regions[(truth.array > 0) & (regions > 0)]))
    return found, total, count - right


def _write_report(output: Path, measured: Facts, cells: Evaluation, run: Path) -> Path:
    page = Document(title="medseg demo", subtitle="Generated data with exact truth, from files to masks and scores.")
    page.add(
        cards(
            [
                Card("cells, Dice", f"{cells.summary['mean_dice']:.3f}", "images not seen in training"),
                Card("lesions found", dict(measured)["CT: lesions found"].split(",")[0], "in a CT series in DICOM"),
            ]
        )
    )
    page.add_section("Measured", facts(measured))
    ct = picture(output / "ct" / "lesions.png", alt="Lesions in CT: image, reference, prediction, errors")
    page.add_section("Lesions in a generated CT", ct, lead=RESEARCH_NOTICE)
    shown = [
        picture(output / "cells" / "masks" / f"{case.case_id}.png", alt=f"cells, {case.case_id}")
        for case in sorted(cells.cases, key=lambda case: case.scores["mean_dice"])
    ]
    training = f"The training has a report of its own: {run / 'report.html'}"
    page.add_section("Cells, worst first", *shown, lead=training)
    path = output / "report.html"
    write_text_atomically(path, page.to_html())
    return path
