"""Charts of scores: agreement of volumes, reliability of probabilities, sensitivity against false positives."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from medseg.metrics import BlandAltman, FrocCurve, ReliabilityDiagram
from medseg.reports.curves import INK, SERIES, chart

_DASHED = (0, (4, 3))
_LEAST_MARK, _MARK_RANGE = 12.0, 160.0
"""Area of the mark of a bin without voxels, and what one with all voxels has more, in square points."""
_GAP = SERIES[1]
"""Colour of the distance between accuracy and confidence."""


def bland_altman_chart(agreement: BlandAltman, *, name: str) -> str:
    """SVG: difference over mean of each case's volumes, bias and limits with their 95 % intervals as bands."""
    lines = (
        (agreement.bias, agreement.bias_interval, SERIES[0], "bias"),
        (agreement.limits[0], agreement.lower_limit_interval, SERIES[1], "limits of agreement"),
        (agreement.limits[1], agreement.upper_limit_interval, SERIES[1], "_"),
    )

    def draw(axes: Axes) -> None:
        axes.axhline(0, color=INK, linewidth=0.8)
        for value, interval, colour, label in lines:
            axes.axhspan(*interval, color=colour, alpha=0.13, linewidth=0)
            axes.axhline(value, color=colour, linewidth=1.3, linestyle=_DASHED, label=label)
        axes.scatter(agreement.means, agreement.differences, s=14, color=SERIES[0], linewidths=0, zorder=3)
        axes.margins(x=0.08, y=0.1)
        axes.legend(fontsize=8, frameon=False, labelcolor=INK, loc="best", handlelength=1.8)

    return chart(
        draw,
        x_label="Mean of both volumes (ml)",
        y_label="Prediction - reference (ml)",
        salt=f"agreement-{name}",
    )


def reliability_chart(diagram: ReliabilityDiagram) -> str:
    """SVG: accuracy over mean confidence of each bin that holds voxels, as large as its share of them; the diagonal."""
    filled = diagram.shares > 0
    confidences, accuracies, shares = diagram.confidences[filled], diagram.accuracies[filled], diagram.shares[filled]
    # The area shows the share; the least size keeps a bin of few voxels visible.
    sizes = _LEAST_MARK + _MARK_RANGE * shares

    def draw(axes: Axes) -> None:
        axes.plot((0, 1), (0, 1), color=INK, linewidth=0.8, linestyle=_DASHED, label="calibrated")
        axes.vlines(confidences, np.minimum(accuracies, confidences), np.maximum(accuracies, confidences), color=_GAP)
        axes.plot(confidences, accuracies, color=SERIES[0], linewidth=1.2)
        axes.scatter(confidences, accuracies, s=sizes, color=SERIES[0], alpha=0.85, linewidths=0, zorder=3)
        axes.set_xlim(-0.03, 1.05)
        axes.set_ylim(-0.05, 1.05)
        axes.legend(fontsize=8, frameon=False, labelcolor=INK, loc="upper left", handlelength=1.8)

    return chart(draw, x_label="Confidence (mean of the bin)", y_label="Accuracy", salt="reliability")


def froc_chart(curve: FrocCurve) -> str:
    """SVG: sensitivity over false positives a case, as the steps that thresholds really reach."""
    rates = np.concatenate(([0.0], curve.false_positives_per_case))
    found = np.concatenate(([0.0], curve.sensitivities))

    def draw(axes: Axes) -> None:
        axes.step(rates, found, where="post", color=SERIES[0], linewidth=1.7)
        if len(rates) <= 40:
            axes.plot(rates[1:], found[1:], "o", color=SERIES[0], markersize=3.5)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(left=-0.02 * max(1.0, float(rates.max())))

    return chart(draw, x_label="False positives per case", y_label="Sensitivity", salt="froc")
