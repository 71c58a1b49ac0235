"""Cell Tracking Challenge: frames of moving cells, with the segmentation truth of some or all of them.

Maška et al. 2023, doi 10.1038/s41592-023-01879-y. The layout is the challenge's: frames in `01`, truth drawn by people
in `01_GT/SEG` ("gold", man_seg000.tif, often of a few frames only) or made by computers from that of many ("silver",
`01_ST/SEG`). Frames without truth are left out; so is truth of single slices of volumes (man_seg_000_010.tif).

Frames of a sequence resemble one another. So whole sequences validate where there are several and the options name
them; else the last frames of each sequence do, in one block with a gap before it, and scores then say how well
the network segments these cells under this microscope, and nothing about others.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, model_validator

from medseg.config import Config
from medseg.datasets.case import Case, Splits
from medseg.datasets.folder_checks import check_pairs
from medseg.datasets.listed import ListedDataset
from medseg.datasets.pairing import Pair
from medseg.datasets.splits import check_splits
from medseg.errors import InputError
from medseg.images import LabelKind, LabelTable
from medseg.io.source import ImageSource, LabelSource

NAME = "cell_tracking"
CITATION = "Maška et al. 2023, Nature Methods 20:1010, doi 10.1038/s41592-023-01879-y"
LICENCE = "challenge terms of each data set; research use"
LABELS = LabelTable.from_names(["background", "cell"])

_SEQUENCE = re.compile(r"\d{2}")
_FRAME = re.compile(r"t(\d{3,})\.tiff?", re.IGNORECASE)
_TRUTH = re.compile(r"man_seg(\d{3,})\.tiff?", re.IGNORECASE)


class CellTrackingOptions(Config):
    """Which truth to learn from, and which frames validate."""

    truth: Literal["gold", "silver"] = "gold"
    sequences: tuple[str, ...] = ()
    """Sequences to use, "01" for example. Empty: all that have truth."""
    validation_sequences: tuple[str, ...] = ()
    """Sequences of which all frames validate. Empty: the last frames of each sequence do."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of each sequence's frames at its end that validate, where no sequence is named."""
    gap: NonNegativeInt = 2
    """Frames with truth left out before those, as they show nearly the same."""

    @model_validator(mode="after")
    def _trains_on_something(self) -> CellTrackingOptions:
        if self.sequences and set(self.sequences) <= set(self.validation_sequences):
            message = "validation_sequences: leaves no sequence to train on"
            raise ValueError(message)
        return self


def open_cell_tracking(root: Path, options: CellTrackingOptions) -> ListedDataset:
    """The frames with truth below `root`, the folder of one of the challenge's data sets, checked from their headers.

    Raises:
        InputError: no sequence with truth, a frame without its image, or nothing to train on or to validate with.
        GeometryError: a frame and its truth differ in size, or frames in dimensions.
        ImageFormatError: a header that cannot be read.
    """
    sequences = _sequences(root, options)
    pairs = {name: _pairs(root, name, truth=options.truth) for name in sequences}
    num_channels, spatial_dims = check_pairs(
        [pair for one in pairs.values() for pair in one], axes=None, label_axes=None
    )
    cases = tuple(
        Case(pair.case_id, name, ImageSource(pair.image), LabelSource(pair.label, LABELS, LabelKind.INSTANCES))
        for name, of_sequence in pairs.items()
        for pair in of_sequence
    )
    splits = _splits({name: tuple(pair.case_id for pair in one) for name, one in pairs.items()}, options, root=root)
    check_splits(splits, cases, name=NAME, groups_may_span=not options.validation_sequences)
    return ListedDataset(NAME, LABELS, num_channels, spatial_dims, CITATION, LICENCE, cases, splits)


def _sequences(root: Path, options: CellTrackingOptions) -> tuple[str, ...]:
    suffix = {"gold": "GT", "silver": "ST"}[options.truth]
    found = tuple(
        sorted(
            folder.name
            for folder in (root.iterdir() if root.is_dir() else ())
            if _SEQUENCE.fullmatch(folder.name) and (root / f"{folder.name}_{suffix}" / "SEG").is_dir()
        )
    )
    if not found:
        message = (
            f"{root}: expected a data set of the Cell Tracking Challenge (frames in 01, {options.truth} truth in "
            f"01_{suffix}/SEG), got no such folders. Give the folder that holds 01."
        )
        raise InputError(message)
    missing = {*options.sequences, *options.validation_sequences} - set(found)
    if missing:
        message = f"{root}: no sequence {sorted(missing)[0]} with {options.truth} truth. There are {', '.join(found)}."
        raise InputError(message)
    wanted = {*options.sequences, *options.validation_sequences}
    return tuple(name for name in found if not options.sequences or name in wanted)


def _pairs(root: Path, sequence: str, *, truth: str) -> tuple[Pair, ...]:
    suffix = {"gold": "GT", "silver": "ST"}[truth]
    frames = _numbered(root / sequence, _FRAME)
    labels = _numbered(root / f"{sequence}_{suffix}" / "SEG", _TRUTH)
    without = sorted(set(labels) - set(frames))
    if without:
        message = f"{labels[without[0]]}: there is no frame t{without[0]:03d}.tif in {root / sequence}. Add it."
        raise InputError(message)
    if not labels:
        message = f"{root}: sequence {sequence} has no whole frame with {truth} truth. Leave it out of the sequences."
        raise InputError(message)
    return tuple(
        Pair(f"{sequence}_{frames[number].stem.lower()}", frames[number], labels[number]) for number in sorted(labels)
    )


def _numbered(folder: Path, pattern: re.Pattern[str]) -> dict[int, Path]:
    matches = ((pattern.fullmatch(path.name), path) for path in sorted(folder.iterdir()))
    return {int(match[1]): path for match, path in matches if match is not None}


def _splits(case_ids: dict[str, tuple[str, ...]], options: CellTrackingOptions, *, root: Path) -> Splits:
    train: list[str] = []
    validation: list[str] = []
    for name, ids in case_ids.items():
        if options.validation_sequences:
            (validation if name in options.validation_sequences else train).extend(ids)
            continue
        held_back = max(1, round(options.validation_fraction * len(ids)))
        train.extend(ids[: max(0, len(ids) - held_back - options.gap)])
        validation.extend(ids[-held_back:])
    if not train:
        remedy = "Name validation_sequences, lower gap, or take truth: silver."
        message = f"{root}: the split leaves no frame to train on. {remedy}"
        raise InputError(message)
    return Splits(tuple(train), tuple(validation))
