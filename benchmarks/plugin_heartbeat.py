"""How long the window stands still while 512 x 512 x 600 voxels are opened, segmented, edited and saved.

A timer of the GUI thread beats every 10 ms; the longest gap between two beats in each phase is what a person feels as
a frozen window. Calls into napari that add a layer are timed apart: what napari spends there is not ours. Run it under
a display: `scripts/with_display.sh python benchmarks/plugin_heartbeat.py`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "napari_plugin"))

import napari
from medseg_napari.opening.flow import Opening
from medseg_napari.widgets.segment import SegmentWidget
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata
from medseg.io import write_image

SHAPE = (512, 512, 600)
BEAT_MS = 10
LONGEST_WAIT_S = 600


class Heart:
    """The gaps between beats, apart from the time in calls that are named as napari's."""

    def __init__(self) -> None:
        self.timer = QTimer()
        self.timer.setInterval(BEAT_MS)
        self.timer.timeout.connect(self._beat)
        self.last = time.perf_counter()
        self.of_napari = 0.0
        self.gaps: list[tuple[float, float]] = []
        self.timer.start()

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append((now - self.last, self.of_napari))
        self.last, self.of_napari = now, 0.0

    def charge(self, viewer: napari.Viewer, name: str) -> None:
        """Count the time in a method of the viewer as napari's."""
        method = getattr(viewer, name)

        def timed(*arguments: object, **options: object) -> object:
            begun = time.perf_counter()
            try:
                return method(*arguments, **options)
            finally:
                self.of_napari += time.perf_counter() - begun

        object.__setattr__(viewer, name, timed)

    def rest(self, name: str, seconds: float) -> None:
        """Wait for some seconds; print the longest gap."""
        end = time.perf_counter() + seconds
        self.phase(name, lambda: time.perf_counter() > end)

    def phase(self, name: str, until: Callable[[], bool]) -> float:
        """Wait until something is so; print and return the longest gap that is ours, in ms."""
        self.gaps, self.last, self.of_napari = [], time.perf_counter(), 0.0
        begun = time.perf_counter()
        while not until():
            QApplication.processEvents()
            time.sleep(0.001)
            if time.perf_counter() - begun > LONGEST_WAIT_S:
                sys.exit(f"{name}: did not end within {LONGEST_WAIT_S} s")
        self._beat()
        ours = max((gap - napari_s for gap, napari_s in self.gaps), default=0.0) * 1000
        theirs = max((napari_s for _, napari_s in self.gaps), default=0.0) * 1000
        spent = time.perf_counter() - begun
        print(
            f"{name:<20} {spent:6.2f} s   longest gap of ours {ours:5.0f} ms   in napari's own calls {theirs:5.0f} ms"
        )
        return ours


def volume(folder: Path) -> Path:
    """A body of noise with some bright balls, in Hounsfield units, as NIfTI."""
    rng = np.random.default_rng(0)
    array = np.full(SHAPE, -1000, np.int16)
    array[80:430, 120:400] = rng.normal(40, 20, (350, 280, 1)).astype(np.int16)
    for _ in range(30):
        x, y, z = (int(rng.integers(100, 380)), int(rng.integers(130, 380)), int(rng.integers(20, 570)))
        array[x : x + 14, y : y + 14, z : z + 14] = 110
    affine = Affine.from_spacing((0.8, 0.8, 1.0), frame=WorldFrame.RAS, direction=np.diag([-1.0, -1.0, 1.0]))
    path = folder / "volume.nii"
    write_image(Image(array[np.newaxis], affine, "CXYZ", ImageMetadata(modality="CT", value_unit="HU")), path)
    return path


def main() -> None:
    """Print the longest gap of each phase."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-seconds", type=float, default=20.0, help="how long the model runs before Cancel")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = volume(Path(folder))
        viewer = napari.Viewer(show=True)
        heart = Heart()
        for name in ("add_image", "add_labels"):
            heart.charge(viewer, name)
        heart.rest("idle", 2)
        opening = Opening(viewer, [path], parent=None, tell=lambda _: None).start()
        heart.phase("open", lambda: len(viewer.layers) == 1)
        heart.rest("draw it", 2)
        dock = SegmentWidget(viewer)
        viewer.window.add_dock_widget(dock, area="right", name="Segment")
        heart.phase("look for models", lambda: dock.model.count() > 0)
        heart.phase("check the fit", dock.run_button.isEnabled)
        dock.start()
        heart.rest("run", choice.run_seconds)
        cancelled = time.perf_counter()
        dock.cancel()
        heart.phase("cancel", lambda: not dock.is_running)
        print(f"Cancel was obeyed after {time.perf_counter() - cancelled:.2f} s")
        del opening
        viewer.close()


if __name__ == "__main__":
    main()
