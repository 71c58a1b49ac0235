"""From what a folder holds to a recipe for it: each setting by a rule, with the measured reason beside it.

The rules for voxel size, patches and levels follow nnU-Net (Isensee 2021, doi 10.1038/s41592-020-01008-z): the median
voxel size, patches with the proportions of the images as large as the memory allows, and steps down along an axis only
while it is not much coarser than the others. Budgets are those of medseg's own recipes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medseg.training.data_facts import ORIENTATION, CaseFacts
from medseg.training.label_meaning import LabelMeaning

_AIR_HU = -900.0
_COARSE = 3.0
"""Voxels this many times as thick as wide are anisotropic, as in nnU-Net."""
_RARE, _EVERYWHERE = 1e-3, 0.2
"""Shares of labelled voxels below which patches are drawn around them more often, and above which any place will do."""
_FEW = 0.02
"""Share of labelled voxels below which several regions in a volume are counted as lesions."""
_MOST_PATCHES = 16
_THIN_VOXEL = 8.0
"""Length of the typical object in a picture below which the network sees a finer grid."""
_FINER = 2
_SMALLEST_LEVEL = 4
"""Voxels along an axis of the coarsest level."""
_SIDES = re.compile(r"(?i)(?:^|[^a-z])(left|right|l|r|links|rechts|gauche|droite|sin|dex)(?:[^a-z]|$)")


@dataclass
class Plan:
    """Settings of a recipe, and why they are so.

    Attributes:
        settings: of the recipe, as YAML has them.
        reasons: dotted path of a setting -> why, in a sentence.
    """

    settings: dict[str, Any]
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Budget:
    """What a profile can afford."""

    voxels: int
    most_levels: int
    width: int
    max_width: int
    batch_size: int
    steps: int
    lr: float


_CPU = {2: _Budget(256**2, 5, 16, 112, 2, 2000, 3e-3), 3: _Budget(64**3, 4, 12, 96, 2, 1000, 3e-3)}
_GPU = {2: _Budget(512**2, 7, 32, 512, 12, 20000, 1e-3), 3: _Budget(128**3, 6, 32, 320, 2, 20000, 1e-3)}


def make_plan(facts: Sequence[CaseFacts], meaning: LabelMeaning, *, name: str, data: Mapping[str, Any]) -> Plan:
    """The recipe for a folder.

    Args:
        facts: of its cases.
        meaning: of its label files.
        name: of the recipe.
        data: options of the data set `folder` that the user gave.
    """
    plan = Plan({"schema_version": 1, "name": name})
    _plan_data(plan, facts, meaning, data)
    kind = _plan_intensity(plan, facts)
    shape, spacing = _plan_grid(plan, facts, kind)
    _plan_sampling(plan, facts, meaning, kind)
    shape = tuple(size * plan.settings["transforms"].get("magnification", 1) for size in shape)
    dims = len(shape)
    cpu, gpu = _CPU[dims], _GPU[dims]
    shapes = {budget: _patch(shape, spacing, budget) for budget in (cpu, gpu)}
    plan.settings["transforms"]["patch_size"] = list(shapes[cpu][0])
    plan.reasons["transforms.patch_size"] = (
        f"Images have about {_times(shape)} voxels on this grid; as much of that as {cpu.voxels:,} voxels hold."
    )
    plan.settings["model"] = {"name": "unet", "options": _network(cpu, shapes[cpu][1], dims)}
    plan.settings["loss"] = {"name": "dice_focal"}
    plan.reasons["model"] = f"{len(shapes[cpu][1]) + 1} levels, the coarsest of {_coarsest(*shapes[cpu])} voxels."
    monitor = "object_f1" if meaning.objects else "mean_dice"
    plan.settings["training"] = _training(cpu, shapes[cpu][0]) | {"monitor": monitor}
    plan.reasons["training.steps"] = "More may help where the scores in the run's report still rise."
    plan.settings["inference"] = {"overlap_fraction": 0.25 if dims == 2 else 0.5}
    _plan_evaluation(plan, facts, meaning, dims)
    plan.settings["profiles"] = {
        "cpu": {},
        "gpu": {
            "transforms": {"patch_size": list(shapes[gpu][0])},
            "model": {"options": _network(gpu, shapes[gpu][1], dims)},
            "training": _training(gpu, shapes[gpu][0]) | {"num_workers": 8},
            "inference": {"overlap_fraction": 0.5},
        },
    }
    plan.reasons["profiles.cpu"] = "The settings above."
    return plan


def _plan_data(plan: Plan, facts: Sequence[CaseFacts], meaning: LabelMeaning, data: Mapping[str, Any]) -> None:
    options: dict[str, Any] = {"labels": list(meaning.labels), **data}
    if meaning.objects:
        options["objects"] = True
        plan.reasons["data.options.objects"] = f"Numbers of single objects: {meaning.why}."
    else:
        plan.reasons["data.options.labels"] = f"Classes: {meaning.why}. Rename them as you like, in this order."
    if meaning.value_map is not None:
        options["value_map"] = dict(meaning.value_map)
    plan.settings["data"] = {"dataset": "folder", "options": options}
    plan.reasons["data"] = f"{len(facts)} cases."


def _plan_intensity(plan: Plan, facts: Sequence[CaseFacts]) -> str:
    """Decide how values are scaled; returns the pipeline."""
    modalities = {one.modality for one in facts}
    is_patient = all(one.is_patient for one in facts)
    in_hu = all(one.least <= _AIR_HU for one in facts)
    transforms = plan.settings["transforms"] = {}
    if is_patient and (modalities == {"CT"} or (modalities == {None} and in_hu)):
        values = np.concatenate([one.foreground_values for one in facts])
        lower, upper = (float(np.round(value)) for value in np.percentile(values, (0.5, 99.5)))
        transforms |= {
            "pipeline": "ct",
            "intensity": {"kind": "window", "lower": lower, "upper": max(upper, lower + 1)},
        }
        plan.reasons["transforms.pipeline"] = (
            "The files say that it is CT."
            if modalities == {"CT"}
            else f"Every image has values of {_AIR_HU:g} or less, as air has in CT (HU). If it is none, make it mr."
        )
        plan.reasons["transforms.intensity"] = "What 99 % of the labelled voxels have."
        return "ct"
    if is_patient:
        zeros = float(np.median([one.zero_share for one in facts]))
        transforms |= {"pipeline": "mr", "intensity": {"kind": "standard", "nonzero": zeros > 0.2}}
        if zeros > 0.2:
            plan.reasons["transforms.intensity"] = f"{zeros:.0%} of the voxels are 0: no tissue."
        return "mr"
    transforms |= {"pipeline": "microscopy", "intensity": {"kind": "percentile", "lower": 1.0, "upper": 99.8}}
    return "microscopy"


def _plan_grid(plan: Plan, facts: Sequence[CaseFacts], kind: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Decide the grid; returns the images' median shape on it, and its voxel size (1 where none is known)."""
    transforms = plan.settings["transforms"]
    if kind != "microscopy":
        transforms["orientation"] = ORIENTATION
    shapes = np.array([one.shape for one in facts], dtype=float)
    known = [one.spacing_mm for one in facts if one.spacing_mm is not None]
    if len(known) < len(facts):
        return tuple(np.median(shapes, axis=0)), (1.0,) * shapes.shape[1]
    spacings = np.array(known)
    target = np.median(spacings, axis=0)
    coarsest = int(target.argmax())
    if target.max() > _COARSE * target.min():
        target[coarsest] = np.percentile(spacings[:, coarsest], 10)
    target = np.array([float(f"{value:.4g}") for value in target])
    ranges = [
        f"{low:.3g}" if math.isclose(low, high, rel_tol=1e-3) else f"{low:.3g}..{high:.3g}"
        for low, high in zip(spacings.min(axis=0), spacings.max(axis=0), strict=True)
    ]
    median = ": the median" if any(".." in one for one in ranges) else " throughout"
    if kind != "microscopy" or not np.allclose(spacings, target, rtol=1e-3):
        transforms["spacing_mm"] = [float(value) for value in target]
        plan.reasons["transforms.spacing_mm"] = f"Voxels are {' x '.join(ranges)} mm{median}."
    return tuple(np.median(shapes * spacings / target, axis=0)), tuple(target)


