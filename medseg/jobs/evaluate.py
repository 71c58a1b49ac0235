"""The report of an evaluation, with a picture of each of the worst cases."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from medseg.errors import InputError
from medseg.evaluation import (
    CaseMaps,
    Evaluation,
    Task,
    case_maps,
    files_by_case,
    find_pairs,
)
from medseg.evaluation.ctc_evaluation import frame_maps
from medseg.evaluation.drawing import drawn
from medseg.images import Image
from medseg.io import read_image
from medseg.io.slices import slice_of
from medseg.reports import write_evaluation_report, write_overlay

MOST_PICTURES = 12
"""Cases with a picture, the worst ones; a page with hundreds would not open."""


def report_evaluation(
    evaluation: Evaluation, path: Path, *, prediction: Path, reference: Path, images: Path | None = None
) -> Path:
    """Write the HTML report of an evaluation and return its path.

    Args:
        evaluation: of these very files.
        path: the page.
        prediction: mask, or folder of masks, that was judged.
        reference: mask, or folder of masks, that it was compared with.
        images: image, or folder of images named like the references, below the masks; without it they lie on black.

    Raises:
        InputError: no image belongs to a case.
        GeometryError: an image has another size than its masks.
        StorageError: the page cannot be written.
    """
    worst = {case.case_id for case in evaluation.worst_first()[:MOST_PICTURES]}
    maps, ids = _maps_of(evaluation, prediction=prediction, reference=reference, wanted=worst)
    sources = {} if images is None else _images_by_case(images, ids)
    with tempfile.TemporaryDirectory(prefix="medseg-report-") as folder:
        pictures: dict[str, Path] = {}
        for case in maps:
            picture = pictures[case.case_id] = Path(folder) / f"{len(pictures)}.png"
            image = _image_of(case, sources.get(case.pair_id))
            shown = drawn(case, task=Task(evaluation.task))
            write_overlay(
                picture, image=image, reference=shown.reference, prediction=shown.prediction, title=case.case_id
            )
        return write_evaluation_report(evaluation, path, pictures=pictures)


def _maps_of(
    evaluation: Evaluation, *, prediction: Path, reference: Path, wanted: set[str]
) -> tuple[Iterator[CaseMaps], list[str]]:
    """The maps of the wanted cases, and the ids by which images are found."""
    task = Task(evaluation.task)
    if task is Task.CTC:
        frames = [case.case_id for case in evaluation.cases]
        return frame_maps(prediction=prediction, reference=reference, wanted=wanted), frames
    pairs, _ = find_pairs(prediction=prediction, reference=reference)
    maps = case_maps(
        pairs,
        task=task,
        labels=evaluation.labels if task is Task.SEMANTIC else None,
        slices=evaluation.provenance.slices,
        resample=bool(evaluation.provenance.options.get("resample")),
        wanted=wanted,
    )
    return maps, [pair.case_id for pair in pairs]


def _images_by_case(images: Path, ids: list[str]) -> Mapping[str, Path]:
    """The image of each case; a single case takes a single image whatever its name."""
    if not images.is_dir() and len(ids) == 1:
        return {ids[0]: images}
    found = files_by_case(images)
    if not set(ids) & set(found):
        message = (
            f"--images {images}: no image is called like a case ({ids[0]}, ...), found {next(iter(found))}. "
            "Images are paired with references by their name without suffix."
        )
        raise InputError(message)
    return found


def _image_of(case: CaseMaps, source: Path | None) -> Image | None:
    if source is None:
        return None
    image = _read_once(source)
    return image if case.slice_number is None or image.affine.ndim == 2 else slice_of(image, case.slice_number)


@lru_cache(maxsize=1)
def _read_once(source: Path) -> Image:
    """The image, read once for all slices of its stack."""
    return read_image(source)
