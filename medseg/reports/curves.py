"""Charts as SVG that take their colours from the page, so that they suit light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from medseg.reports.style import STYLE

INK, LINE = "#010203", "#010204"
SERIES = ("#010205", "#010206", "#010207", "#010208", "#010209", "#010210")
_PAGE_COLOURS = {INK: "var(--faint)", LINE: "var(--line)"} | {
    colour: f"var(--series-{number + 1})" for number, colour in enumerate(SERIES)
}
"""Colours that nothing else uses -> the page's variable that replaces each in the finished SVG."""

_SVG_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
}


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: in the legend.
        x: positions, ascending.
        y: values; nan leaves a gap.
        faint: whether it is drawn thin, behind the others.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    faint: bool = False


def line_chart(
    series: Sequence[Series], *, x_label: str, log_scale: bool = False, marked_x: float | None = None
) -> str:
    """SVG of the lines, to be put into a page that uses the style of `medseg.reports.style`.

    Args:
        series: the lines, six at most.
        x_label: what runs to the right.
        log_scale: whether values are shown by their logarithm.
        marked_x: position of a dashed upright line (the best epoch).
    """

    def draw(axes: Axes) -> None:
        _draw_lines(axes, series)
        if marked_x is not None:
            axes.axvline(marked_x, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        if log_scale and all(value > 0 for line in series for value in line.y if value == value):  # noqa: PLR0124 - nan
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))

    return chart(draw, x_label=x_label, salt="-".join([x_label, *(line.name for line in series)]))


def chart(draw: Callable[[Axes], None], *, x_label: str, y_label: str = "", salt: str) -> str:
    """SVG of what `draw` draws, in the look of all charts.

    Args:
        draw: draws into the axes, in the colours `INK`, `LINE` and `SERIES`, which the page replaces.
        x_label: what runs to the right.
        y_label: what runs up.
        salt: tells this chart from others of the page.
    """
    with mpl.rc_context({**_SVG_SETTINGS, "svg.hashsalt": salt}):
        figure = Figure(figsize=(4.5, 2.7), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        _dress(axes, x_label, y_label)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(stream.getvalue())


def standalone(svg: str) -> str:
    """A chart of a page as a file of its own, in the page's colours by day, on white."""
    colours = dict(re.findall(r"(--[a-z0-9-]+):(#[0-9a-f]+)", STYLE[: STYLE.index("}")]))
    for name, colour in colours.items():
        svg = svg.replace(f"var({name})", colour)
    return svg.replace("<svg", '<svg style="background:#fff;font-family:sans-serif"', 1)


def smoothed(values: Sequence[float], *, weight: float = 0.9) -> list[float]:
    """Running mean that forgets with `weight` a step; unbiased at the beginning."""
    result, total, mass = [], 0.0, 0.0
    for value in values:
        total = weight * total + (1 - weight) * value
        mass = weight * mass + (1 - weight)
        result.append(total / mass)
    return result


def _draw_lines(axes: Axes, series: Sequence[Series]) -> None:
    plain = [line for line in series if not line.faint]
    for line in series:
        colour = SERIES[plain.index(line) % len(SERIES)] if not line.faint else SERIES[0]
        few = len(line.x) <= 40 and not line.faint
        axes.plot(
            line.x,
            line.y,
            color=colour,
            linewidth=0.7 if line.faint else 1.7,
            alpha=0.35 if line.faint else 1.0,
            marker="o" if few else None,
            markersize=3,
            label="_" if line.faint else line.name,
        )
    if len(plain) > 1:
        axes.legend(fontsize=8, frameon=False, labelcolor=INK, loc="best", handlelength=1.4)


def _dress(axes: Axes, x_label: str, y_label: str) -> None:
    axes.set_xlabel(x_label, fontsize=8.5, color=INK)
    axes.set_ylabel(y_label, fontsize=8.5, color=INK)
    axes.tick_params(labelsize=8, colors=INK, length=0, which="both")
    axes.grid(visible=True, color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(LINE)


def _for_page(svg: str) -> str:
    """The SVG element alone, with the page's colours and fonts."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    for colour, variable in _PAGE_COLOURS.items():
        element = element.replace(colour, variable)
    return element.replace("'DejaVu Sans'", "inherit")