def _plan_sampling(plan: Plan, facts: Sequence[CaseFacts], meaning: LabelMeaning, kind: str) -> None:
    """Decide where patches lie, and how they may be changed."""
    transforms = plan.settings["transforms"]
    dims = len(facts[0].shape)
    share = _foreground_share(facts)
    fraction = 0.67 if share < _RARE else 0.0 if share > _EVERYWHERE else 0.33
    transforms["foreground_fraction"] = fraction
    plan.reasons["transforms.foreground_fraction"] = f"{_percent(share)} of the voxels are labelled."
    if kind != "microscopy":
        transforms["crop_foreground"] = True
    if meaning.objects:
        transforms["object_rims"] = {"width_voxel": 1}
        length = float(np.median([side for one in facts for side in one.value_sides]))
        if dims == 2 and length < _THIN_VOXEL and "spacing_mm" not in transforms:
            transforms["magnification"] = _FINER
            plan.reasons["transforms.magnification"] = f"Half of the objects are at most {length:.0f} pixels long."
    sided = [label for label in meaning.labels[1:] if _SIDES.search(label)]
    if sided:
        transforms["augmentation"] = {"flip_probability": 0.0, "rotate90_probability": 0.0}
        plan.reasons["transforms.augmentation"] = f"A mirror image would turn {sided[0]!r} into the other side."
    elif dims == 2 and all(one.modality is None for one in facts):
        transforms["augmentation"] = {"affine_probability": 0.7, "rotate_degrees": 180.0, "scale_fraction": 0.25}
        plan.reasons["transforms.augmentation"] = "A microscope knows no top and no bottom."
    else:
        transforms["augmentation"] = {"rotate90_probability": 0.0}
        plan.reasons["transforms.augmentation"] = "None of them lies turned by a quarter."


