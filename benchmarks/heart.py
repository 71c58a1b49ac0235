"""The heartbeat of a window: how long its thread stands still, and how much of that is napari's own."""

import gc
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from napari.utils.events import EventEmitter
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

BEAT_MS = 10
LONGEST_WAIT_S = 600
OURS = "medseg_napari"


@dataclass(frozen=True)
class Gap:
    """From one beat to the next, in seconds.

    Attributes:
        whole: as the clock has it.
        of_napari: spent in calls that are charged to napari.
        collected: spent outside of those in Python's search for garbage, which goes through all objects of the program
            and which any thread's last new object may set off.
        computed: time of the processor that the window's thread took, without those two. What `ours` has above it
            was waited: for Python's lock, or for a processor.
    """

    whole: float
    of_napari: float
    collected: float
    computed: float

    @property
    def ours(self) -> float:
        """Everything but napari's own calls and the search for garbage."""
        return self.whole - self.of_napari - self.collected


class Heart:
    """A timer of the GUI thread, and the gaps between its beats."""

    def __init__(self) -> None:
        self.timer = QTimer()
        self.timer.setInterval(BEAT_MS)
        self.timer.timeout.connect(self._beat)
        self._depth = 0
        self._collection_began: float | None = None
        self._begin()
        self._give_ours_back()
        gc.callbacks.append(self._on_collection)
        self.timer.start()

    def _begin(self) -> None:
        self.gaps: list[Gap] = []
        self.last, self.last_computed = time.perf_counter(), time.thread_time()
        self._forget()

    def _forget(self) -> None:
        self.of_napari = self.computed_by_napari = self.collected = self.collected_here = 0.0

    def _beat(self) -> None:
        now, computed = time.perf_counter(), time.thread_time()
        # Another thread's search is over and has not been told yet: this one was given the lock first.
        self._count_collection(now, here=False)
        ours = computed - self.last_computed - self.computed_by_napari - self.collected_here
        self.gaps.append(Gap(now - self.last, self.of_napari, self.collected, ours))
        self.last, self.last_computed = now, computed
        self._forget()

    def _on_collection(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._collection_began = time.perf_counter()
        elif self._collection_began is not None:
            here = threading.current_thread() is threading.main_thread()
            self._count_collection(time.perf_counter(), here=here)

    def _count_collection(self, now: float, *, here: bool) -> None:
        if self._collection_began is not None and not self._depth:  # else it is within a call of napari
            self.collected += now - self._collection_began
            self.collected_here += here * (now - self._collection_began)
        self._collection_began = None

    def charge(self, owner: object, name: str) -> None:
        """Count the time in a method of a viewer, a layer or a class as napari's."""
        method = getattr(owner, name)

        def timed(*arguments: object, **options: object) -> object:
            if self._depth:  # within another that is charged already
                return method(*arguments, **options)
            return self._count(lambda: method(*arguments, **options), sign=1)

        (setattr if isinstance(owner, type) else object.__setattr__)(owner, name, timed)

    def _give_ours_back(self) -> None:
        """What the plugin does when napari tells it of an event is the plugin's, also within a call of napari."""
        invoke = EventEmitter._invoke_callback

        def timed(emitter: EventEmitter, callback: Callable[..., object], event: object) -> None:
            is_ours = str(getattr(callback, "__module__", "")).startswith(OURS)
            if not (is_ours and self._depth):
                invoke(emitter, callback, event)
                return
            self._count(lambda: invoke(emitter, callback, event), sign=-1)

        EventEmitter._invoke_callback = timed

    def _count(self, call: Callable[[], object], *, sign: int) -> object:
        begun, computed, depth = time.perf_counter(), time.thread_time(), self._depth
        self._depth = 1 if sign > 0 else 0
        try:
            return call()
        finally:
            self._depth = depth
            self.of_napari += sign * (time.perf_counter() - begun)
            self.computed_by_napari += sign * (time.thread_time() - computed)

    def rest(self, name: str, seconds: float) -> None:
        """Wait for some seconds; print the longest gap."""
        end = time.perf_counter() + seconds
        self.phase(name, lambda: time.perf_counter() > end)

    def phase(self, name: str, until: Callable[[], bool], *, do: Callable[[], object] = lambda: None) -> None:
        """Do something, wait until something is so, and print the longest gap."""
        self._begin()
        begun = time.perf_counter()
        do()
        while not until():
            QApplication.processEvents()
            time.sleep(0.001)
            if time.perf_counter() - begun > LONGEST_WAIT_S:
                sys.exit(f"{name}: did not end within {LONGEST_WAIT_S} s")
        self._beat()
        longest = max(self.gaps, key=lambda gap: gap.ours)
        figures = (
            longest.ours,
            max(gap.computed for gap in self.gaps),
            max(gap.of_napari for gap in self.gaps),
            max(gap.collected for gap in self.gaps),
        )
        milliseconds = " ".join(f"{1000 * figure:9.0f}" for figure in figures)
        print(f"{name:<32} {time.perf_counter() - begun:7.2f} {milliseconds}", flush=True)


def print_heading() -> None:
    """The columns of what `Heart.phase` prints."""
    print(f"{'phase':<32} {'s':>7} {'ours, ms':>9} {'computed':>9} {'napari':>9} {'garbage':>9}")
