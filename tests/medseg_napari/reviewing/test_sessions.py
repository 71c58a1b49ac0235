"""What a layer says of its objects, and the review that follows it; napari's viewer without a window."""

import numpy as np
import pytest
from medseg_napari._sample_data import cells, ct_with_lesions
from medseg_napari.layers.results import RESULT, ResultNote
from medseg_napari.review.records import MadeBy
from medseg_napari.review.steps import ReviewChange
from medseg_napari.reviewing.colour_table import ObjectColours
from medseg_napari.reviewing.columns import Cell, columns_of, headline, rounded
from medseg_napari.reviewing.palette import CLASS_COLOURS, REJECTED_COLOUR, colours_of, paint_layer
from medseg_napari.reviewing.session import begin_session, merged, review_of, session_of
from medseg_napari.reviewing.source import shows_classes, source_of
from napari.components import ViewerModel
from napari.utils.colormaps import DirectLabelColormap

from medseg.errors import Cancelled, InputError
from medseg.images import LabelTable


@pytest.fixture
def viewer():
    return ViewerModel()


def _show(viewer, sample):
    layers = [getattr(viewer, f"add_{kind}")(data, **settings) for data, settings, kind in sample()]
    return layers[0], layers[1]


def _plain(viewer, labels, **settings):
    return viewer.add_labels(labels, **settings)


def test_a_mask_of_another_reader_has_objects_of_unknown_size(viewer):
    labels = np.zeros((20, 30), np.uint8)
    labels[2:4, 2:4] = 7
    layer = _plain(viewer, labels)
    review = review_of(layer, viewer)
    assert review.labels is layer.data
    assert [column.title for column in columns_of(session_of(layer))] == ["#", "class", "pixels", "state"]
    assert review.table.record(7).class_name == "object"
    assert review.table.record(7).made_by is None


def test_the_image_under_the_mask_gives_values_in_its_unit(viewer):
    image, truth = _show(viewer, ct_with_lesions)
    source = source_of(truth, [image])
    assert source.image is image.data
    assert source.value_unit == "HU"
    assert source.spacing_mm == pytest.approx(truth.scale)
    assert source.classes == ("lesion",)


def test_an_image_elsewhere_is_not_under_the_mask(viewer):
    image, truth = _show(viewer, ct_with_lesions)
    image.translate = image.translate + 3
    assert source_of(truth, [image]).image is None


def test_classes_are_told_from_objects(viewer):
    _, lesions = _show(viewer, ct_with_lesions)
    _, instances = _show(viewer, cells)
    assert shows_classes(lesions)
    assert not shows_classes(instances)
    lesions.metadata[RESULT] = ResultNote(LabelTable.from_names(("background", "lesion")), {}, {})
    assert not shows_classes(lesions)  # a result's layer has numbers, even where there is one object only


@pytest.mark.parametrize("shape", [(4, 4, 4, 4), (3, 3, 3, 3, 3)])
def test_a_time_series_is_refused_in_one_line(viewer, shape):
    layer = _plain(viewer, np.zeros(shape, np.uint8), name="movie")
    with pytest.raises(InputError, match=r"movie: expected a mask of 2 or 3 axes"):
        source_of(layer)


def test_a_mask_that_cannot_be_written_to_is_refused(viewer):
    labels = np.zeros((4, 4), np.uint8)
    labels.flags.writeable = False
    with pytest.raises(InputError, match="in memory"):
        source_of(_plain(viewer, labels))


def test_a_layer_with_another_array_is_reviewed_anew(viewer):
    layer = _plain(viewer, np.eye(8, dtype=np.uint8))
    first = review_of(layer, viewer)
    source = source_of(layer)
    assert review_of(layer, viewer) is first
    layer.data = np.full((8, 8), 2, np.uint8)
    assert session_of(layer) is None
    with pytest.raises(Cancelled):
        begin_session(layer, viewer, source=source, review=first)
    assert review_of(layer, viewer).table.ids == (2,)


def test_features_follow_the_review(viewer):
    layer = _plain(viewer, np.array([[1, 1, 0, 2]], np.uint8).repeat(3, axis=0))
    review = review_of(layer, viewer)
    review.accept([1])
    review.delete([2])
    assert layer.features.to_dict("list")["index"] == [1]
    assert list(layer.features["state"]) == ["accepted"]
    layer.undo()
    assert list(layer.features["index"]) == [1, 2]


