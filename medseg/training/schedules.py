"""How the learning rate changes over a run, as a function of the step alone."""

from __future__ import annotations

import math

from medseg.config.recipe import ScheduleConfig


def lr_factor(step: int, *, schedule: ScheduleConfig, total_steps: int) -> float:
    """Factor on the recipe's learning rate at a step, in (0, 1].

    It depends on nothing but its arguments, so a resumed run has no schedule to restore. The factor rises as
    (step + 1) / warmup_steps, is 1 on the last step of the warm-up and on the first one after it, and reaches
    `final_lr_fraction` on the run's last step.

    Args:
        step: counted from 0, the first step of the run.
        schedule: shape of the curve.
        total_steps: length of the run, warm-up included.
    """
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    remaining = total_steps - 1 - schedule.warmup_steps
    fraction = min(1.0, (step - schedule.warmup_steps) / remaining) if remaining > 0 else 0.0
    height = _CURVES[schedule.name](fraction, schedule.power)
    return schedule.final_lr_fraction + (1.0 - schedule.final_lr_fraction) * height


def _constant(fraction: float, power: float) -> float:
    return 1.0


def _cosine(fraction: float, power: float) -> float:
    """Loshchilov and Hutter 2017, eq. 5 without restarts, arXiv:1608.03983."""
    return 0.5 * (1.0 + math.cos(math.pi * fraction))


def _poly(fraction: float, power: float) -> float:
    """Chen et al. 2018, section 4.1, doi 10.1109/TPAMI.2017.2699184."""
    return float((1.0 - fraction) ** power)


_CURVES = {"constant": _constant, "cosine": _cosine, "poly": _poly}
"""Name -> height in 0..1 at a fraction 0..1 of the way from the end of the warm-up to the last step."""
