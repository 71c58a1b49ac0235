"""Scoring whole validation images in the same way as a finished model is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medseg.datasets.case import Case
from medseg.errors import InputError
from medseg.evaluation import Evaluation, aggregate, score_pair
from medseg.images import Image, LabelKind, LabelMap
from medseg.inference.device import Precision
from medseg.inference.manifest import PackageManifest
from medseg.inference.object_predictor import make_predictor
from medseg.inference.predictor import Predictor
from medseg.models import DetectionNetwork, SegmentationNetwork
from medseg.transforms.class_indices import class_indices
from medseg.transforms.object_codes import object_numbers


@dataclass(frozen=True, eq=False)
class ValidationCase:
    """A case that chooses the checkpoint, read into memory.

    Attributes:
        case_id: its name.
        image: what the network is asked about.
        reference: the truth, a class for each voxel, or the number of its object.
    """

    case_id: str
    image: Image
    reference: LabelMap


@dataclass(frozen=True, eq=False)
class ValidationResult:
    """What a validation found.

    Attributes:
        evaluation: the scores.
        predictions: case id -> the network's answer on the case's own grid.
    """

    evaluation: Evaluation
    predictions: Mapping[str, LabelMap]


class Validation:
    """Runs a network over the validation cases.

    A `Predictor` does it, so the scores of the log are those that `medseg evaluate` finds for the same weights.

    Args:
        cases: the validation cases.
        manifest: what the network's package will say, apart from scores and digest.
        device: where the network runs.
        precision: numbers that it computes with, "bf16" or "fp32".
        task: how cases are scored.
        cancelled: whether the user wants to stop.
    """

    def __init__(
        self,
        *,
        cases: Sequence[ValidationCase],
        manifest: PackageManifest,
        device: torch.device,
        precision: Precision,
        task: str,
        cancelled: Callable[[], bool],
    ) -> None:
        self.cases = tuple(cases)
        self._manifest = manifest
        self._device = device
        self._precision = precision
        self._task = task
        self._cancelled = cancelled

    @property
    def score_keys(self) -> tuple[str, ...]:
        """Keys of the scores that a validation gives; found by scoring a reference against itself.

        It also shows, before any training, that the references can be scored.
        """
        case = self.cases[0]
        perfect = score_pair(prediction=case.reference, reference=case.reference, task=self._task, case_id=case.case_id)
        return tuple(aggregate([perfect]).summary)

    def run(self, network: SegmentationNetwork | DetectionNetwork) -> ValidationResult:
        """Score the network with the weights that it holds.

        Raises:
            Cancelled: the user wants to stop.
        """
        was_training = network.training
        try:
            return self.score(
                make_predictor(network, manifest=self._manifest, device=self._device, precision=self._precision)
            )
        finally:
            network.train(was_training)

    def score(self, predictor: Predictor) -> ValidationResult:
        """Score a predictor; objects that are judged by a reference of classes become their class.

        Raises:
            Cancelled: the user wants to stop.
        """
        predictions = {}
        for case in self.cases:
            found = predictor.predict(case.image, cancelled=self._cancelled).label_map
            predictions[case.case_id] = found if found.kind is case.reference.kind else as_classes(found)
        scores = [
            score_pair(
                prediction=predictions[case.case_id], reference=case.reference, task=self._task, case_id=case.case_id
            )
            for case in self.cases
        ]
        return ValidationResult(aggregate(scores), predictions)


def read_validation_case(case: Case, *, objects: bool = False) -> ValidationCase:
    """Read a case; its reference becomes one of classes or of object numbers, whichever the network answers with.

    Args:
        case: where it lies.
        objects: whether the network answers with objects.

    Raises:
        InputError: the case has no reference.
        ImageFormatError: a file cannot be read.
    """
    if case.reference is None:
        message = f"case {case.case_id}: validation needs a reference and there is none. Move it to another split."
        raise InputError(message)
    return ValidationCase(
        case.case_id, case.image.read(), (as_objects if objects else as_classes)(case.reference.read())
    )


def as_classes(label_map: LabelMap) -> LabelMap:
    """A label map of classes; object numbers become the class of the objects."""
    if label_map.kind is LabelKind.SEMANTIC:
        return label_map
    values = np.asarray(label_map.labels.values)
    return label_map.replace(array=values[class_indices(label_map)], kind=LabelKind.SEMANTIC)


def as_objects(label_map: LabelMap) -> LabelMap:
    """A label map of object numbers; of classes, each connected region becomes an object."""
    if label_map.kind is LabelKind.INSTANCES:
        return label_map
    return label_map.replace(array=object_numbers(label_map), kind=LabelKind.INSTANCES)
