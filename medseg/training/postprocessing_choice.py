"""Which steps after the network make the validation cases better, found by trying them one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg.config import FillHoles, LargestComponent, PostprocessingStep, RemoveSmall
from medseg.errors import InputError
from medseg.images import LabelMap
from medseg.inference.manifest import PackageManifest
from medseg.metrics import confusion_table, dice_per_class
from medseg.postprocessing import apply_steps
from medseg.training.validation import ValidationCase
from medseg.transforms.class_indices import class_indices

_SMALL_VOXELS = (8, 64, 512)
"""Sizes below which regions are tried to be removed."""

Pair = tuple[NDArray[np.integer], NDArray[np.integer]]
"""Predicted and reference class indices of a case, of one shape."""


@dataclass(frozen=True)
class PostprocessingChoice:
    """What was found.

    Attributes:
        steps: those that help, in the order in which they are applied.
        dice_before: mean Dice of the foreground classes over the cases without any step.
        dice_after: the same with the steps.
    """

    steps: tuple[PostprocessingStep, ...]
    dice_before: float
    dice_after: float


def choose_postprocessing(
    cases: Sequence[Pair], *, num_classes: int, candidates: Sequence[PostprocessingStep] | None = None
) -> PostprocessingChoice:
    """The steps that raise the mean Dice over the cases without lowering that of any class.

    As nnU-Net decides (Isensee 2021, doi 10.1038/s41592-020-01008-z, "Empirical parameters"): a candidate joins the
    steps chosen so far when with it the mean over the foreground classes rises and no class falls. Unlike there, more
    than the largest component is tried, and in a case where both maps lack a class its Dice counts as 1 here and
    nowhere else: a step that clears a false region must show, and every mean must be of the same cases.

    The same cases and candidates always give the same steps.

    Args:
        cases: predictions and references.
        num_classes: with the background, class 0.
        candidates: tried in this order; absent takes `default_candidates`.

    Raises:
        InputError: there is no case, or no foreground class.
        GeometryError: prediction and reference of a case differ in shape.
    """
    if not cases or num_classes < 2:
        message = f"choose_postprocessing: expected cases and a foreground class, got {len(cases)} cases."
        raise InputError(message)
    tried = default_candidates(num_classes) if candidates is None else candidates
    steps: tuple[PostprocessingStep, ...] = ()
    current = [prediction for prediction, _ in cases]
    references = [reference for _, reference in cases]
    before = best = _mean_dice(current, references, num_classes)
    for step in tried:
        changed = [apply_steps(prediction, (step,)) for prediction in current]
        dice = _mean_dice(changed, references, num_classes)
        if dice.mean() > best.mean() and not math.isclose(dice.mean(), best.mean()) and (dice >= best).all():
            steps, current, best = (*steps, step), changed, dice
    return PostprocessingChoice(steps, float(before.mean()), float(best.mean()))


def with_chosen_steps(
    manifest: PackageManifest, *, cases: Sequence[ValidationCase], predictions: Mapping[str, LabelMap]
) -> PackageManifest:
    """The manifest with the steps that help on the validation cases added to its own, and a sentence that says so.

    Args:
        manifest: of the package that predicted.
        cases: the validation cases.
        predictions: case id -> what the package predicted.
    """
    pairs = [(class_indices(predictions[case.case_id]), class_indices(case.reference)) for case in cases]
    choice = choose_postprocessing(pairs, num_classes=len(manifest.labels))
    if not choice.steps:
        return manifest
    kinds = ", ".join(step.kind for step in choice.steps)
    told = (
        f"Steps after the network ({kinds}) were chosen on the {len(pairs)} validation case(s), where they raise the "
        f"mean Dice from {choice.dice_before:.4f} to {choice.dice_after:.4f}: the scores of these cases flatter them."
    )
    inference = manifest.inference.replace(postprocessing=(*manifest.inference.postprocessing, *choice.steps))
    return manifest.replace(inference=inference, limits=(*manifest.limits, told))


def default_candidates(num_classes: int) -> tuple[PostprocessingStep, ...]:
    """The largest component of all classes together and of each, then small regions, then holes of each class.

    Args:
        num_classes: with the background, class 0.
    """
    classes = tuple(range(1, num_classes))
    together: tuple[PostprocessingStep, ...] = (LargestComponent(classes=classes),) if num_classes > 2 else ()
    return (
        *together,
        *(LargestComponent(classes=(index,)) for index in classes),
        *(RemoveSmall(classes=(index,), min_voxels=size) for index in classes for size in _SMALL_VOXELS),
        *(FillHoles(classes=(index,)) for index in classes),
    )


def _mean_dice(
    predictions: Sequence[NDArray[np.integer]], references: Sequence[NDArray[np.integer]], num_classes: int
) -> NDArray[np.float64]:
    """Mean over the cases of each foreground class's Dice, (num_classes - 1,); 1 where both lack it."""
    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        table = confusion_table(reference=reference, prediction=prediction, class_values=range(num_classes))
        rows.append(np.nan_to_num(dice_per_class(table.counts)[1:], nan=1.0))
    return np.mean(rows, axis=0)
