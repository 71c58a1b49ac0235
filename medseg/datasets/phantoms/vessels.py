"""Branching trees of vessels, drawn as centre lines with a radius."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_SMALLEST_RADIUS_MM = 0.7


def draw_tree(
    rng: np.random.Generator,
    root_mm: NDArray[np.float64],
    direction: NDArray[np.float64],
    *,
    radius_mm: float,
    length_mm: float,
    levels: int,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The branches of one tree, each as points, (3, 3) in mm, and radii, (3,) in mm.

    A branch bends once and splits in two whose radii keep the flow (r^3 = r1^3 + r2^3, Murray 1926,
    doi 10.1073/pnas.12.3.207).
    """
    direction = direction / np.linalg.norm(direction)
    length = length_mm * rng.uniform(0.7, 1.25)
    bend = root_mm + length * 0.5 * _turned(rng, direction, 0.18)
    end = bend + length * 0.5 * _turned(rng, direction, 0.28)
    yield np.stack([root_mm, bend, end]), np.full(3, radius_mm)
    if levels <= 1:
        return
    share = rng.uniform(0.35, 0.65)
    sideways = np.cross(direction, rng.normal(size=3))
    sideways /= np.linalg.norm(sideways)
    for part, sign in ((share, 1.0), (1.0 - share, -1.0)):
        radius = radius_mm * float(part ** (1 / 3))
        if radius >= _SMALLEST_RADIUS_MM:
            lean = sign * np.tan(np.deg2rad(rng.uniform(22, 48)))
            yield from draw_tree(
                rng,
                end,
                direction + lean * sideways,
                radius_mm=radius * 0.94,
                length_mm=length_mm * 0.78,
                levels=levels - 1,
            )


def _turned(rng: np.random.Generator, direction: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
    turned = direction + rng.normal(0.0, amount, 3)
    return np.asarray(turned / np.linalg.norm(turned))
