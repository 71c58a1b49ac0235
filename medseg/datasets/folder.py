"""A person's own data: a folder of images with a label file for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt, field_validator, model_validator

from medseg.config import Config
from medseg.datasets.case import Case, Splits
from medseg.datasets.folder_checks import check_pairs
from medseg.datasets.listed import ListedDataset
from medseg.datasets.pairing import find_pairs
from medseg.datasets.patients import patients_of
from medseg.datasets.splits import check_splits, load_splits, make_splits, save_splits
from medseg.errors import ConfigError, InputError
from medseg.images import LabelKind, LabelTable
from medseg.io.source import ImageSource, LabelSource

NAME = "folder"
_WHERE = "data.options"
Fraction = Annotated[float, Field(ge=0, lt=1)]


class FolderOptions(Config):
    """Where images and labels lie under the folder, what the labels mean, and who trains."""

    labels: tuple[str, ...] = Field(min_length=2)
    """Names of the classes 0, 1, 2, ...; the first is the background."""
    image_pattern: str = "images/{case}.*"
    """Path of an image under the folder. {case} is the case's name, * anything within a name, a final .* any suffix."""
    label_pattern: str = "labels/{case}.*"
    """Path of its label file, likewise."""
    objects: bool = False
    """Label files hold the numbers of single objects (1, 2, 3, ... all of the one foreground class), as those of
    Cellpose, StarDist and medseg do, and not classes."""
    value_map: Mapping[int, int] | None = None
    """Value in the label files -> class number, where the files use other numbers ({255: 1, 0: 0} for example)."""
    axes: str | None = None
    """Axes of the image files where these do not say (ZYX for a TIFF stack of grey slices)."""
    label_axes: str | None = None
    """Axes of the label files; absent: as `axes` without channels."""
    group_pattern: str | None = None
    """Regular expression with one group that finds the patient in a case's name; absent: see `patients`."""
    patients: Path | None = None
    """CSV file, relative to the folder, with the columns case_id and patient. Without it and without `group_pattern`,
    cases of one DICOM Patient ID are one patient, and any other case is its own."""
    train: tuple[str, ...] | None = None
    """Cases by name; absent: all that are in neither other list."""
    validation: tuple[str, ...] | None = None
    """Cases by name; absent: drawn by groups, see `validation_fraction`."""
    test: tuple[str, ...] = ()
    """Cases by name."""
    validation_fraction: Fraction = 0.2
    test_fraction: Fraction = 0.0
    seed: NonNegativeInt = 0
    """Seed of that draw."""
    splits_file: Path | None = None
    """JSON file, relative to the folder, that freezes the split: read where it exists, else written."""

    @field_validator("image_pattern", "label_pattern")
    @classmethod
    def _names_the_case(cls, pattern: str) -> str:
        if pattern.count("{case}") != 1 or pattern.startswith("/") or ".." in Path(pattern).parts:
            message = "must be a path below the folder with {case} in it once, like images/{case}.png"
            raise ValueError(message)
        return pattern

    @model_validator(mode="after")
    def _states_patients_once(self) -> FolderOptions:
        if self.group_pattern is not None and self.patients is not None:
            message = "patients and group_pattern both say whose a case is: give one of them"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _objects_are_of_one_class(self) -> FolderOptions:
        if self.objects and (len(self.labels) != 2 or self.value_map is not None):
            message = "objects: needs two labels, the background and the objects' class, and no value_map"
            raise ValueError(message)
        return self

    @field_validator("group_pattern")
    @classmethod
    def _has_one_group(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            message = f"is no regular expression: {error}"
            raise ValueError(message) from error
        if groups != 1:
            message = "must have one group in parentheses, like (patient[0-9]+)_.*"
            raise ValueError(message)
        return pattern


def open_folder(root: Path, options: FolderOptions) -> ListedDataset:
    """The pairs of images and labels under `root`, checked from their headers.

    Raises:
        InputError: no folder, no images, a missing partner, or a split that does not fit the cases.
        GeometryError: an image and its labels differ in shape or affine, or images in channels or dimensions.
        ImageFormatError: a header that cannot be read.
        ConfigError: options that contradict each other or the cases.
    """
    table = LabelTable.from_names(options.labels)
    _check_value_map(options.value_map, table)
    pairs = find_pairs(root, image_pattern=options.image_pattern, label_pattern=options.label_pattern)
    label_axes = options.label_axes or (options.axes.upper().replace("C", "") if options.axes else None)
    num_channels, spatial_dims = check_pairs(pairs, axes=options.axes, label_axes=label_axes)
    kind = LabelKind.INSTANCES if options.objects else LabelKind.SEMANTIC
    table_of_patients = None if options.patients is None else root / options.patients
    patients = patients_of(pairs, pattern=options.group_pattern, table=table_of_patients, where=_WHERE)
    cases = tuple(
        Case(
            case_id=pair.case_id,
            group_id=patients[pair.case_id],
            image=ImageSource(pair.image, axes=options.axes),
            reference=LabelSource(pair.label, table, kind, axes=label_axes, value_map=options.value_map),
        )
        for pair in pairs
    )
    splits = _splits(root, options, cases)
    return ListedDataset(NAME, table, num_channels, spatial_dims, "", "as the owner of the data says", cases, splits)


def _check_value_map(value_map: Mapping[int, int] | None, table: LabelTable) -> None:
    strangers = sorted(set((value_map or {}).values()) - set(table.values))
    if strangers:
        known = ", ".join(f"{label.value}={label.name}" for label in table)
        message = f"{_WHERE}.value_map: maps to {strangers[0]}, which is no class. Known: {known}."
        raise ConfigError(message)


def _splits(root: Path, options: FolderOptions, cases: tuple[Case, ...]) -> Splits:
    path = None if options.splits_file is None else root / options.splits_file
    if path is not None and path.exists():
        splits = load_splits(path)
        check_splits(splits, cases, name=str(path))
        return splits
    splits = _make_splits(options, cases)
    check_splits(splits, cases, name=_WHERE)
    if path is not None:
        save_splits(splits, path)
    return splits


def _make_splits(options: FolderOptions, cases: tuple[Case, ...]) -> Splits:
    if options.validation is None and options.train is None and not options.test:
        return make_splits(
            cases,
            rng=np.random.default_rng(options.seed),
            validation_fraction=options.validation_fraction,
            test_fraction=options.test_fraction,
        )
    if options.validation is None:
        message = f"{_WHERE}: train or test cases are listed by name, so list the validation cases as well."
        raise ConfigError(message)
    held_out = {*options.validation, *options.test}
    train = options.train
    if train is None:
        train = tuple(case.case_id for case in cases if case.case_id not in held_out)
    if not train:
        message = f"{_WHERE}: the split leaves no case to train on; {len(cases)} cases, {len(held_out)} held out."
        raise InputError(message)
    return Splits(train=train, validation=options.validation, test=options.test)
