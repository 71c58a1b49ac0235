"""Telling a person how a run goes: a bar on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_SECONDS_BETWEEN_LINES = 30.0
_SHOWN_SCORES = ("v_rand", "v_info", "mean_dice", "mean_iou", "object_f1", "panoptic_quality")
"""Scores that fit into a line; log.csv has them all."""


class Reporter(Protocol):
    """Who is told how a run goes."""

    def begin(self, *, step: int, total_steps: int) -> None:
        """The run starts, or goes on, after `step` of `total_steps` steps."""
        ...

    def on_step(self, step: int, *, loss: float, lr: float) -> None:
        """A step was done."""
        ...

    def on_epoch(self, step: int, *, loss: float, lr: float, scores: Mapping[str, float], is_best: bool) -> None:
        """A validation was done; `loss` is the mean over the epoch."""
        ...

    def say(self, text: str) -> None:
        """Something happened that a person wants to know."""
        ...

    def end(self) -> None:
        """The last step was done, or the run stopped."""
        ...


def choose_reporter(*, quiet: bool, stream: TextIO | None = None) -> Reporter:
    """The reporter that fits: silence if asked for, a bar on a terminal, plain lines elsewhere."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        return SilentReporter()
    return BarReporter(stream) if stream.isatty() else LineReporter(stream)


class SilentReporter:
    """Says nothing."""

    def begin(self, *, step: int, total_steps: int) -> None:
        """Nothing."""

    def on_step(self, step: int, *, loss: float, lr: float) -> None:
        """Nothing."""

    def on_epoch(self, step: int, *, loss: float, lr: float, scores: Mapping[str, float], is_best: bool) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class LineReporter:
    """One line an epoch, and one every half minute within long epochs; fits a log file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._clock = RemainingTime(step=0, total_steps=1)
        self._last_line = time.monotonic()

    def begin(self, *, step: int, total_steps: int) -> None:
        """Start the clock."""
        self._clock = RemainingTime(step=step, total_steps=total_steps)

    def on_step(self, step: int, *, loss: float, lr: float) -> None:
        """Write a line when the last one is old."""
        if time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self.say(f"step {step}/{self._clock.total_steps}  loss {loss:.4f}  lr {lr:.2e}  {self._clock.after(step)}")

    def on_epoch(self, step: int, *, loss: float, lr: float, scores: Mapping[str, float], is_best: bool) -> None:
        """Write the line of an epoch."""
        self.say(
            f"step {step}/{self._clock.total_steps}  loss {loss:.4f}  lr {lr:.2e}  "
            f"{describe_scores(scores, is_best=is_best)}  {self._clock.after(step)}"
        )

    def say(self, text: str) -> None:
        """Write a line."""
        self._last_line = time.monotonic()
        self._stream.write(text + "\n")
        self._stream.flush()

    def end(self) -> None:
        """Nothing: each line is complete."""


class BarReporter:
    """A bar that moves with each step, with a line above it for each epoch."""

    def __init__(self, stream: TextIO) -> None:
        self._clock = RemainingTime(step=0, total_steps=1)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task("", total=1)

    def begin(self, *, step: int, total_steps: int) -> None:
        """Show the bar."""
        self._clock = RemainingTime(step=step, total_steps=total_steps)
        self._bar.update(self._task, total=total_steps, completed=step)
        self._bar.start()

    def on_step(self, step: int, *, loss: float, lr: float) -> None:
        """Move the bar."""
        text = f"loss {loss:.4f}  lr {lr:.2e}  {self._clock.after(step)}"
        self._bar.update(self._task, completed=step, description=text)

    def on_epoch(self, step: int, *, loss: float, lr: float, scores: Mapping[str, float], is_best: bool) -> None:
        """Write the line of an epoch above the bar."""
        self.say(f"step {step}  loss {loss:.4f}  lr {lr:.2e}  {describe_scores(scores, is_best=is_best)}")

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def end(self) -> None:
        """Remove the bar."""
        self._bar.stop()


class RemainingTime:
    """How long a run will still take, validations included, at its mean speed since it started or went on."""

    def __init__(self, *, step: int, total_steps: int) -> None:
        self.total_steps = total_steps
        self._first_step = step
        self._started = time.monotonic()

    def after(self, step: int) -> str:
        """The remaining time after `step`, in words: "ETA 3 min 20 s"."""
        done = step - self._first_step
        if done <= 0:
            return "ETA unknown"
        seconds = (time.monotonic() - self._started) / done * (self.total_steps - step)
        return f"ETA {describe_duration(seconds)}"


def describe_duration(seconds: float) -> str:
    """A duration with its two largest units: "45 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def describe_scores(scores: Mapping[str, float], *, is_best: bool) -> str:
    """The main scores of an epoch in a line; a star marks the best so far."""
    shown = [key for key in _SHOWN_SCORES if key in scores]
    return "  ".join(f"{key} {scores[key]:.4f}" for key in shown) + (" *" if is_best else "")
