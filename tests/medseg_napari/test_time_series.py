"""A time series from its folder to its masks: one layer, a model frame by frame, corrections in a frame, reopening."""

import numpy as np
import pytest
import tifffile
from medseg_napari.exporting.export import ExportRequest, export
from medseg_napari.exporting.formats import FORMATS
from medseg_napari.exporting.subject import subject_of
from medseg_napari.layers import Origin
from medseg_napari.layers.results import RESULT, ResultNote
from medseg_napari.opening.reading import opened
from medseg_napari.opening.series import CELLS, spoken_interval
from medseg_napari.opening.survey import survey
from medseg_napari.reviewing.source import ReviewSource
from medseg_napari.segmenting.run import RunRequest, region_of, run

from medseg.datasets.phantoms import membranes_phantom
from medseg.images import number_objects
from medseg.inference import installed_models, load_model
from medseg.io import read_image
from medseg.io.time_series import frame_times

EM_MODEL = "em-membranes"
NUM_FRAMES = 3


def never():
    return False


def nothing(_):
    return None


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """Sequence 01 in the challenge's layout, its tracking truth, and a text file beside them."""
    root = tmp_path_factory.mktemp("data") / "EM"
    for name in ("01", "01_GT/TRA"):
        (root / name).mkdir(parents=True)
    for number in range(NUM_FRAMES):
        image, _ = membranes_phantom(np.random.default_rng(number), shape=(96, 96))
        values = np.clip(image.array[0] * (1 if image.array.dtype == np.uint8 else 255), 0, 255)
        tifffile.imwrite(root / "01" / f"t{number:03d}.tif", values.astype(np.uint8))
        tracked = np.zeros((96, 96), np.uint16)
        tracked[5 + number : 9 + number, 5:9] = 7
        tifffile.imwrite(root / "01_GT" / "TRA" / f"man_track{number:03d}.tif", tracked)
    (root / "01_GT" / "TRA" / "man_track.txt").write_text("7 0 2 0\n")
    return root


@pytest.fixture(scope="module")
def sequence(data_set):
    """Origin of the frames."""
    ((_, settings, _),) = opened(survey([data_set])[0]).layers
    return settings["metadata"]["medseg"]


@pytest.fixture(scope="module")
def found(sequence):
    return run(RunRequest(installed_models()[EM_MODEL], sequence, device="cpu"), nothing, never)


def test_a_data_set_is_one_entry_for_each_sequence_and_not_for_each_frame(data_set):
    frames, truth = survey([data_set])
    assert (frames.title, frames.detail) == ("01 · 3 frames", "3 frames of 96 × 96, size of a pixel not stated")
    assert truth.title == "01 tracking truth · 3 frames"
    assert not frames.problem
    assert not truth.problem


def test_other_pictures_in_the_folder_stay_entries_of_their_own(data_set, tmp_path):
    folder = tmp_path / "01"
    folder.mkdir()
    for number in range(2):
        tifffile.imwrite(folder / f"t{number:03d}.tif", np.zeros((4, 4), np.uint8))
    tifffile.imwrite(folder / "overview.tif", np.zeros((9, 9), np.uint8))
    assert [entry.title for entry in survey([folder])] == ["01 · 2 frames", "overview"]


def test_a_sequence_of_volumes_says_what_to_do(tmp_path):
    for number in range(2):
        tifffile.imwrite(tmp_path / f"t{number:03d}.tif", np.zeros((5, 6, 7), np.uint8), photometric="minisblack")
    (entry,) = survey([tmp_path])
    assert "got volumes" in entry.problem
    assert "t000.tif" in entry.problem
    assert not entry.can_open


def test_time_comes_first_in_seconds_and_pixels_keep_their_size(tmp_path):
    movie = np.zeros((4, 6, 8), np.uint8)
    metadata = {"axes": "TYX", "unit": "um", "finterval": 600.0}
    tifffile.imwrite(tmp_path / "movie.tif", movie, imagej=True, resolution=(2.0, 4.0), metadata=metadata)
    (entry,) = survey([tmp_path / "movie.tif"])
    assert (entry.title, entry.detail) == ("movie · 4 frames", "4 frames of 6 × 8, 0.25 × 0.5 µm, 10 min apart")
    ((data, settings, kind),) = opened(entry).layers
    assert (data.shape, kind) == ((4, 6, 8), "image")
    assert settings["axis_labels"] == ("t", "y", "x")
    assert settings["units"] == ("s", "um", "um")
    assert settings["scale"] == pytest.approx((600.0, 0.25, 0.5))
    assert frame_times(settings["metadata"]["medseg"].image.metadata).interval_s == 600.0


def test_intervals_are_told_in_units_that_people_use():
    assert [spoken_interval(one) for one in (0.05, 0.5, 90.0, 7200.0)] == ["50 ms", "500 ms", "1.5 min", "2 h"]


def test_tracked_masks_lie_on_the_open_sequence_and_keep_their_numbers(data_set, sequence):
    truth = survey([data_set])[1]
    ((data, settings, kind),) = opened(truth, images=[sequence.image]).layers
    assert kind == "labels"
    assert settings["metadata"]["medseg"].image is sequence.image
    assert np.argwhere(data == 7).min(axis=0).tolist() == [0, 5, 5]
    assert [int((frame == 7).sum()) for frame in data] == [16] * 3
    assert isinstance(settings["metadata"][RESULT], ResultNote)  # objects, not 7 classes


