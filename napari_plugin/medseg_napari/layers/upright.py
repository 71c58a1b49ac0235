"""The order of axes in which arrays of one image compare, whichever file they come from."""

from __future__ import annotations

from medseg.geometry import Grid
from medseg.geometry.orientation import AxisReordering, reordering_to


def upright(grid: Grid) -> AxisReordering:
    """From a grid's axes to z, y, x along left, back and head, or to y, x of a picture along its world's axes.

    Formats without a patient, such as OME-TIFF, hold the axes of a volume in another order, and some against theirs.
    """
    if len(grid.spatial_shape) == 3:
        along = reordering_to(grid.affine, "LPS")
        return AxisReordering(along.permutation[::-1], along.flips[::-1])
    linear = grid.affine.linear
    is_turned = abs(linear[0, 0] * linear[1, 1]) > abs(linear[0, 1] * linear[1, 0])
    axes = (1, 0) if is_turned else (0, 1)
    return AxisReordering(axes, (bool(linear[1, axes[0]] < 0), bool(linear[0, axes[1]] < 0)))
