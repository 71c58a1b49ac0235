"""One fine-tuning in a process of its own: begun, paused, gone on with, ended early, and followed."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medseg.training.run_folder import RunFolder
from medseg_napari.learning.fine_tuning import Plan
from medseg_napari.learning.progress import RunProgress, RunState, curves, newest_preview, score_in

_COMMAND = "from medseg.cli.main import main; main()"
_SECONDS_BETWEEN_LOOKS = 0.3
_SECONDS_TO_STOP = 10.0
_PLAN, _RECIPE, _SAID = ".plan.json", ".yaml", ".txt"
_BEGUN: weakref.WeakSet[FineTuning] = weakref.WeakSet()
"""Runs that must not outlive this process, which would have nobody to follow them."""


class FineTuning:
    """A run of `medseg train`, and what is known of it.

    The command is the one that anybody can type, so the result is the same. All methods return at once; a thread
    follows the process and keeps `progress` up to date.

    Args:
        folder: of the run; recipe, plan and what the command says lie beside it.
        data: the set of corrected images.
    """

    def __init__(self, folder: Path, *, data: Path) -> None:
        self.folder = folder
        self.data = data
        self.plan = Plan.read(_beside(folder, _PLAN))
        self._files = RunFolder(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._wanted = RunState.PAUSED
        self._lock = threading.Lock()
        self._progress = self._look(RunState.FINISHED if self._files.is_finished else RunState.PAUSED)

    @property
    def name(self) -> str:
        """Name of the model that comes of it."""
        return self.folder.name

    @property
    def progress(self) -> RunProgress:
        """Where it stands, as of a moment ago."""
        return self._progress

    @property
    def is_running(self) -> bool:
        """Whether its process still runs, or is being started."""
        return self._progress.state is RunState.RUNNING

    def start(self) -> None:
        """Begin, or go on where it was stopped."""
        if self.is_running:
            return
        self.wait(_SECONDS_TO_STOP)  # the thread has said all it had to say, and is about to end
        self._wanted = RunState.FINISHED
        self._progress = replace(self._progress, state=RunState.RUNNING, seconds_left=None, message="")
        _BEGUN.add(self)
        self._thread = threading.Thread(target=self._follow, name=f"fine-tuning {self.name}", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Stop after the step under way; everything that was done is kept."""
        self._wanted = RunState.PAUSED
        self._signal()

    def finish(self) -> None:
        """End now, with the best weights so far as the model; before the first judgement there are none."""
        if not self._progress.scores:
            self.pause()
            return
        self.plan = replace(self.plan, steps=int(self._progress.step), minutes=None)
        self.plan.write(_beside(self.folder, _PLAN))
        if self.is_running:
            self._wanted = RunState.RUNNING  # the thread starts the process again, to do no more than what was done
            self._signal()
        else:
            self.start()

    def wait(self, seconds: float) -> bool:
        """Whether it stopped within `seconds`."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.is_running

    def _signal(self) -> None:
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._process.terminate()

    def _follow(self) -> None:
        """In a thread of its own: run the command until what is wanted has happened."""
        begun = time.monotonic()
        while True:
            code = self._run_once(begun)
            if self._wanted is not RunState.RUNNING:
                break
            self._wanted = RunState.FINISHED
        self._progress = self._ended(code)

    def _run_once(self, begun: float) -> int:
        with _beside(self.folder, _SAID).open("ab") as said, self._lock:
            if self._wanted is RunState.PAUSED:
                return 0
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments of our own
                self._command(), stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=_environment()
            )
        pace = _Pace()
        while self._process.poll() is None:
            seen = self._look(RunState.RUNNING)
            self._progress = replace(seen, seconds_left=self._seconds_left(pace, seen, begun))
            if self.plan.minutes is not None and seen.scores and time.monotonic() - begun > 60 * self.plan.minutes:
                self.finish()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return self._process.returncode

    def _command(self) -> Sequence[str]:
        arguments = ["train", str(_beside(self.folder, _RECIPE)), "--data", str(self.data)]
        arguments += ["--output", str(self.folder), "--device", self.plan.device]
        arguments += ["--set", f"training.steps={self.plan.total_steps}"]
        if self._files.config.exists():
            arguments.append("--resume")
        return [sys.executable, "-P", "-c", _COMMAND, *arguments]

    def _look(self, state: RunState) -> RunProgress:
        loss, scores = curves(self._files, score=self.plan.score)
        return RunProgress(
            state=state,
            step=int(loss[-1][0]) if loss else 0,
            total_steps=self.plan.total_steps,
            loss=loss,
            scores=scores,
            parent_score=score_in(self._files.parent_metrics, score=self.plan.score),
            preview=newest_preview(self._files),
        )

    def _seconds_left(self, pace: _Pace, seen: RunProgress, begun: float) -> float | None:
        if self.plan.minutes is not None:
            return max(0.0, 60 * self.plan.minutes - (time.monotonic() - begun))
        return pace.seconds_left(seen.step, seen.total_steps)

    def _ended(self, code: int) -> RunProgress:
        if self._files.is_finished:
            return self._look(RunState.FINISHED)
        if code == 0 or self._wanted is RunState.PAUSED:
            return self._look(RunState.PAUSED)
        return replace(self._look(RunState.FAILED), message=_last_line(_beside(self.folder, _SAID)))

    @property
    def score(self) -> float | None:
        """Of the finished model on the images that are held back."""
        return score_in(self._files.metrics, score=self.plan.score)


def prepare_run(folder: Path, plan: Plan) -> Path:
    """Keep the plan of a run that is to be; returns the file that its recipe belongs into."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    plan.write(_beside(folder, _PLAN))
    return _beside(folder, _RECIPE)


def unfinished_run(runs: Path) -> Path | None:
    """The newest run folder that was begun and not ended, and may go on."""
    begun = [path.with_name(path.name.removesuffix(_PLAN)) for path in runs.glob(f"*{_PLAN}")]
    waiting = [path for path in begun if not RunFolder(path).is_finished]
    return max(waiting, key=lambda path: _beside(path, _PLAN).stat().st_mtime, default=None)


def discard_run(folder: Path) -> None:
    """Delete a run that shall not go on."""
    import shutil

    for suffix in (_PLAN, _RECIPE, _SAID):
        _beside(folder, suffix).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def pause_all() -> None:
    """Pause every run and wait for it, as when the program ends."""
    running = [run for run in _BEGUN if run.is_running]
    for run in running:
        run.pause()
    for run in running:
        run.wait(_SECONDS_TO_STOP)


atexit.register(pause_all)


class _Pace:
    """Seconds a step, between the first look and the latest."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None

    def seconds_left(self, step: int, total: int) -> float | None:
        """About how long the rest takes; None before two judgements were seen."""
        now = time.monotonic()
        if self._last is None or step != self._last[0]:
            self._last = (step, now)
            self._first = self._first or self._last
        assert self._first is not None  # noqa: S101 - set above
        done, spent = self._last[0] - self._first[0], self._last[1] - self._first[1]
        return None if done <= 0 else max(0.0, (total - step) * spent / done - (now - self._last[1]))


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f"{folder.name}{suffix}")


def _environment() -> dict[str, str]:
    """One core is left to the window."""
    cores = max(1, (os.cpu_count() or 2) - 1)
    return {"OMP_NUM_THREADS": str(cores), **os.environ}


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("medseg: ") if lines else "The training ended without a word. Try again."