def test_while_an_edit_is_made_elsewhere_nothing_is_undone_or_told(viewer):
    layer = _plain(viewer, np.array([[1, 1, 0, 2]], np.uint8).repeat(3, axis=0))
    session = (review_of(layer, viewer), session_of(layer))[1]
    told = []
    session.changed.connect(told.append)
    session.review.accept([1])
    session.hold()
    session.review.delete([2])
    layer.undo()
    assert 2 not in layer.data
    assert len(told) == 1
    assert not layer.editable
    session.release()
    assert [change.removed for change in told] == [(), (2,)]
    assert layer.editable


def test_several_changes_become_one():
    one = ReviewChange((slice(0, 2),), (1, 2), ())
    other = ReviewChange((slice(5, 6),), (3,), (2,))
    assert merged([one, other]) == ReviewChange((slice(0, 6),), (1, 3), (2,))
    assert merged([ReviewChange(None, (1,), ())]).box is None


def test_a_class_keeps_its_colour_and_rejected_objects_are_grey(viewer):
    labels = np.arange(5, dtype=np.uint16).repeat(4).reshape(4, 5)
    table = LabelTable.from_names(("background", "a", "b"))
    note = ResultNote(table, {1: "a", 2: "b", 3: "b", 4: "b"}, {}, MadeBy("m", "ab"))
    layer = _plain(viewer, labels, metadata={RESULT: note})
    review = review_of(layer, viewer)
    paint_layer(layer, review)

    def colour(number):
        return "#" + "".join(f"{round(part * 255):02X}" for part in layer.get_color(number)[:3])

    assert [colour(number) for number in (1, 2, 3)] == [CLASS_COLOURS[0], CLASS_COLOURS[1], CLASS_COLOURS[1]]
    review.reject([2])
    review.delete([3])
    paint_layer(layer, review)
    assert [colour(number) for number in (1, 2, 4)] == [CLASS_COLOURS[0], REJECTED_COLOUR, CLASS_COLOURS[1]]
    assert set(colours_of(review, [4])) == {None, 0, 2, 4}  # 1 is drawn as what is not listed


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32])
def test_the_colours_of_all_numbers_are_those_that_napari_gives_one_by_one(dtype):
    colours = {None: (1, 0.5, 0, 0.5), 0: (0, 0, 0, 0), 3: (1, 1, 1, 1), 127: (0, 0.3, 1, 0.5)}
    numbers = np.arange(min(np.iinfo(dtype).max, 70_000) + 1).astype(dtype)
    expected = DirectLabelColormap(color_dict=colours).map(numbers)
    assert np.array_equal(ObjectColours(color_dict=colours).map(numbers), expected)


def test_napari_does_not_fill_its_table_of_colours_one_by_one(viewer, monkeypatch):
    def one_by_one(*_):
        pytest.fail("napari's loop over 65 536 numbers was run")

    layer = _plain(viewer, np.arange(5, dtype=np.uint16).repeat(4).reshape(4, 5))
    monkeypatch.setattr(DirectLabelColormap, "_map_precast", one_by_one)
    paint_layer(layer, review_of(layer, viewer), [2])
    assert layer.colormap.map(np.array([2], np.uint16)).tolist() == [[1, 1, 1, 1]]


def test_the_headline_counts_the_states(viewer):
    layer = _plain(viewer, np.arange(5, dtype=np.uint16).repeat(4).reshape(4, 5))
    review = review_of(layer, viewer)
    review.accept([1, 2])
    review.delete([3])
    review.fill_holes(1)
    assert headline(session_of(layer)) == "Objects: 3 · 2 accepted"


@pytest.mark.parametrize(
    ("number", "text"),
    [(3.0, "3"), (0.05, "0.0500"), (0.156, "0.16"), (17.23, "17.2"), (208.77, "209"), (-1.3, "-1.30")],
)
def test_numbers_have_the_digits_that_mean_something(number, text):
    assert rounded(number) == text


def test_a_stack_in_micrometres_is_measured_in_them(viewer):
    labels = np.ones((2, 3, 4), np.uint8)
    layer = _plain(viewer, labels, scale=(2, 1, 1), units=("um",) * 3)
    review = review_of(layer, viewer)
    columns = {column.title: column for column in columns_of(session_of(layer))}
    row = review.table[1]
    cell = Cell(1, row.record, row.measured)
    assert columns["volume µm³"].value(cell) == pytest.approx(24 * 2)
    assert columns["longest × across µm"].value(cell) == pytest.approx(5.0)
    assert columns["volume µm³"].text(Cell(1, row.record, None)) == "…"
