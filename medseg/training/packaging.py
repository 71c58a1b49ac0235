"""The end of a run: the best weights as a model package, scored in the form in which they will be used."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import medseg
from medseg.config import TrainingRecipe
from medseg.datasets.case import Dataset, Splits
from medseg.files import write_text_atomically
from medseg.images import Image, LabelMap
from medseg.inference.calibration import fit_model_temperature
from medseg.inference.manifest import PackageManifest, Scores, TrainingRecord
from medseg.inference.object_predictor import load_model
from medseg.inference.package import write_package
from medseg.io import write_label_map
from medseg.models import DetectionNetwork, SegmentationNetwork
from medseg.training.checkpoints import load_checkpoint
from medseg.training.fingerprint import Fingerprint, input_contract
from medseg.training.postprocessing_choice import with_chosen_steps
from medseg.training.previews import WriteOverlay, drawn_maps
from medseg.training.run import Run
from medseg.training.run_folder import recipe_values
from medseg.training.validation import ValidationResult
from medseg.transforms.object_rims import network_labels


def describe_model(
    recipe: TrainingRecipe,
    *,
    dataset: Dataset,
    splits: Splits,
    fingerprint: Fingerprint,
    model_options: Mapping[str, Any],
) -> PackageManifest:
    """What the package of a run will say, before there are weights and scores.

    Args:
        recipe: of the run.
        dataset: what it learns from.
        splits: of its cases.
        fingerprint: of its training cases.
        model_options: of the network, those that were found in the data included.
    """
    recipe_json = json.dumps(recipe_values(recipe), sort_keys=True)
    record = TrainingRecord(
        dataset=dataset.name,
        cases=len(splits.train),
        case_ids=splits.train,
        recipe_sha256=hashlib.sha256(recipe_json.encode()).hexdigest(),
        seed=recipe.training.seed,
        medseg_version=medseg.__version__,
        torch_version=torch.__version__,
    )
    resolved = recipe.replace(model=recipe.model.replace(options=dict(model_options)))
    return PackageManifest.from_recipe(
        resolved,
        labels=network_labels(dataset.labels, recipe.transforms),
        input=input_contract(fingerprint, orientation=recipe.transforms.orientation),
        training=record,
        licence="not stated",
        data_terms=dataset.licence,
        limits=_limits(dataset, splits),
    )


def _limits(dataset: Dataset, splits: Splits) -> tuple[str, ...]:
    trained = f"Trained on {len(splits.train)} cases of {dataset.name} and scored on no other data set."
    if set(splits.train).isdisjoint(splits.validation):
        return (trained,)
    return (trained, "Its scores are of cases that it was trained on: they say nothing about cases it has not seen.")


def finish_run(
    run: Run,
    *,
    network: SegmentationNetwork | DetectionNetwork,
    manifest: PackageManifest,
    write_overlay: WriteOverlay | None,
) -> None:
    """Write the best weights as a package, the validation cases' predictions by that package, and their scores.

    The package is loaded again for scoring, so its scores are those of the files that are handed on.

    Raises:
        ModelPackageError: the best checkpoint is damaged.
        StorageError: a file could not be written.
    """
    best = load_checkpoint(run.folder.best)
    network.load_state_dict(best.network)
    manifest = manifest.replace(training=manifest.training.replace(steps=best.state.step))
    write_package(run.folder.package, network=network, manifest=manifest)
    if run.recipe.training.calibrate:
        manifest = _calibrated(run, manifest)
        write_package(run.folder.package, network=network, manifest=manifest)
    result = run.validation.score(load_model(run.folder.package, device=str(run.device)))
    if run.recipe.evaluation.choose_postprocessing:
        manifest = with_chosen_steps(manifest, cases=run.validation.cases, predictions=result.predictions)
        write_package(run.folder.package, network=network, manifest=manifest)
        result = run.validation.score(load_model(run.folder.package, device=str(run.device)))
    pictures = _write_predictions(run, result, write_overlay)
    scores = Scores(
        summary={key: None if math.isnan(value) else value for key, value in result.evaluation.summary.items()},
        cases=len(run.validation.cases),
        task=run.recipe.evaluation.task,
    )
    write_package(run.folder.package, network=network, manifest=manifest.replace(scores=scores), pictures=pictures[:2])
    write_text_atomically(run.folder.metrics, result.evaluation.to_json())


def _calibrated(run: Run, manifest: PackageManifest) -> PackageManifest:
    """The manifest with a temperature that is fitted on the validation cases."""
    predictor = load_model(run.folder.package, device=str(run.device))
    fit = fit_model_temperature(predictor, ((case.image, case.reference) for case in run.validation.cases))
    return manifest.replace(inference=manifest.inference.replace(temperature=fit.temperature))


def _write_predictions(run: Run, result: ValidationResult, write_overlay: WriteOverlay | None) -> list[Path]:
    """Write each case's label map and overlay; returns the overlays, the worst case first."""
    for case in run.validation.cases:
        prediction = result.predictions[case.case_id]
        path = run.folder.validation / f"{case.case_id}{_suffix(case.image)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(prediction, path, source=case.image)
        if write_overlay is not None:
            write_overlay(
                path.parent / f"{case.case_id}.png",
                image=case.image,
                **drawn_maps(case, prediction),
                title=case.case_id,
            )
    if write_overlay is None:
        return []
    return [run.folder.validation / f"{case.case_id}.png" for case in result.evaluation.worst_first()]


def _suffix(image: Image | LabelMap) -> str:
    """The format that keeps the image's own axis order: NIfTI for volumes in x, y, z, TIFF for the rest."""
    return ".nii.gz" if image.axes.endswith("XYZ") else ".tif"
