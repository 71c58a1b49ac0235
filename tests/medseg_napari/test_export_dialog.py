"""The export dialog in a real window: what is ticked is written, what cannot be is grey, nothing is written over."""

import pytest
from medseg_napari._sample_data import cells, ct_with_lesions
from medseg_napari.exporting.formats import FORMATS
from medseg_napari.reviewing.session import review_of, session_of
from medseg_napari.widgets.export_dialog import ExportDialog
from medseg_napari.widgets.objects import ObjectsWidget

from medseg.errors import StorageError
from medseg.io import read_label_map

pytestmark = pytest.mark.viewer


@pytest.fixture
def opened(make_napari_viewer_proxy, qtbot):
    """Function that shows sample layers in a window and the dialog over it."""

    def make(sample, **options):
        viewer = make_napari_viewer_proxy(**options)
        for data, settings, kind in sample():
            getattr(viewer, f"add_{kind}")(data, **settings)
        dialog = ExportDialog(viewer)
        qtbot.addWidget(dialog)
        dialog.show()
        return viewer, dialog

    return make


def ended(qtbot, dialog):
    qtbot.waitUntil(lambda: dialog._job is None, timeout=60_000)


def test_without_labels_it_says_how_to_begin(opened):
    _, dialog = opened(list)
    assert "to begin" in dialog.status.toPlainText()
    assert not dialog.export_button.isEnabled()


def test_what_is_ticked_is_written_and_told(opened, qtbot, tmp_path):
    viewer, dialog = opened(cells)
    truth = viewer.layers["cells, truth"]
    assert {key for key, check in dialog.kinds.items() if check.isChecked()} == {"ome_tiff"}
    review = review_of(truth, viewer)
    review.reject([review.table.ids[0]])
    dialog.folder.setText(str(tmp_path))
    dialog.kinds["csv"].setChecked(True)
    dialog.values.setCurrentText("a number for each object")
    dialog.start()
    ended(qtbot, dialog)
    names = {"cells-truth.ome.tif", "cells-truth.ome.tif.audit.json", "cells-truth-objects.csv"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert all(name in dialog.status.toPlainText() for name in names)
    assert dialog.status.toPlainText().splitlines()[0].endswith("1 rejected object left out.")
    values = set(read_label_map(tmp_path / "cells-truth.ome.tif").present_values()) - {0}
    assert values == set(review.table.ids[1:])
    dialog._name_anew()
    assert dialog.name.text() == "cells-truth-2"
    dialog.name.setText("cells-truth")
    assert "is there already" in dialog.status.toPlainText()
    assert not dialog.export_button.isEnabled()


def test_kinds_that_need_a_series_are_grey_and_say_why(opened):
    _, dialog = opened(ct_with_lesions)
    dicom = [one for one in FORMATS if one.is_dicom]
    assert not any(dialog.kinds[one.key].isEnabled() for one in dicom)
    assert "needs a DICOM series" in dialog.kinds["seg"].toolTip()
    assert dialog.kinds["nifti"].isChecked()


def test_the_objects_dock_opens_it_for_its_own_layer(opened, qtbot):
    viewer, dialog = opened(cells)
    dialog.close()
    widget = ObjectsWidget(viewer)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: widget.panel is not None, timeout=30_000)
    widget.panel.export.open_dialog()
    assert widget.panel.export.dialog.layer.currentText() == "cells, truth"
    assert widget.panel.export.dialog.export_button.isEnabled()
    widget.panel.export.dialog.close()
    widget.close_panel()


def test_an_export_during_an_edit_is_told_and_writes_nothing(opened, qtbot, tmp_path):
    viewer, dialog = opened(cells)
    truth = viewer.layers["cells, truth"]
    review_of(truth, viewer)
    session_of(truth).hold()
    dialog.folder.setText(str(tmp_path))
    dialog.start()
    assert "an edit of them is under way. Export when it is done" in dialog.error.text()
    assert list(tmp_path.iterdir()) == []
    session_of(truth).release()
    dialog.name.setText("after")
    dialog.start()
    ended(qtbot, dialog)
    assert (tmp_path / "after.ome.tif").is_file()


def test_a_folder_that_cannot_be_written_to_is_told_and_the_window_lives(opened, qtbot, tmp_path):
    _, dialog = opened(cells)
    (tmp_path / "file").write_text("x")
    dialog.folder.setText(str(tmp_path / "file"))
    dialog.start()
    ended(qtbot, dialog)
    assert "file" in dialog.error.text()
    assert dialog.status.toPlainText() == "Nothing was written."
    assert dialog.export_button.isEnabled()  # it can be tried again


def test_what_could_not_be_written_is_told_in_one_dialog_beside_what_was(opened, qtbot, tmp_path):
    viewer, dialog = opened(cells)
    dialog.folder.setText(str(tmp_path))
    for key in ("csv", "ome_zarr"):
        dialog.kinds[key].setChecked(True)
    review_of(viewer.layers["cells, truth"], viewer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medseg_napari.exporting.formats.write_label_map", _no_space)
        dialog.start()
        ended(qtbot, dialog)
    assert [path.name for path in tmp_path.iterdir()] == ["cells-truth-objects.csv"]
    told = dialog.error.text().split("\n\n")
    assert [line.split(":")[0] for line in told] == ["OME-TIFF mask (.ome.tif)", "OME-Zarr mask (.ome.zarr)"]
    assert all("no space" in line for line in told)
    assert "cells-truth-objects.csv" in dialog.status.toPlainText()


def _no_space(*_, **__):
    message = "cannot write it: no space. Free some."
    raise StorageError(message)
