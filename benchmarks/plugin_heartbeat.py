"""How long the window stands still while 512 x 512 x 600 voxels are opened, segmented, edited and saved.

A timer of the GUI thread beats every 10 ms; the longest gap between two beats in each phase is what a person feels as
a frozen window. Drawing, adding and closing layers, drawing one anew and writing its settings are timed apart: what
napari spends there is not ours, except for what the plugin does when it is told of it. Run it under a display:
`scripts/with_display.sh python benchmarks/plugin_heartbeat.py`.
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
from heart import Heart, print_heading
from medseg_napari.layers import origin_of
from medseg_napari.layers.results import ResultNote, objects_layer
from medseg_napari.opening.flow import Opening
from medseg_napari.widgets.export_dialog import ExportDialog
from medseg_napari.widgets.object_panel import ObjectPanel
from medseg_napari.widgets.objects import ObjectsWidget
from medseg_napari.widgets.segment import SegmentWidget
from napari.settings import get_settings
from plugin_edits import LESION, ORGAN, OTHER_LESION, phantom
from plugin_volume import write_series

from medseg.images import LabelTable

ADDING = ("add_image", "add_labels", "add_vectors", "add_shapes", "add_points")
SAVED = {
    "save as NIfTI": "nifti",
    "save as DICOM SEG": "seg",
    "save as RTSTRUCT": "rtstruct",
    "save as OME-TIFF": "ome_tiff",
}


def run_and_cancel(heart: Heart, viewer: napari.Viewer, seconds: float) -> None:
    """Segment for some seconds, then cancel."""
    docks: list[SegmentWidget] = []

    def make() -> None:
        docks.append(SegmentWidget(viewer))
        viewer.window.add_dock_widget(docks[0], area="right", name="Segment")

    heart.phase("make the dock Segment", lambda: docks[0].model.count() > 0, do=make)
    dock = docks[0]
    heart.phase("check the fit", dock.run_button.isEnabled)
    dock.start()
    heart.rest("run", seconds)
    cancelled = time.perf_counter()
    heart.phase("cancel", lambda: not dock.is_running, do=dock.cancel)
    print(f"Cancel was obeyed after {time.perf_counter() - cancelled:.2f} s")


def correct(heart: Heart, viewer: napari.Viewer) -> None:
    """Review 41 objects, one of them of the size of a liver, and edit them."""
    docks: list[ObjectsWidget] = []

    def make() -> None:
        docks.append(ObjectsWidget(viewer))
        viewer.window.add_dock_widget(docks[0], area="right", name="Objects")

    heart.phase("make the dock Objects", lambda: docks[0].panel is not None, do=make)
    panel = docks[0].panel
    heart.phase("measure", lambda: not panel.measurer.is_busy)
    for name, edit in corrections(panel).items():
        heart.phase(name, lambda: not panel.edits.is_busy, do=edit)
        heart.phase(f"{name}: measured", lambda: not panel.measurer.is_busy)


def corrections(panel: ObjectPanel) -> dict[str, Callable[[], object]]:
    """Name -> what a person does."""
    centre = [(side.start + side.stop) // 2 for side in panel.session.review.box_of(ORGAN)]
    seeds = [[*centre[:2], centre[2] - 40], [*centre[:2], centre[2] + 40]]
    return {
        "select a lesion": lambda: panel.select([LESION], fly=True),
        "select another": lambda: panel.select([OTHER_LESION], fly=True),
        "select the large": lambda: panel.select([ORGAN], fly=True),
        "select two lesions": lambda: panel.select([LESION, OTHER_LESION]),
        "merge": lambda: panel.call("merge"),
        "grow": lambda: panel.call("grow"),
        "accept": lambda: panel.call("accept"),
        "delete": lambda: panel.call("delete"),
        "undo": lambda: panel.call("undo"),
        "select the large again": lambda: panel.select([ORGAN], fly=True),
        "grow the large": lambda: panel.call("grow"),
        "split the large": lambda: panel.edits._split_by_seeds(ORGAN, seeds),
        "undo the split": lambda: panel.call("undo"),
        "delete the large": lambda: panel.call("delete"),
        "undo its deletion": lambda: panel.call("undo"),
    }


def save(heart: Heart, viewer: napari.Viewer, layer: napari.layers.Labels, folder: Path) -> None:
    """Write the objects in some formats."""
    for name, kind in SAVED.items():
        dialog = ExportDialog(viewer, layer=layer)
        dialog.folder.setText(str(folder))
        for key, check in dialog.kinds.items():
            check.setChecked(key == kind)
        heart.phase(name, lambda dialog=dialog: "Writing" not in dialog.status.toPlainText(), do=dialog.start)
        print(f"{'':<32} {', '.join(dialog.status.toPlainText().splitlines()[1:])}")


def add_objects(heart: Heart, viewer: napari.Viewer) -> napari.layers.Labels:
    """The phantom's objects as the layer that a model would have left."""
    note = ResultNote(LabelTable.from_names(("background", "lesion")), {}, {})
    data, settings, _ = objects_layer(
        origin_of(viewer.layers[0]), phantom(np.random.default_rng(0)), note, name="objects"
    )
    layer = viewer.add_labels(data, **settings)
    heart.charge(layer, "refresh")
    heart.rest("draw the objects", 2)
    return layer


def main() -> None:
    """Print the longest gap of each phase."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-seconds", type=float, default=20.0, help="how long the model runs before Cancel; 0: not")
    choice = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = write_series(Path(folder) / "series")
        viewer = napari.Viewer(show=True)
        heart = Heart()
        heart.charge(type(viewer.window._qt_viewer.canvas.native), "paintGL")
        for name in ADDING:
            heart.charge(viewer, name)
        heart.charge(viewer.layers, "clear")
        heart.charge(type(get_settings()), "save")  # napari's own file of settings, at each dock that moves
        print_heading()
        heart.rest("idle", 2)
        Opening(viewer, [path], parent=viewer.window._qt_window, tell=lambda _: None).start()
        heart.phase("open", lambda: len(viewer.layers) == 1)
        heart.rest("draw it", 2)
        if choice.run_seconds:
            run_and_cancel(heart, viewer, choice.run_seconds)
        layer = add_objects(heart, viewer)
        correct(heart, viewer)
        save(heart, viewer, layer, Path(folder))
        heart.phase("close the layers", lambda: not viewer.layers, do=viewer.layers.clear)
        heart.rest("after it", 1)
        viewer.close()


if __name__ == "__main__":
    main()
