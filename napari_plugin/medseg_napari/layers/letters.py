"""Which way is which on the screen: the letters at the edges, and the depth that makes no mirror image of a patient.

Everything is told by the directions in which the axes on the screen lead through the patient, in LPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.geometry import WorldFrame
from medseg_napari.layers.origin import Origin
from medseg_napari.layers.placement import ORIGIN

_TOWARDS = ("L", "P", "S")
_AGAINST = ("R", "A", "I")
_SECOND_LETTER_FROM = np.sin(np.radians(5))
"""Component from which a direction gets its second letter: more than 5 degrees off the first letter's axis."""


@dataclass(frozen=True)
class EdgeLetters:
    """What lies towards each edge of the canvas: one letter, or two where the slice is oblique."""

    left: str
    right: str
    top: str
    bottom: str


def letters_of(direction: NDArray[np.floating]) -> str:
    """The nearest letter and, where it is needed, the next: "LP" leads to the left, and less so to the back.

    Args:
        direction: unit vector in LPS.
    """
    order = np.argsort(-np.abs(direction), kind="stable")[:2]
    letters = [(_TOWARDS if direction[axis] > 0 else _AGAINST)[axis] for axis in order]
    return "".join(letters if abs(direction[order[1]]) > _SECOND_LETTER_FROM else letters[:1])


def edge_letters(layer: Any, displayed: Sequence[int], *, ndim: int, orientation: Sequence[Any]) -> EdgeLetters | None:
    """The letters around a slice; None where the screen does not show two axes of the patient.

    Args:
        layer: a volume of a patient.
        displayed: axes of the viewer on the screen, the vertical one first.
        ndim: number of the viewer's axes.
        orientation: where they grow, ("down", "right") for example.
    """
    directions = _directions(layer, displayed, ndim=ndim)
    if directions is None or len(directions) != 2:
        return None
    down = directions[0] if str(orientation[0]) == "down" else -directions[0]
    right = directions[1] if str(orientation[1]) == "right" else -directions[1]
    return EdgeLetters(left=letters_of(-right), right=letters_of(right), top=letters_of(-down), bottom=letters_of(down))


def true_depth(layer: Any, displayed: Sequence[int], *, ndim: int, orientation: Sequence[Any]) -> str | None:
    """Where the first displayed axis must grow in 3-D, "away" or "towards", so that the patient is no mirror image.

    Right, down and away from the eye are right-handed, as are left, back and head.

    Args:
        layer: a volume of a patient.
        displayed: the three axes of the viewer on the screen in 3-D, depth first.
        ndim: number of the viewer's axes.
        orientation: where the second and the third grow, ("down", "right") for example.
    """
    directions = _directions(layer, displayed, ndim=ndim)
    if directions is None or len(directions) != 3:
        return None
    away, down, right = directions
    flips = (str(orientation[0]) != "down") + (str(orientation[1]) != "right")
    is_right_handed = np.linalg.det([right, down, away]) * (-1) ** flips > 0
    return "away" if is_right_handed else "towards"


def is_of_patient(layer: Any) -> bool:
    """Whether a layer shows a volume of a patient, on the grid it was opened with."""
    origin = layer.metadata.get(ORIGIN)
    return isinstance(origin, Origin) and origin.is_patient_volume and origin.shape == tuple(layer.data.shape)


def _directions(layer: Any, axes: Sequence[int], *, ndim: int) -> NDArray[np.float64] | None:
    """(axes, 3) unit vectors in LPS along which the viewer's axes lead through the patient."""
    in_layer = [axis - (ndim - 3) for axis in axes]
    if min(in_layer) < 0:
        return None
    linear = layer.metadata[ORIGIN].affine.to_frame(WorldFrame.LPS).linear
    here = np.asarray(layer.world_to_data((0.0, 0.0, 0.0)))
    steps = np.array([np.asarray(layer.world_to_data(np.eye(3)[axis])) - here for axis in in_layer])
    directions = steps @ linear.T
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)
