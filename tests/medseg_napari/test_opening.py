"""Opening surveys first, asks where there is a choice, and reads beside the window."""

import numpy as np
import pytest
import tifffile
from cases.dicom import SeriesCase
from medseg_napari.layers import origin_of
from medseg_napari.opening.reading import opened
from medseg_napari.opening.survey import survey
from pydicom import dcmread
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

import medseg
from medseg.errors import InputError
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.io import read_image
from medseg.io.dicom import write_segmentation
from medseg.io.dicom.kinds import ObjectKind

LESION = LabelTable.from_names(("background", "lesion"))


def _series(folder, **options):
    SeriesCase(**options).write(folder)
    return folder


@pytest.fixture
def messy(tmp_path):
    """A good series, one with a missing slice, a text file, and a segmentation of the good one."""
    good = _series(tmp_path / "in" / "a")
    other = SeriesCase(shape=(6, 5, 6), series_uid="1.2.826.0.1.3680043.8.498.1.2")
    other.write(tmp_path / "in" / "b", skip=[2])
    (tmp_path / "in" / "notes.txt").write_text("x")
    image = read_image(good)
    array = np.zeros(image.spatial_shape, np.uint8)
    array[2:5, 3:5, 1] = 1
    mask = LabelMap(array, image.affine, "XYZ", LESION, LabelKind.SEMANTIC, image.metadata)
    write_segmentation(mask, tmp_path / "in" / "seg.dcm", source=image)
    return tmp_path / "in"


def test_a_survey_names_every_volume_and_mask_in_words(messy):
    good, bad, mask = survey([messy])
    assert (good.title, good.problem, good.overrule) == ("CT · series 1 · 4 slices", "", frozenset())
    assert "slices are missing" in bad.problem.lower()
    assert bad.overrule == {"missing-slice"}
    assert (mask.kind, mask.title) == (ObjectKind.SEGMENTATION, "Segmentation")


def test_a_refused_series_is_told_by_its_number_and_description_without_the_patient(tmp_path):
    for number, uid, skip in ((3, "1.2.826.0.1.3680043.8.498.1.3", []), (7, "1.2.826.0.1.3680043.8.498.1.7", [2])):
        folder = tmp_path / str(number)
        SeriesCase(shape=(6, 5, 6), series_uid=uid).write(folder, skip=skip)
        for file in folder.iterdir():
            header = dcmread(file)
            header.SeriesNumber, header.PatientName = number, "Kanarie^Tweety"
            header.SeriesDescription = "Thorax of KANARIE, lung"
            header.save_as(file)
    good, bad = survey([tmp_path])
    assert (good.title, good.description) == ("CT · series 3 · 6 slices", "Thorax of , lung")
    assert (bad.title, bad.description) == ("CT · series 7 · 5 slices", "Thorax of , lung")
    assert "slices are missing" in bad.problem.lower()
    assert "option" not in bad.problem


