"""Generated cases on disk: each made once, whole or not at all, and never mixed with those of other settings."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medseg.datasets.case import Splits
from medseg.errors import InputError, StorageError
from medseg.files import write_text_atomically

_MANIFEST = "manifest.json"
_PART = ".part-"
_STALE_SECONDS = 3600.0
"""A temporary folder this old belongs to a generation that was killed: no case takes minutes."""

_SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Plan:
    """One case to be made.

    Attributes:
        case_id: its name and its folder's.
        key: what, with the seed, decides its content, whatever the number of other cases.
    """

    case_id: str
    key: tuple[int, int]

    def rng(self, seed: int) -> np.random.Generator:
        """Its own source of randomness."""
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=self.key))


def make_plans(*, train: int, validation: int, test: int) -> tuple[tuple[Plan, ...], Splits]:
    """The cases of a generated set and its split; more training cases change none of the others."""
    counts = (train, validation, test)
    lists = [
        [Plan(f"{name}_{index:03d}", (part, index)) for index in range(count)]
        for part, (name, count) in enumerate(zip(_SPLIT_NAMES, counts, strict=True))
    ]
    splits = Splits(*(tuple(plan.case_id for plan in plans) for plans in lists))
    return tuple(plan for plans in lists for plan in plans), splits


def settings_digest(settings: Mapping[str, Any]) -> str:
    """Eight letters that differ where settings differ."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def ensure_cases(
    root: Path, plans: Sequence[Plan], *, settings: Mapping[str, Any], write_case: Callable[[Plan, Path], None]
) -> None:
    """Make the cases that `root` lacks, each in a folder of its own.

    Args:
        root: folder of the set; made where it is missing.
        plans: the cases wanted; others that lie there stay.
        settings: everything that decides what a case holds, kept in `manifest.json`.
        write_case: writes the files of one case into an empty folder.

    Raises:
        InputError: `root` holds cases of other settings, or is not a folder.
        StorageError: the disk is full or read-only.
    """
    _check_manifest(root, settings)
    _remove_stale_parts(root)
    for plan in plans:
        if not (root / plan.case_id).is_dir():
            _make_case(root, plan, write_case)


def _check_manifest(root: Path, settings: Mapping[str, Any]) -> None:
    path = root / _MANIFEST
    wanted = json.loads(json.dumps(settings))
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            message = f"{path}: cannot be read: {' '.join(str(error).split())}. Delete the folder {root}."
            raise InputError(message) from error
        if found != wanted:
            differing = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
            key = differing[0]
            message = (
                f"{root} holds generated cases with {key} = {found.get(key)}, and {wanted.get(key)} is asked for. "
                "Choose another folder, or delete this one."
            )
            raise InputError(message)
        return
    if root.exists() and (not root.is_dir() or any(not entry.name.startswith(".") for entry in root.iterdir())):
        message = f"{root}: expected an empty or new folder for generated cases, got something else. Choose another."
        raise InputError(message)
    write_text_atomically(path, json.dumps(wanted, indent=1, sort_keys=True) + "\n")


def _make_case(root: Path, plan: Plan, write_case: Callable[[Plan, Path], None]) -> None:
    part = root / f"{_PART}{secrets.token_hex(4)}-{plan.case_id}"
    try:
        part.mkdir()
        write_case(plan, part)
        part.rename(root / plan.case_id)
    except StorageError:
        raise
    except OSError as error:
        if (root / plan.case_id).is_dir():
            return  # another process made the same case meanwhile
        message = f"cannot write {root / plan.case_id}: {error.strerror or error}. Free some space or choose another."
        raise StorageError(message) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _remove_stale_parts(root: Path) -> None:
    for part in root.glob(f"{_PART}*"):
        try:
            is_stale = time.time() - part.stat().st_mtime > _STALE_SECONDS
        except OSError:
            continue  # just finished or removed by another process
        if is_stale:
            shutil.rmtree(part, ignore_errors=True)
