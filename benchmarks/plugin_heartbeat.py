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
from medseg_napari.layers import origin_of
from medseg_napari.layers.results import ResultNote, objects_layer
from medseg_napari.opening.flow import Opening
from medseg_napari.widgets.export_dialog import ExportDialog
from medseg_napari.widgets.object_panel import ObjectPanel
from medseg_napari.widgets.objects import ObjectsWidget
from medseg_napari.widgets.segment import SegmentWidget
from plugin_edits import LESION, ORGAN, OTHER_LESION, phantom
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelTable
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

    def charge(self, owner: object, name: str) -> None:
        """Count the time in a method of a viewer, a layer or a class as napari's."""
        method = getattr(owner, name)

        def timed(*arguments: object, **options: object) -> object:
            begun, before = time.perf_counter(), self.of_napari
            try:
                return method(*arguments, **options)
            finally:
                self.of_napari = before + time.perf_counter() - begun  # one within another counts once

        (setattr if isinstance(owner, type) else object.__setattr__)(owner, name, timed)

    def rest(self, name: str, seconds: float) -> None:
        """Wait for some seconds; print the longest gap."""
        end = time.perf_counter() + seconds
        self.phase(name, lambda: time.perf_counter() > end)

    def phase(self, name: str, until: Callable[[], bool], *, do: Callable[[], object] = lambda: None) -> float:
        """Do something and wait until something is so; print and return the longest gap that is ours, in ms."""
        self.gaps, self.last, self.of_napari = [], time.perf_counter(), 0.0
        begun = time.perf_counter()
        do()
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


def run_and_cancel(heart: Heart, viewer: napari.Viewer, seconds: float) -> None:
    """Segment for some seconds, then cancel."""
    dock = SegmentWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right", name="Segment")
    heart.phase("look for models", lambda: dock.model.count() > 0)
    heart.phase("check the fit", dock.run_button.isEnabled)
    dock.start()
    heart.rest("run", seconds)
    cancelled = time.perf_counter()
    dock.cancel()
    heart.phase("cancel", lambda: not dock.is_running)
    print(f"Cancel was obeyed after {time.perf_counter() - cancelled:.2f} s")


def correct_and_save(heart: Heart, viewer: napari.Viewer, folder: Path) -> None:
    """Review 41 objects, one of them of the size of a liver; edit them; save the mask."""
    labels = phantom(np.random.default_rng(0))
    note = ResultNote(LabelTable.from_names(("background", "lesion")), {}, {})
    data, settings, _ = objects_layer(origin_of(viewer.layers[0]), labels, note, name="objects")
    layer = viewer.add_labels(data, **settings)
    heart.charge(layer, "refresh")
    heart.rest("draw the objects", 2)
    dock = ObjectsWidget(viewer)
    heart.phase(
        "make the dock",
        lambda: dock.panel is not None,
        do=lambda: viewer.window.add_dock_widget(dock, area="right", name="Objects"),
    )
    panel = dock.panel
    heart.phase("measure", lambda: not panel.measurer.is_busy)
    for name, edit in corrections(panel).items():
        heart.phase(name, lambda: not panel.edits.is_busy, do=edit)
        heart.phase(f"{name}: measured", lambda: not panel.measurer.is_busy)
    dialog = ExportDialog(viewer, layer=layer)
    dialog.folder.setText(str(folder))
    for key, check in dialog.kinds.items():
        check.setChecked(key == "nifti")
    heart.phase("save as NIfTI", lambda: "Writing" not in dialog.status.toPlainText(), do=dialog.start)
    print(dialog.status.toPlainText().splitlines()[-1])


def corrections(panel: ObjectPanel) -> dict[str, Callable[[], object]]:
    """Name -> what a person does."""
    centre = [(side.start + side.stop) // 2 for side in panel.session.review.box_of(ORGAN)]
    seeds = [[*centre[:2], centre[2] - 40], [*centre[:2], centre[2] + 40]]

    def on(ids: list[int], action: str) -> Callable[[], object]:
        def do() -> None:
            panel.select(ids)
            panel.call(action)

        return do

    return {
        "select a row": lambda: panel.select([LESION], fly=True),
        "grow": on([LESION], "grow"),
        "merge": on([LESION, OTHER_LESION], "merge"),
        "delete": on([LESION], "delete"),
        "undo": lambda: panel.call("undo"),
        "grow the large": on([ORGAN], "grow"),
        "split the large": lambda: panel.edits._split_by_seeds(ORGAN, seeds),
        "undo the split": lambda: panel.call("undo"),
    }


def main() -> None:
    """Print the longest gap of each phase."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-seconds", type=float, default=20.0, help="how long the model runs before Cancel; 0: not")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = volume(Path(folder))
        viewer = napari.Viewer(show=True)
        heart = Heart()
        heart.charge(type(viewer.window._qt_viewer.canvas.native), "paintGL")
        for name in ("add_image", "add_labels", "add_shapes"):
            heart.charge(viewer, name)
        heart.rest("idle", 2)
        Opening(viewer, [path], parent=viewer.window._qt_window, tell=lambda _: None).start()
        heart.phase("open", lambda: len(viewer.layers) == 1)
        heart.rest("draw it", 2)
        if choice.run_seconds:
            run_and_cancel(heart, viewer, choice.run_seconds)
        correct_and_save(heart, viewer, Path(folder))
        viewer.layers.clear()
        heart.rest("close the layers", 1)
        viewer.close()


if __name__ == "__main__":
    main()
