"""Data Science Bowl 2018: nuclei in fluorescence, histology and bright-field pictures, each nucleus drawn by hand.

Caicedo et al. 2019, doi 10.1038/s41592-019-0612-7. The layout is that of the subset with cleaned masks: a folder
`images` of pictures and a folder `masks` with a file of object numbers for each, directly in the set's folder or below
`train`. A table `index.csv` with the columns `id` and `kind` beside them allows choosing kinds of pictures.

The challenge names no patients or plates, so the split is drawn picture by picture.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from medseg.config import Config
from medseg.datasets.case import Case, Splits
from medseg.datasets.folder_checks import check_pairs
from medseg.datasets.listed import ListedDataset
from medseg.datasets.pairing import Pair, find_pairs
from medseg.datasets.splits import check_splits, make_splits
from medseg.errors import InputError
from medseg.images import LabelKind, LabelTable
from medseg.io.source import ImageSource, LabelSource

NAME = "dsb2018"
CITATION = "Caicedo et al. 2019, Nature Methods 16:1247, doi 10.1038/s41592-019-0612-7"
LICENCE = "CC0 1.0"
LABELS = LabelTable.from_names(["background", "nucleus"])

_INDEX = "index.csv"


class Dsb2018Options(Config):
    """Which pictures, and how many train and validate."""

    kinds: tuple[str, ...] = ()
    """Kinds of pictures in index.csv: fluo, histology_bright, brightfield_gray. Empty: all."""
    as_brightness: bool = False
    """One channel of brightness a picture. All are stored as colour, the fluorescence ones with equal channels."""
    train_cases: PositiveInt | None = None
    """Most pictures to train on; absent takes all that do not validate."""
    validation_cases: PositiveInt | None = None
    """Most pictures to validate with."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: NonNegativeInt = 0
    """Seed of the split."""


def open_dsb2018(root: Path, options: Dsb2018Options) -> ListedDataset:
    """The pictures below `root` with their object numbers, checked from their headers.

    Raises:
        InputError: no pictures, a missing partner, no table of kinds where one is needed, or no picture of a kind.
        GeometryError: a picture and its masks differ in size, or pictures in channels.
        ImageFormatError: a header that cannot be read.
    """
    folder = root / "train" if (root / "train").is_dir() else root
    pairs = find_pairs(folder, image_pattern="images/{case}.*", label_pattern="masks/{case}.*")
    pairs = _of_kinds(pairs, folder / _INDEX, options.kinds)
    num_channels, spatial_dims = check_pairs(pairs, axes=None, label_axes=None)
    num_channels = 1 if options.as_brightness else num_channels
    cases = tuple(
        Case(
            pair.case_id,
            pair.case_id,
            ImageSource(pair.image, as_brightness=options.as_brightness),
            LabelSource(pair.label, LABELS, LabelKind.INSTANCES),
        )
        for pair in pairs
    )
    drawn = make_splits(cases, rng=np.random.default_rng(options.seed), validation_fraction=options.validation_fraction)
    splits = Splits(drawn.train[: options.train_cases], drawn.validation[: options.validation_cases])
    check_splits(splits, cases, name=NAME)
    return ListedDataset(NAME, LABELS, num_channels, spatial_dims, CITATION, LICENCE, cases, splits)


def _of_kinds(pairs: tuple[Pair, ...], index: Path, kinds: tuple[str, ...]) -> tuple[Pair, ...]:
    if not kinds:
        return tuple(pairs)
    try:
        with index.open(encoding="utf-8", newline="") as file:
            known = {row["id"]: row["kind"] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError) as error:
        message = f"{index}: cannot be read as a table of kinds with the columns id and kind. Leave out kinds."
        raise InputError(message) from error
    chosen = tuple(pair for pair in pairs if known.get(pair.case_id) in kinds)
    if not chosen:
        message = f"{NAME}: no picture is of kind {', '.join(kinds)}. Known: {', '.join(sorted(set(known.values())))}."
        raise InputError(message)
    return chosen