def test_an_archive_and_volumes_over_time_say_what_to_do(tmp_path):
    (tmp_path / "scan.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match="Unpack it"):
        survey([tmp_path / "scan.zip"])
    array = np.zeros((3, 4, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "tz.ome.tif", array, ome=True, photometric="minisblack", metadata={"axes": "TZYX"})
    (entry,) = survey([tmp_path / "tz.ome.tif"])
    assert "volumes over time" in entry.problem
    assert "--axes" not in entry.problem


def test_no_name_of_a_patient_stands_in_a_title(tmp_path):
    folder = tmp_path / "DOE^JANE"
    _series(folder)
    (entry,) = survey([folder])
    assert "DOE" not in entry.title + entry.detail
    assert "DOE" not in str([settings["name"] for _, settings, _ in opened(entry).layers])


def test_a_series_with_a_gap_opens_once_a_person_says_so(messy):
    _, bad, _ = survey([messy])
    result = opened(bad)
    (layer,) = result.layers
    assert layer[0].shape[0] == 6  # the gap is filled
    assert any("allowed by the user" in note for note in result.notes)


def test_a_segmentation_lies_on_the_open_image_it_was_made_from(messy):
    good, _, mask = survey([messy])
    image = read_image(good.path, series_uid=good.series_uid)
    ((data, settings, kind),) = opened(mask, images=[image]).layers
    assert kind == "labels"
    assert settings["metadata"]["medseg"].image is image
    assert data[1, 3:5, 2:5].all()  # z, y, x
    assert data.sum() == 6


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def opening(viewer, qtbot):
    from medseg_napari.opening.flow import Opening

    told = []

    def start(*paths):
        request = Opening(viewer, paths, parent=None, tell=told.append)
        request.start()
        return request

    start.told = told
    return start


@pytest.mark.viewer
def test_one_series_opens_without_a_question(opening, viewer, qtbot, tmp_path):
    request = opening(_series(tmp_path / "ct"))
    qtbot.waitSignal(request.ended, timeout=20_000).wait()
    assert request.chooser is None
    assert [layer.name for layer in viewer.layers] == ["CT · 4 slices"]
    assert viewer.scene.camera.orientation == ("away", "down", "right")


@pytest.mark.viewer
def test_of_several_a_person_chooses_and_what_has_a_fault_is_not_ticked(opening, viewer, qtbot, messy):
    request = opening(messy)
    qtbot.waitUntil(lambda: request.chooser is not None, timeout=20_000)
    chooser = request.chooser
    items = [chooser.tree.topLevelItem(index) for index in range(3)]
    assert [item.checkState(0) for item in items] == [
        Qt.CheckState.Checked,
        Qt.CheckState.Unchecked,
        Qt.CheckState.Checked,
    ]
    with qtbot.waitSignal(request.ended, timeout=20_000):
        chooser.accept()
    assert [layer.name for layer in viewer.layers] == ["CT · series 1 · 4 slices", "Segmentation"]
    assert origin_of(viewer.layers[1]).image is origin_of(viewer.layers[0]).image


@pytest.mark.viewer
def test_a_file_that_cannot_be_opened_says_why_and_leaves_the_window_alive(opening, viewer, qtbot, tmp_path):
    path = tmp_path / "broken.nii"
    path.write_bytes(b"not an image")
    request = opening(path)
    qtbot.waitUntil(lambda: request.chooser is not None, timeout=20_000)
    assert "broken" in request.chooser.tree.topLevelItem(0).text(0)
    with qtbot.waitSignal(request.ended):
        request.chooser.reject()
    assert len(viewer.layers) == 0


@pytest.mark.viewer
def test_cancel_in_the_middle_ends_the_reading_and_adds_nothing(opening, viewer, qtbot, tmp_path):
    request = opening(_series(tmp_path / "ct"), _series(tmp_path / "ct"))  # twice the same is one
    with qtbot.waitSignal(request.ended, timeout=60_000):
        request.cancel()
    assert len(viewer.layers) == 0
    again = opening(tmp_path / "ct")
    with qtbot.waitSignal(again.ended, timeout=60_000):
        pass
    assert len(viewer.layers) == 1


def _drop(widget, path):
    """As a file manager does it: Qt gives the drop to the widget that let the drag in."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    rest = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(widget, QDragEnterEvent(QPoint(5, 5), *rest))
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), *rest))


@pytest.mark.filterwarnings("ignore:Function. 'QDragEnterEvent:DeprecationWarning")  # PySide6; PyQt6 has no other
@pytest.mark.viewer
def test_while_the_dock_is_open_a_folder_dropped_on_the_image_opens_without_a_question(
    viewer, qtbot, tmp_path, monkeypatch
):
    from medseg_napari.widgets.segment import SegmentWidget
    from napari.settings import get_settings

    dock = SegmentWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right")
    qtbot.waitUntil(lambda: dock.drops.canvas is not None, timeout=20_000)
    canvas = dock.drops.canvas
    asked = []
    canvas._qt_open = lambda *args, **_: asked.append(args)
    _drop(canvas, _series(tmp_path / "ct"))
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=60_000)
    assert not asked
    monkeypatch.setitem(get_settings().plugins.extension2reader, "*.nii", "another")  # in memory only
    (tmp_path / "scan.nii").write_bytes(b"x")
    _drop(canvas, tmp_path / "scan.nii")  # the user chose another plugin for these
    _drop(canvas, tmp_path / "notes.txt")
    assert len(asked) == 2


@pytest.mark.viewer
def test_at_the_window_a_dropped_file_is_read_beside_it(viewer, qtbot, tmp_path, marked_volume):
    medseg.write_image(marked_volume(), tmp_path / "scan.nii.gz")
    returned = []
    QTimer.singleShot(0, lambda: returned.append(viewer.open(str(tmp_path / "scan.nii.gz"), plugin="medseg")))
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=20_000)
    assert returned == [[]]
    assert viewer.layers[0].name == "scan"
