"""The run folder: where each file of a training run lies, and which folders a run may use."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from medseg.config import TrainingRecipe, read_yaml
from medseg.errors import ConfigError, InputError
from medseg.files import write_text_atomically
from medseg.folder_lock import LOCK_FILES

_CHANGEABLE = frozenset({"training.steps"})
"""Settings that may differ between a run and its resumption: a longer run is the same run, gone on with."""


class RunFolder:
    """Names of the files of a run.

    Attributes:
        root: the folder itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config.yaml"
        self.splits = root / "splits.json"
        self.environment = root / "environment.json"
        self.fingerprint = root / "fingerprint.json"
        self.log = root / "log.csv"
        self.tensorboard = root / "tensorboard"
        self.last = root / "checkpoints" / "last.ckpt"
        self.previous = root / "checkpoints" / "previous.ckpt"
        self.best = root / "checkpoints" / "best.ckpt"
        self.package = root / "best"
        self.metrics = root / "metrics.json"
        self.parent_metrics = root / "parent_metrics.json"
        self.previews = root / "previews"
        self.validation = root / "validation"

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end; its scores are the last thing it writes."""
        return self.metrics.exists() and self.package.exists()

    def check_new(self) -> None:
        """Pass when a new run may be written here.

        Raises:
            InputError: the folder holds something; a run is never written over.
        """
        if self.root.exists() and (not self.root.is_dir() or self._holds_something):
            message = (
                f"{self.root}: exists already and is not written over. "
                "Go on with it by --resume, or choose another --output."
            )
            raise InputError(message)

    def check_resumable(self, recipe: TrainingRecipe) -> None:
        """Pass when the folder holds a run of the same recipe, or nothing yet.

        Raises:
            InputError: the folder holds something else.
            ConfigError: the recipe differs from the run's; the message names the keys.
        """
        if not self.config.exists():
            if self.root.exists() and self._holds_something:
                message = f"{self.root}: holds no config.yaml, so it is not a run folder. Choose the folder of a run."
                raise InputError(message)
            return
        differing = differing_keys(_with_later_settings(read_yaml(self.config)), recipe_values(recipe))
        changed = [key for key in differing if key not in _CHANGEABLE]
        if changed:
            message = (
                f"{self.config}: the recipe differs from the run's in {', '.join(changed[:5])}. "
                "Resume with the recipe it was started with, or start a new run in another folder."
            )
            raise ConfigError(message)

    @property
    def _holds_something(self) -> bool:
        return any(not _says_nothing(path) for path in self.root.iterdir())

    def remove_left_overs(self) -> None:
        """Remove the temporary files of a run that was killed while it wrote."""
        for path in [*self.root.rglob(".*.part.*"), *self.root.rglob(".*.old.*")]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def write_config(self, recipe: TrainingRecipe) -> None:
        """Write the fully resolved recipe."""
        write_text_atomically(self.config, yaml.safe_dump(recipe_values(recipe), sort_keys=False, allow_unicode=True))


def recipe_values(recipe: TrainingRecipe) -> dict[str, Any]:
    """The fully resolved recipe as plain values, the same as its YAML reads back."""
    return dict(recipe.model_dump(mode="json"))


def _with_later_settings(stored: dict[str, Any]) -> dict[str, Any]:
    """The recipe with the defaults of settings that medseg has got since it was written; they mean what was then."""
    try:
        return recipe_values(TrainingRecipe.model_validate(stored))
    except ValidationError:
        # Also of a setting that medseg no longer has: it then is one of the differences.
        return stored


def differing_keys(first: Mapping[str, Any], second: Mapping[str, Any], *, prefix: str = "") -> list[str]:
    """Dotted paths, in order, of the settings that are not the same in both; a key of one only counts."""
    paths: list[str] = []
    for key in dict.fromkeys([*first, *second]):
        mine, theirs = first.get(key, _ABSENT), second.get(key, _ABSENT)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            paths += differing_keys(mine, theirs, prefix=f"{prefix}{key}.")
        elif mine != theirs:
            paths.append(f"{prefix}{key}")
    return paths


def next_run_folder(parent: Path, name: str) -> Path:
    """The first of `parent/name-1`, `parent/name-2`, ... that does not exist."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON for people to read, whole or not at all."""
    write_text_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


class LogFile:
    """log.csv: one row an epoch.

    Attributes:
        columns: `step`, `epoch`, `lr`, `train_loss`, then `train/` and the name of each part of the loss where it is
            logged by parts, then `val/` and the key of each validation score.
    """

    def __init__(self, path: Path, *, score_keys: Sequence[str], part_names: Sequence[str] = ()) -> None:
        self._path = path
        parts, scores = (f"train/{name}" for name in part_names), (f"val/{key}" for key in score_keys)
        self.columns = ("step", "epoch", "lr", "train_loss", *parts, *scores)

    def begin(self, *, after_step: int) -> None:
        """Keep the rows up to a checkpoint's step and drop those that were written after it."""
        rows = [row for row in read_log(self._path) if int(row["step"]) <= after_step] if after_step else []
        write_text_atomically(self._path, self._lines(None, *rows))

    def append(self, row: Mapping[str, object]) -> None:
        """Add a row; columns that it does not name stay empty."""
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._lines(row).split("\n", 1)[1])

    def _lines(self, *rows: Mapping[str, object] | None) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row is not None)
        return text.getvalue()


def read_log(path: Path) -> list[dict[str, str]]:
    """The complete rows of a log.csv; a last line that was cut short by a kill is left out. No file, no rows."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole_lines = text[: text.rfind("\n") + 1]
    return [row for row in csv.DictReader(io.StringIO(whole_lines)) if None not in row.values()]


def _says_nothing(path: Path) -> bool:
    """Whether a file is a temporary one of a run that was killed, or the folder's lock."""
    return path.name in LOCK_FILES or (path.name.startswith(".") and ".part." in path.name)


_ABSENT = object()
