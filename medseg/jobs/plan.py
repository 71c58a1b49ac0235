"""A recipe for a folder of one's own, with the reason for each setting written beside it."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medseg.config import TrainingRecipe, load_recipe
from medseg.datasets.folder import FolderOptions, open_folder
from medseg.datasets.pairing import find_pairs
from medseg.errors import InputError
from medseg.files import write_text_atomically
from medseg.training.data_facts import check_labelled, read_facts
from medseg.training.label_meaning import label_meaning
from medseg.training.plan import Plan, make_plan
from medseg.training.progress import choose_reporter

_WIDTH = 110


@dataclass(frozen=True)
class PlannedRecipe:
    """A recipe that was written.

    Attributes:
        path: its file.
        recipe: what the file says.
        reasons: dotted path of a setting -> why it is so.
    """

    path: Path
    recipe: TrainingRecipe
    reasons: Mapping[str, str]


def plan(  # noqa: PLR0913 - the settings of one call
    folder: Path,
    *,
    output: Path | None = None,
    labels: Sequence[str] = (),
    objects: bool | None = None,
    image_pattern: str | None = None,
    label_pattern: str | None = None,
    axes: str | None = None,
    quiet: bool = False,
) -> PlannedRecipe:
    """Look at a folder of images and labels, and write a recipe for it.

    Args:
        folder: as the data set `folder` takes it.
        output: file to write; None takes FOLDER's name with .yaml, in the current folder.
        labels: names of the classes, the background first.
        objects: whether the label files hold numbers of single objects; None tells it from them, or asks.
        image_pattern: where the images lie, as in the data set's options.
        label_pattern: where the labels lie, likewise.
        axes: of the image files where these do not say.
        quiet: say nothing on stderr.

    Raises:
        InputError: no such folder, an image without its labels, or the file to write is there.
        ImageFormatError: a file cannot be read.
        GeometryError: an image and its labels lie on two grids, or images differ in channels or dimensions.
        LabelError: labels that are no whole numbers, or nothing labelled at all.
        ConfigError: whether labels are classes or objects cannot be told, or the names do not fit.
    """
    folder = Path(folder)
    given = {"image_pattern": image_pattern, "label_pattern": label_pattern, "axes": axes}
    given = {key: value for key, value in given.items() if value is not None}
    # Two names pass the check of the other options; what the classes are is found out below.
    options = FolderOptions.model_validate({"labels": ("background", "foreground"), **given})
    path = Path(f"{folder.resolve().name}.yaml") if output is None else Path(output)
    if path.exists():
        message = f"{path}: exists already and is not written over. Name another file with --output."
        raise InputError(message)
    # What a training would refuse is refused here, before all files are read.
    open_folder(folder, options)
    pairs = find_pairs(folder, image_pattern=options.image_pattern, label_pattern=options.label_pattern)
    label_axes = options.axes.upper().replace("C", "") if options.axes else None
    facts = read_facts(pairs, axes=options.axes, label_axes=label_axes, reporter=choose_reporter(quiet=quiet))
    check_labelled(facts)
    meaning = label_meaning(facts, names=labels, objects=objects)
    made = make_plan(facts, meaning, name=_name_of(folder), data=given)
    write_text_atomically(path, _text(made, folder=folder, path=path))
    return PlannedRecipe(path, load_recipe(path, profile="cpu"), made.reasons)


def _name_of(folder: Path) -> str:
    """The folder's name with the letters that names of recipes may have."""
    return re.sub(r"[^a-z0-9_]+", "_", folder.resolve().name.lower()).strip("_") or "data"


def _text(plan: Plan, *, folder: Path, path: Path) -> str:
    lines = [
        f"# Planned by medseg from what {folder.resolve().name} holds. Every setting may be changed.",
        f"#   {shlex.join(['medseg', 'train', path.name, '--data', folder.resolve().name])}",
    ]
    return "\n".join(lines + _lines(plan.settings, plan.reasons)) + "\n"


def _lines(settings: Mapping[str, Any], reasons: Mapping[str, str], path: str = "", indent: str = "") -> list[str]:
    lines = []
    for key, value in settings.items():
        here = f"{path}.{key}" if path else key
        if not path and isinstance(value, dict):
            lines.append("")
        if here in reasons:
            lines += textwrap.wrap(reasons[here], _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        if isinstance(value, dict) and _is_deep(value):
            lines += [f"{indent}{key}:", *_lines(value, reasons, here, f"{indent}  ")]
        else:
            lines.append(f"{indent}{key}: {_flow(value)}")
    return lines


def _is_deep(value: Mapping[str, Any]) -> bool:
    """Whether a mapping needs more than one line."""
    return any(isinstance(inner, dict) for inner in value.values()) or len(_flow(value)) > _WIDTH // 2


def _flow(value: object) -> str:
    """A value on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
