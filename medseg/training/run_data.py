"""The data of a run, read once: training cases as the network sees them, validation cases as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.config import TrainingRecipe
from medseg.datasets import open_dataset
from medseg.datasets.case import Case, Dataset, Splits
from medseg.datasets.leakage import check_contents
from medseg.errors import ConfigError, InputError
from medseg.images import Image, LabelMap
from medseg.training.data_module import PreparedCase, prepare_training_cases
from medseg.training.fingerprint import Fingerprint, take_fingerprint
from medseg.training.progress import Reporter
from medseg.training.run_folder import RunFolder
from medseg.training.validation import ValidationCase, read_validation_case


@dataclass(frozen=True, eq=False)
class RunData:
    """What a run learns from and is judged by.

    Attributes:
        dataset: where it comes from.
        splits: the run's own, frozen in its folder.
        training: prepared training cases.
        validation: the cases that choose the checkpoint.
        fingerprint: what the training cases look like.
    """

    dataset: Dataset
    splits: Splits
    training: tuple[PreparedCase, ...]
    validation: tuple[ValidationCase, ...]
    fingerprint: Fingerprint


def read_run_data(
    recipe: TrainingRecipe, *, dataset: Dataset, splits: Splits, reporter: Reporter, objects: bool = False
) -> RunData:
    """Read and prepare all cases of a run.

    Args:
        recipe: what to do.
        dataset: where the cases are.
        splits: which cases train and which validate.
        reporter: whom to tell.
        objects: read references as single objects, not as classes; those of the validation only where objects are
            what is scored.

    Raises:
        InputError: a case has no reference.
        MedsegError: a case cannot be read, or its image and label map do not fit; the message names the file.
    """
    cases = {case.case_id: case for case in dataset.cases()}
    reporter.say(f"reading {len(splits.train)} training and {len(splits.validation)} validation cases")
    scored = objects and not recipe.evaluation.objects_as_classes
    validation = tuple(read_validation_case(cases[case_id], objects=scored) for case_id in splits.validation)
    training = [cases[case_id] for case_id in splits.train]
    fingerprint = take_fingerprint(
        _read_one_by_one(training), labels=dataset.labels, orientation=recipe.transforms.orientation
    )
    prepared = prepare_training_cases(training, recipe.transforms, num_channels=dataset.num_channels, objects=objects)
    _say_which_are_empty(prepared, validation, reporter=reporter)
    return RunData(dataset, splits, tuple(prepared), validation, fingerprint)


def open_run_dataset(recipe: TrainingRecipe, *, data_dir: Path | None) -> Dataset:
    """The recipe's data set.

    Raises:
        UnknownNameError: there is no data set of that name.
        InputError: its files are not there.
        ConfigError: its images have another number of axes than the recipe's patches.
    """
    dataset = open_dataset(recipe.data.dataset, root=data_dir, options=recipe.data.options)
    wanted = recipe.transforms.spatial_dims
    if dataset.spatial_dims != wanted:
        message = (
            f"transforms.patch_size: has {wanted} entries, but the images of {dataset.name} have "
            f"{dataset.spatial_dims} spatial axes. Give one entry for each."
        )
        raise ConfigError(message)
    return dataset


def choose_splits(dataset: Dataset, folder: RunFolder) -> Splits:
    """The split of the run: that in its folder, or else the data set's.

    Raises:
        InputError: there is nothing to train on or to validate with, one image stands in two lists under two names,
            the file is damaged, or the data set no longer has a case of it.
    """
    if folder.splits.exists():
        splits = _read_splits(folder.splits)
    else:
        splits = dataset.splits()
        _check_splits(splits, dataset)
    known = {case.case_id for case in dataset.cases()}
    missing = [case_id for case_id in (*splits.train, *splits.validation) if case_id not in known]
    if missing:
        message = (
            f"{folder.splits}: the data set {dataset.name} has no case {', '.join(missing[:3])}, which the run needs. "
            "Resume with the data that it was started with (--data)."
        )
        raise InputError(message)
    return splits


def _check_splits(splits: Splits, dataset: Dataset) -> None:
    for name, cases in (("train", splits.train), ("validation", splits.validation)):
        if not cases:
            message = f"{dataset.name}: expected at least one case in the {name} split, got none. Add some cases to it."
            raise InputError(message)
    check_contents(splits, dataset.cases(), name=dataset.name)


def _read_splits(path: Path) -> Splits:
    try:
        content: Mapping[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
        return Splits(**{name: tuple(case_ids) for name, case_ids in content.items()})
    except (OSError, UnicodeDecodeError, ValueError, TypeError, AttributeError) as error:
        message = f"{path}: cannot be read as the run's split ({error}). Start a new run in another folder."
        raise InputError(message) from error


def _say_which_are_empty(
    training: Sequence[PreparedCase], validation: Sequence[ValidationCase], *, reporter: Reporter
) -> None:
    """Cases without a labelled voxel are allowed, and may as well be an oversight."""
    empty = [case["case_id"] for case in training if not case["label"].any()]
    empty += [case.case_id for case in validation if not case.reference.array.any()]
    if empty:
        shown = ", ".join(empty[:5]) + (" and others" if len(empty) > 5 else "")
        total = len(training) + len(validation)
        reporter.say(f"note: in {len(empty)} of {total} cases nothing but background is labelled: {shown}")


def _read_one_by_one(cases: list[Case]) -> Iterator[tuple[Image, LabelMap | None]]:
    for case in cases:
        yield case.image.read(), None if case.reference is None else case.reference.read()
