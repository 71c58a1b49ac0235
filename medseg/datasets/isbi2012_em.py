"""ISBI 2012 EM segmentation challenge: neuron membranes in a stack of electron micrographs.

One serial-section transmission EM volume of the ventral nerve cord of a Drosophila larva, 30 slices of 512 x 512 pixels
of 4 x 4 nm, 50 nm apart, every slice drawn by hand: white cells, black membranes. Arganda-Carreras et al. 2015,
doi 10.3389/fnana.2015.00142.

The challenge gives a single volume, so there is no second one to validate on. The split is therefore by slices although
neighbouring slices resemble one another: scores on held-out slices say how well the network draws membranes in this
tissue and with this microscope, and nothing about another. Held-out slices stand in one block at the end, so that only
its first slice has a training slice as neighbour; the option `gap` leaves out training slices beside held-out ones.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, NonNegativeInt

from medseg.config import Config
from medseg.datasets.case import Case, Splits
from medseg.datasets.listed import ListedDataset
from medseg.datasets.splits import check_splits, load_splits
from medseg.errors import ConfigError, GeometryError, InputError
from medseg.images import LabelTable
from medseg.io.base import ReadRequest
from medseg.io.dispatch import reader_of
from medseg.io.source import ImageSource, LabelSource

NAME = "isbi2012_em"
CITATION = "Arganda-Carreras et al. 2015, Frontiers in Neuroanatomy 9:142, doi 10.3389/fnana.2015.00142"
LICENCE = "challenge terms, not stated; research use"
VOLUME_FILE = "train-volume.tif"
LABELS_FILE = "train-labels.tif"
LABELS = LabelTable.from_names(["cell", "membrane"])

_VALUE_MAP = {255: 0, 0: 1}
"""The challenge draws cells white and membranes black; medseg makes the thin class the foreground."""

_AXES = "ZYX"
_FROZEN_SPLIT = Path(__file__).parent / "splits" / "isbi2012_em.json"
_RANGE = re.compile(r"^(\d+)(?:-(\d+))?$")


def _as_text(value: Any) -> Any:
    """`3` and `[0, 1]` as "3" and "0,1": YAML and `--set` turn such ranges into numbers and lists."""
    if isinstance(value, (list, tuple)):
        return ",".join(str(part) for part in value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


SliceRange = Annotated[str, BeforeValidator(_as_text)]


class Isbi2012Options(Config):
    """Which slices train and which validate; ranges like "0-19" or "0-9,12,14-19"."""

    train_slices: SliceRange | None = None
    """Absent: the frozen split, slices 0 to 19."""
    validation_slices: SliceRange | None = None
    """Absent: the frozen split, slices 20 to 23."""
    test_slices: SliceRange | None = None
    """Absent: none."""
    gap: NonNegativeInt = 0
    """Training slices that lie this near to a held-out slice are left out."""
    also_train_on_validation: bool = False
    """Whether the validation slices train as well: more to learn from for a final model, whose validation scores then
    say that it converged and nothing about slices it has not seen."""


def open_isbi2012(root: Path, options: Isbi2012Options) -> ListedDataset:
    """The labelled slices in `root`, each a case `slice_00`, `slice_01`, ...; all of them are one group.

    Raises:
        InputError: a file is missing.
        GeometryError: the two stacks differ in shape.
        ConfigError: a slice range is malformed or names a slice that the stack does not have.
    """
    images, labels = root / VOLUME_FILE, root / LABELS_FILE
    missing = [path.name for path in (images, labels) if not path.is_file()]
    if missing:
        message = (
            f"{NAME}: expected {VOLUME_FILE} and {LABELS_FILE} in {root}, but {' and '.join(missing)} cannot be found "
            f"there. Give their folder with --data, set MEDSEG_DATA_DIR to the folder that holds isbi2012/, or run "
            f"medseg datasets {NAME} --fetch."
        )
        raise InputError(message)
    count = _count_slices(images, labels)
    cases = tuple(
        Case(
            case_id=_case_id(index),
            group_id=VOLUME_FILE,
            image=ImageSource(images, axes=_AXES, slice_index=index),
            reference=LabelSource(labels, LABELS, axes=_AXES, slice_index=index, value_map=_VALUE_MAP),
        )
        for index in range(count)
    )
    splits = _make_splits(options, count)
    check_splits(splits, cases, name=f"data.options of {NAME}", groups_may_span=True)
    if options.also_train_on_validation:
        splits = replace(splits, train=tuple(sorted((*splits.train, *splits.validation))))
    return ListedDataset(NAME, LABELS, 1, 2, CITATION, LICENCE, cases, splits)


def _count_slices(images: Path, labels: Path) -> int:
    shapes = [
        reader_of(path).header(path, ReadRequest(axes=_AXES, as_labels=as_labels)).shape[-3:]
        for path, as_labels in ((images, False), (labels, True))
    ]
    if shapes[0] != shapes[1]:
        message = f"{images} and {labels} differ in shape: {shapes[0]} vs {shapes[1]}. They are not of one data set."
        raise GeometryError(message)
    return int(shapes[0][0])


def _make_splits(options: Isbi2012Options, count: int) -> Splits:
    frozen = load_splits(_FROZEN_SPLIT)
    lists = {}
    for key, default in (("train", frozen.train), ("validation", frozen.validation), ("test", frozen.test)):
        text = getattr(options, f"{key}_slices")
        lists[key] = [int(case_id.removeprefix("slice_")) for case_id in default]
        if text is not None:
            lists[key] = _parse_range(text, count, key=f"data.options.{key}_slices")
    held_out = [*lists["validation"], *lists["test"]]
    if options.gap:
        lists["train"] = [
            index for index in lists["train"] if all(abs(index - other) > options.gap for other in held_out)
        ]
    return Splits(*(tuple(_case_id(index) for index in lists[key]) for key in ("train", "validation", "test")))


def _parse_range(text: str, count: int, *, key: str) -> list[int]:
    """Slice numbers of "0-9,12", ascending."""
    numbers: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _RANGE.match(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            message = f"{key}: expected ranges of slices like 0-19 or 0-9,12, got {text!r}."
            raise ConfigError(message)
        if last >= count:
            message = f"{key}: slice {last} does not exist; the stack has slices 0 to {count - 1}, got {text!r}."
            raise ConfigError(message)
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def _case_id(index: int) -> str:
    return f"slice_{index:02d}"