def _plan_evaluation(plan: Plan, facts: Sequence[CaseFacts], meaning: LabelMeaning, dims: int) -> None:
    task = "instances" if meaning.objects else "semantic"
    if meaning.objects:
        sizes = [count for one in facts for value, count in one.label_values.items() if value]
        small = int(np.percentile(sizes, 1))
        least = {"min_seed_voxels": max(1, small // 4), "min_voxels": max(1, small // 2)}
        plan.settings["inference"]["rims"] = least
        plan.reasons["inference.rims"] = f"99 % of the {len(sizes)} objects have {small} voxels or more."
    regions = sum(len(one.sides) for one in facts)
    is_one_class = len(meaning.labels) == 2 and not meaning.objects
    if dims == 3 and is_one_class and regions > len(facts) and _foreground_share(facts) < _FEW:
        task = "lesions"
        plan.reasons["evaluation.task"] = f"{regions} separate regions: also counted as found or missed."
    plan.settings["evaluation"] = {"task": task}


def _foreground_share(facts: Sequence[CaseFacts]) -> float:
    total = sum(sum(one.label_values.values()) for one in facts)
    return 1 - sum(one.label_values.get(0, 0) for one in facts) / total


def _patch(
    shape: Sequence[float], spacing: Sequence[float], budget: _Budget
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Patch size, and the factors from each level to the next coarser one."""
    # A cube in mm, cut to the image, as large as the budget allows: found by bisection of its side.
    low, high = 0.0, max(size * step for size, step in zip(shape, spacing, strict=True))
    for _ in range(60):
        middle = (low + high) / 2
        wanted = [min(size, middle / step) for size, step in zip(shape, spacing, strict=True)]
        low, high = (middle, high) if math.prod(wanted) <= budget.voxels else (low, middle)
    wanted = [min(size, high / step) for size, step in zip(shape, spacing, strict=True)]
    strides = _strides(wanted, spacing, budget.most_levels)
    divisors = [math.prod(one[axis] for one in strides) for axis in range(len(wanted))]
    sizes = (max(1, round(size / divisor)) * divisor for size, divisor in zip(wanted, divisors, strict=True))
    return tuple(sizes), strides


def _strides(patch: Sequence[float], spacing: Sequence[float], most_levels: int) -> list[tuple[int, ...]]:
    """Factors down to the coarsest level: axes that are twice as coarse as the finest one wait."""
    sizes, steps = list(patch), list(spacing)
    found: list[tuple[int, ...]] = []
    while len(found) < most_levels - 1:
        large = [size / 2 >= _SMALLEST_LEVEL for size in sizes]
        if not any(large):
            break
        finest = min(step for step, is_large in zip(steps, large, strict=True) if is_large)
        factors = tuple(2 if is_large and step < 2 * finest else 1 for step, is_large in zip(steps, large, strict=True))
        found.append(factors)
        sizes = [size / factor for size, factor in zip(sizes, factors, strict=True)]
        steps = [step * factor for step, factor in zip(steps, factors, strict=True)]
    return found or [(1,) * len(sizes)]


def _coarsest(patch: Sequence[int], strides: Sequence[tuple[int, ...]]) -> str:
    """Size of a patch on the coarsest level."""
    return _times([size // math.prod(one[axis] for one in strides) for axis, size in enumerate(patch)])


def _network(budget: _Budget, strides: Sequence[tuple[int, ...]], dims: int) -> dict[str, Any]:
    options: dict[str, Any] = {"width": budget.width, "depth": len(strides) + 1, "max_width": budget.max_width}
    if any(set(one) != {2} for one in strides):
        options["strides"] = [list(one) for one in strides]
    if dims == 3:
        options["norm"] = "instance"
    return options


def _training(budget: _Budget, patch: Sequence[int]) -> dict[str, Any]:
    affordable = budget.batch_size * budget.voxels // math.prod(patch)
    return {
        "steps": budget.steps,
        "steps_per_epoch": budget.steps // 10,
        "batch_size": min(max(affordable, budget.batch_size), _MOST_PATCHES),
        "optimiser": {"name": "adamw", "lr": budget.lr, "weight_decay": 1e-2},
        "schedule": {"name": "cosine", "warmup_steps": budget.steps // 20},
        "ema_decay": 0.995 if budget.steps < 10_000 else 0.999,
    }


def _times(shape: Sequence[float]) -> str:
    return " x ".join(f"{size:.0f}" for size in shape)


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 1e-2 else f"{share * 100:.2g}%"
