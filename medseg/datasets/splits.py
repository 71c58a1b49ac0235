"""Making, checking and freezing splits. Cases of one patient or volume stay together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medseg.config import Config, parse_config
from medseg.datasets.case import Case, Splits
from medseg.errors import ConfigError, InputError
from medseg.files import write_text_atomically


class _SplitsFile(Config):
    """What a file with a frozen split holds."""

    schema_version: int = 1
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...] = ()


def make_splits(
    cases: Sequence[Case], *, rng: np.random.Generator, validation_fraction: float, test_fraction: float = 0.0
) -> Splits:
    """A random split in which every group stands on one side; case ids keep the order of `cases`.

    Whole groups go to the test and validation lists until these hold at least their share of the cases (at least one
    group each where the share is not zero); the rest trains. The draw depends on the set of groups and not on the
    order of `cases`.

    Args:
        cases: what to split.
        rng: source of the order in which groups are taken.
        validation_fraction: share of the cases that choose the checkpoint, 0 to below 1.
        test_fraction: share of the cases that are kept away, 0 to below 1.

    Raises:
        InputError: the shares leave nothing to train on.
    """
    if not (0 <= validation_fraction < 1 and 0 <= test_fraction < 1):
        message = f"split: expected shares of 0 to below 1, got {validation_fraction:g} and {test_fraction:g}."
        raise InputError(message)
    groups = sorted({case.group_id for case in cases})
    remaining = [groups[index] for index in rng.permutation(len(groups))]
    sizes = {group: sum(case.group_id == group for case in cases) for group in groups}
    test = _take(remaining, sizes, wanted=test_fraction * len(cases))
    validation = _take(remaining, sizes, wanted=validation_fraction * len(cases))
    if not remaining:
        message = (
            f"split: {len(groups)} groups with shares of {validation_fraction:g} for validation and {test_fraction:g} "
            "for test leave nothing to train on. Add cases, lower the shares or list the cases by name."
            f"{_one_group(groups)}"
        )
        raise InputError(message)
    return Splits(
        train=tuple(case.case_id for case in cases if case.group_id in set(remaining)),
        validation=tuple(case.case_id for case in cases if case.group_id in validation),
        test=tuple(case.case_id for case in cases if case.group_id in test),
    )


def check_splits(splits: Splits, cases: Sequence[Case], *, name: str, groups_may_span: bool = False) -> None:
    """Pass when each id of `splits` is a case, stands in one list only, and no group stands in two lists.

    Args:
        splits: the split.
        cases: all cases.
        name: where the split comes from, for the message.
        groups_may_span: leave the groups unchecked, for a set whose documentation says why.

    Raises:
        InputError: it is not so; the message names the case or group.
    """
    group_of = {case.case_id: case.group_id for case in cases}
    list_of_case: dict[str, str] = {}
    first_of_group: dict[str, tuple[str, str]] = {}
    for listed, ids in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
        for case_id in ids:
            if case_id not in group_of:
                message = f"{name}: {listed} names case {case_id!r}, which does not exist. {_known(group_of)}"
                raise InputError(message)
            if case_id in list_of_case:
                message = f"{name}: case {case_id!r} stands in {list_of_case[case_id]} and in {listed}. Keep it in one."
                raise InputError(message)
            list_of_case[case_id] = listed
            other, partner = first_of_group.setdefault(group_of[case_id], (listed, case_id))
            if other != listed and not groups_may_span:
                message = (
                    f"{name}: group {group_of[case_id]!r} stands in {other} with case {partner!r} and in {listed} "
                    f"with case {case_id!r}. Cases of one patient or volume must stay together."
                )
                raise InputError(message)


def save_splits(splits: Splits, path: Path) -> None:
    """Write `splits` to a JSON file.

    Raises:
        StorageError: the file cannot be written.
    """
    content = _SplitsFile(train=splits.train, validation=splits.validation, test=splits.test)
    write_text_atomically(path, json.dumps(content.model_dump(), indent=1) + "\n")


def load_splits(path: Path) -> Splits:
    """The split that a JSON file holds.

    Raises:
        InputError: the file is missing or not JSON.
        ConfigError: it holds other keys or values than a split.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        detail = "no such file" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())
        message = f"{path}: cannot be read as a split: {detail}. Expected JSON with train, validation and test lists."
        raise InputError(message) from error
    if not isinstance(content, dict):
        message = f"{path}: expected a mapping with train, validation and test lists, got {type(content).__name__}."
        raise ConfigError(message)
    frozen = parse_config(_SplitsFile, content, source=str(path))
    return Splits(train=frozen.train, validation=frozen.validation, test=frozen.test)


def _take(remaining: list[str], sizes: dict[str, int], *, wanted: float) -> set[str]:
    taken: set[str] = set()
    count = 0
    while remaining and count < wanted - 1e-9:
        group = remaining.pop()
        taken.add(group)
        count += sizes[group]
    return taken


def _one_group(groups: list[str]) -> str:
    return f" All cases are of one group: {groups[0]}." if len(groups) == 1 else ""


def _known(group_of: dict[str, str]) -> str:
    shown = ", ".join(sorted(group_of)[:6])
    more = f" and {len(group_of) - 6} more" if len(group_of) > 6 else ""
    return f"Known: {shown}{more}."
