"""What stays behind after rounds of open, run, correct and close in one napari window.

Each round opens a small CT volume, makes the docks Segment and Objects, runs the shipped CT model on what is seen,
deletes an object, takes it back, closes the layers and removes the docks. With `--control` it is a round of napari
alone: two docks of plain Qt, and layers of the same size, kind and place added, shown and removed, nothing of medseg.

Every ten rounds: resident memory of the window's process; what of it malloc has given out, which leaves out what was
freed and is kept for later; Python's own blocks; memory of the processes that read and run models; threads, open
files, and how many Qt objects, reviews and layers are still there. At the end: what stays resident when all that was
freed is handed back to the system. Run it under a display:
`scripts/with_display.sh python benchmarks/plugin_rounds.py`.
"""

import argparse
import ctypes
import gc
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "napari_plugin"))

import napari
from medseg_napari.opening.flow import Opening
from medseg_napari.review import Review
from medseg_napari.widgets.object_panel import ObjectPanel
from medseg_napari.widgets.objects import ObjectsWidget
from medseg_napari.widgets.segment import SegmentWidget
from napari.layers import Layer
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QPushButton, QVBoxLayout, QWidget

from medseg.datasets.phantoms import ct_phantom
from medseg.geometry import WorldFrame
from medseg.io import write_image

SHAPE = (192, 192, 16)
"""Of more than a megabyte, so that the arrays go to the models' process and back as files."""
SPACING_MM = (2.0, 2.0, 5.0)
ZOOM = 20
"""Pixels of the canvas a mm, so that a part of the volume is seen and a round is short."""
ROUNDS_BETWEEN_LOOKS = 10
LONGEST_WAIT_S = 300
SECONDS_OF_LIFE = 0.2
"""Of the control, after each thing it does: as many frames are drawn as the machine manages."""
LIBC = ctypes.CDLL(None)
BYTES_PER_MB = 2**20
COLUMNS = (
    *("round", "window MB", "given out MB", "k blocks", "children MB", "threads", "files"),
    *("Qt objects", "reviews", "layers", "s a round"),
)


def wait(is_so: Callable[[], bool], what: str) -> None:
    """Let the window live until something is so."""
    end = time.monotonic() + LONGEST_WAIT_S
    while not is_so():
        QApplication.processEvents()
        time.sleep(0.002)
        if time.monotonic() > end:
            sys.exit(f"{what}: did not end within {LONGEST_WAIT_S} s")