def test_each_frame_is_answered_as_the_library_answers_its_file(data_set, found):
    predictor = load_model(installed_models()[EM_MODEL], device="cpu")
    before = 0
    for number in range(NUM_FRAMES):
        alone = predictor.predict(read_image(data_set / "01" / f"t{number:03d}.tif"))
        objects = number_objects(alone.label_map)
        expected = np.where(objects.array > 0, objects.array + before, 0)
        np.testing.assert_array_equal(found.numbers[number], expected)
        before += len(objects.names)
    assert set(found.class_of) == set(range(1, before + 1))
    assert np.array_equal(found.label_map.array, found.numbers)
    assert frame_times(found.label_map.metadata).numbers == (0, 1, 2)


def test_a_region_of_some_frames_is_those_frames(sequence):
    part, box = region_of(sequence, (slice(1, 3), slice(0, 50), slice(10, 90)))
    assert frame_times(part.metadata).numbers == (1, 2)
    np.testing.assert_array_equal(part.array, sequence.image.array[(slice(None), *box)])


def test_progress_goes_through_the_frames_and_cancel_keeps_none(sequence):
    from medseg.errors import Cancelled

    told = []
    with pytest.raises(Cancelled):
        run(
            RunRequest(installed_models()[EM_MODEL], sequence, device="cpu"),
            told.append,
            lambda: bool(told) and told[-1] > 1 / NUM_FRAMES,
        )
    assert told == sorted(told)
    assert 1 / NUM_FRAMES < told[-1] < 1


def ring(labels, number, frame):
    labels[frame, 2:7, 2:7] = number
    labels[frame, 4, 4] = 0


def reviewed(labels, spacing_mm=None):
    return ReviewSource(labels, spacing_mm, None, "", ResultNote(CELLS, {}, {}), is_sequence=True).review(editor="Jo")


def test_edits_stay_in_their_frame():
    labels = np.zeros((3, 9, 9), np.uint16)
    ring(labels, 1, frame=1)
    review = reviewed(labels)
    review.fill_holes(1)
    assert labels[1, 4, 4] == 1
    review.grow(1)
    assert labels[1, 1, 4] == 1
    assert not labels[[0, 2]].any()
    review.shrink(1)
    review.undo()
    review.undo()
    assert int((labels == 1).sum()) == 25


def test_an_object_of_a_frame_has_an_area():
    labels = np.zeros((2, 9, 9), np.uint16)
    ring(labels, 1, frame=1)  # 24 pixels of 0.5 x 0.25 um
    measured = reviewed(labels, (1.0, 0.0005, 0.00025)).table[1].measured
    assert measured.area_mm2 == pytest.approx(24 * 0.0005 * 0.00025)
    assert (measured.volume_ml, measured.largest_slice) == (None, 1)


def corrected(sequence, found):
    note = ResultNote(found.table, found.class_of, found.confidence, found.made_by, found.notes, found.label_map)
    source = ReviewSource(np.array(found.numbers), None, None, "", note, is_sequence=True)
    review = source.review(editor="Jo")
    last = max(review.table.ids)
    review.delete([last])
    review.accept([1])
    return subject_of("01, em-membranes", sequence, source, review=review)


@pytest.mark.parametrize("key", ["ctc", "ome_tiff"])
def test_corrected_masks_reopen_on_the_sequence_as_they_were_left(sequence, found, tmp_path, key):
    subject = corrected(sequence, found)
    result = export(ExportRequest(tmp_path, "01", (key, "csv")), lambda: subject, nothing, never)
    assert result.failures == ()
    names = {"ctc": "01_RES", "ome_tiff": "01.ome.tif"}
    (entry,) = survey([tmp_path / names[key]])
    ((data, settings, _),) = opened(entry, images=[sequence.image]).layers
    np.testing.assert_array_equal(data, subject.source.labels)
    assert settings["metadata"]["medseg"].image is sequence.image
    audit = settings["metadata"][RESULT].audit
    assert audit.objects[1].judged_by == "Jo"
    table = (tmp_path / "01-objects.csv").read_text()
    assert "centre_index_t" in table.splitlines()[0]


def test_of_a_time_series_only_what_holds_times_is_offered(sequence, marked_volume):
    offered = {one.key for one in FORMATS if not one.obstacle(sequence)}
    assert offered == {"ome_tiff", "ctc", "csv"}
    assert {one.key for one in FORMATS if one.is_of_times and not one.obstacle(Origin(marked_volume(), 0))} == set()


@pytest.mark.viewer
def test_from_a_folder_to_objects_in_every_frame(make_napari_viewer_proxy, qtbot, data_set, found):
    from medseg_napari.opening.flow import Opening
    from medseg_napari.widgets.segment import SegmentWidget
    from medseg_napari.widgets.time_strip import TimeStripWidget

    viewer = make_napari_viewer_proxy(show=True)
    segment, frames = SegmentWidget(viewer), TimeStripWidget(viewer)
    viewer.window.add_dock_widget(segment, area="right", name="Segment")
    viewer.window.add_dock_widget(frames, area="bottom", name="Frames")
    request = Opening(viewer, [data_set / "01"], parent=None, tell=nothing)
    with qtbot.waitSignal(request.ended, timeout=60_000):
        request.start()
    assert [layer.data.shape for layer in viewer.layers] == [(3, 96, 96)]
    assert viewer.dims.nsteps[0] == NUM_FRAMES
    qtbot.waitUntil(lambda: segment.model.count() > 1 and bool(segment._fits), timeout=60_000)
    segment.model.setCurrentIndex(segment.model.findText(EM_MODEL))
    segment.run_button.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=120_000)
    np.testing.assert_array_equal(viewer.layers[1].data, found.numbers)
    expected = [np.unique(frame[frame > 0]).size for frame in found.numbers]
    qtbot.waitUntil(lambda: frames.bars.counts.tolist() == expected, timeout=20_000)