def one_round(viewer: napari.Viewer, path: Path, lesion_mm: np.ndarray) -> None:
    """Open, run around a lesion, correct, close."""
    segment, objects = SegmentWidget(viewer), ObjectsWidget(viewer)
    docks = [
        viewer.window.add_dock_widget(widget, area="right", name=name)
        for widget, name in ((segment, "Segment"), (objects, "Objects"))
    ]
    Opening(viewer, [path], parent=segment.window(), tell=lambda _: None).start()
    wait(lambda: len(viewer.layers) == 1, "open")
    wait(segment.run_button.isEnabled, "check the fit")
    viewer.dims.set_point(0, lesion_mm[2])
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0.0, lesion_mm[1], lesion_mm[0]), ZOOM
    wait(lambda: np.ptp(viewer.layers[0].corner_pixels[:, 1]) < SHAPE[1] // 2, "zoom")
    segment.in_view.setChecked(True)
    segment.start()
    wait(lambda: len(viewer.layers) == 2, "run")
    wait(lambda: objects.panel is not None and not objects.panel.measurer.is_busy, "measure")
    correct(objects.panel)
    viewer.layers.clear()
    for dock in docks:
        viewer.window.remove_dock_widget(dock)


def correct(panel: ObjectPanel) -> None:
    """Delete the first object and take it back."""
    panel.select(panel.model.ids[:1], fly=True)
    panel.call("delete")
    panel.call("undo")
    wait(lambda: not panel.measurer.is_busy, "measure again")


def tidy() -> None:
    """Let go of what nobody holds: Qt deletes what was put off, Python collects its circles."""
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        gc.collect()


def look(process: psutil.Process, number: int, seconds: float) -> dict[str, float]:
    """What is there now."""
    tidy()
    alive = gc.get_objects()
    ours = [one for one in alive if isinstance(one, QObject) and type(one).__module__.startswith("medseg_napari")]
    children = process.children()
    kinds = Counter(type(one).__name__ for one in ours)
    if kinds:
        print("   ", ", ".join(f"{count} {name}" for name, count in kinds.most_common()))
    values = (
        number,
        process.memory_info().rss / BYTES_PER_MB,
        given_out() / BYTES_PER_MB,
        sys.getallocatedblocks() / 1000,
        sum(child.memory_info().rss for child in children) / BYTES_PER_MB,
        process.num_threads(),
        process.num_fds(),
        len(ours),
        sum(isinstance(one, Review) for one in alive),
        sum(isinstance(one, Layer) for one in alive),
        seconds,
    )
    return dict(zip(COLUMNS, values, strict=True))


class Mallinfo(ctypes.Structure):
    """What mallinfo2 of glibc answers."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def given_out() -> float:
    """Bytes that malloc has given out and not got back; nan where the C library is not glibc."""
    if not hasattr(LIBC, "mallinfo2"):
        return math.nan
    LIBC.mallinfo2.restype = Mallinfo
    found = LIBC.mallinfo2()
    return float(found.uordblks + found.hblkhd)


def one_round_of_napari(viewer: napari.Viewer, image: np.ndarray, labels: np.ndarray) -> None:
    """The same for napari, with nothing of medseg."""
    docks = [viewer.window.add_dock_widget(plain_dock(), area="right", name=name) for name in ("Segment", "Objects")]
    live()
    viewer.add_image(image.copy(), scale=SPACING_MM[::-1], contrast_limits=(-160, 240))
    live()
    viewer.dims.set_point(0, SHAPE[2] * SPACING_MM[2] / 2)
    middle = [size * step / 2 for size, step in zip(SHAPE, SPACING_MM, strict=True)]
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0.0, middle[1], middle[0]), ZOOM
    live()
    painted = viewer.add_labels(labels.copy(), scale=SPACING_MM[::-1])
    live()
    lines = viewer.add_shapes(ndim=3, scale=SPACING_MM[::-1])
    ends = np.array([[[8.0, 90.0, 90.0], [8.0, 95.0, 97.0]], [[8.0, 95.0, 90.0], [8.0, 90.0, 97.0]]])
    lines.add(list(ends), shape_type="line", edge_width=1)
    live()
    for is_visible in (False, True):
        painted.visible = is_visible
        live()
    viewer.layers.clear()
    live()
    for dock in docks:
        viewer.window.remove_dock_widget(dock)


def plain_dock() -> QWidget:
    """Some buttons, words and lists."""
    widget = QWidget()
    layout = QVBoxLayout(widget)
    for number in range(6):
        for child in (QPushButton(f"button {number}"), QLabel(f"label {number}"), QComboBox()):
            layout.addWidget(child)
    return widget


def live() -> None:
    """Let the window draw."""
    end = time.monotonic() + SECONDS_OF_LIFE
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.002)


def main() -> None:
    """Print a row every ten rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--control", action="store_true", help="napari alone, without the plugin")
    choice = parser.parse_args()
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        image, lesions = ct_phantom(np.random.default_rng(1), shape=SHAPE, spacing_mm=SPACING_MM)
        write_image(image, path)
        voxels = np.argwhere(lesions.array)
        lesion_mm = lesions.affine.to_frame(WorldFrame.LPS).apply(voxels[len(voxels) // 2])
        drawn, painted = image.array[0].T, lesions.array.T.astype(np.uint16)
        viewer = napari.Viewer(show=True)
        print("  ".join(COLUMNS))
        for number in range(1, choice.rounds + 1):
            begun = time.monotonic()
            if choice.control:
                one_round_of_napari(viewer, drawn, painted)
            else:
                one_round(viewer, path, lesion_mm)
            if number == 1 or number % ROUNDS_BETWEEN_LOOKS == 0:
                row = look(process, number, time.monotonic() - begun)
                print("  ".join(f"{row[name]:{len(name)}.1f}" for name in COLUMNS), flush=True)
        if hasattr(LIBC, "malloc_trim"):
            LIBC.malloc_trim(0)
            print(f"freed memory handed back to the system: {process.memory_info().rss / BYTES_PER_MB:.0f} MB")
        viewer.close()


if __name__ == "__main__":
    main()
