"""A mask that was reviewed, exported and opened again: its objects are as the review left them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cases.dicom import SeriesCase
from medseg_napari.exporting.export import ExportRequest, export
from medseg_napari.exporting.formats import Choices
from medseg_napari.exporting.prepared import prepared
from medseg_napari.layers import Origin, image_layer, origin_of
from medseg_napari.layers.results import ResultNote, objects_layer
from medseg_napari.opening.reading import opened
from medseg_napari.opening.survey import survey
from medseg_napari.opening.trail import taken_up, trail_beside
from medseg_napari.review.audit import AuditTrail, audit_path
from medseg_napari.review.records import AlgorithmType, MadeBy, ObjectState
from medseg_napari.reviewing.session import review_of
from medseg_napari.reviewing.source import shows_classes
from napari.components import ViewerModel

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelTable
from medseg.io import read_image, read_label_map, write_label_map

MODEL = MadeBy("finder", "ab" * 32)
TABLE = LabelTable.from_names(("background", "lesion", "cyst"))


VOLUME = Image(np.zeros((1, 24, 16, 6), np.int16), Affine.from_spacing((1.0, 1.0, 2.0), frame=WorldFrame.RAS), "CXYZ")
PICTURE = Image(np.zeros((1, 16, 24), np.uint8), Affine.from_spacing((0.001, 0.001), frame=WorldFrame.RAS), "CYX")


def _reviewed(viewer, content=VOLUME):
    """Objects 1 to 4 of a model: 1 is accepted, 2 rejected, 3 is a cyst, 4 nobody looked at."""
    ((values, settings, _),) = image_layer(content, name="image")
    image = viewer.add_image(values, **settings)
    numbers = np.zeros(image.data.shape, np.uint8)
    for number in (1, 2, 3, 4):
        numbers[..., 5:8, 4 * number : 4 * number + 3] = number
    note = ResultNote(TABLE, dict.fromkeys((1, 2, 3, 4), "lesion"), {1: 0.5, 4: 0.75}, MODEL)
    data, given, _ = objects_layer(origin_of(image), numbers, note, name="found")
    layer = viewer.add_labels(data, **given)
    review = review_of(layer, viewer)
    review.accept([1])
    review.reject([2])
    review.reclassify([3], "cyst")
    return layer, review


def _exported(layer, viewer, folder, key="nifti", *, as_objects=True, leave_out_rejected=True):
    request = ExportRequest(folder, "mask", (key,), Choices(as_objects=as_objects))
    subject = prepared(layer, viewer, leave_out_rejected=leave_out_rejected)
    result = export(request, subject, lambda _: None, lambda: False)
    assert result.failures == ()
    mask = result.paths[0]
    return mask, audit_path(mask)


def _records(layer, viewer):
    table = review_of(layer, viewer).table
    return {number: table.record(number) for number in table.ids}


def _opened(path, viewer=None, images=()):
    """A viewer with nothing but what lies at the path, the layer, and what was told."""
    (entry,) = survey([path])
    result = opened(entry, images=images)
    viewer = viewer or ViewerModel()
    ((data, settings, kind),) = result.layers
    return viewer, getattr(viewer, f"add_{kind}")(data, **settings), result.notes


@pytest.mark.parametrize(
    ("content", "key", "as_objects"),
    [
        (VOLUME, "nifti", True),
        (VOLUME, "nrrd", False),
        (VOLUME, "mha", True),
        (VOLUME, "ome_tiff", False),
        (VOLUME, "ome_zarr", True),
        (PICTURE, "ome_tiff", True),
        (PICTURE, "ome_zarr", False),
        (PICTURE, "png", False),
        (PICTURE, "nifti", False),
    ],
)
def test_states_classes_and_makers_are_as_they_were_left(content, key, as_objects, tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer, content)
    mask, _ = _exported(layer, viewer, tmp_path, key, as_objects=as_objects)
    again, reopened, notes = _opened(mask)
    assert notes == ()
    assert not shows_classes(reopened)
    records = _records(reopened, again)
    assert records == {n: review.audit.objects[n] for n in (1, 3, 4)}
    assert {n: str(record.state) for n, record in records.items()} == {1: "accepted", 3: "edited", 4: "proposed"}
    assert records[3].class_name == "cyst"
    assert records[4].made_by == MODEL
    assert records[3].algorithm_type is AlgorithmType.SEMIAUTOMATIC
    review_of(reopened, again).reclassify([4], "cyst")  # it can be painted on and reviewed further


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """An image read from a DICOM series."""
    folder = tmp_path_factory.mktemp("series")
    SeriesCase(shape=(24, 16, 6)).write(folder)
    return read_image(folder)


@pytest.mark.parametrize("as_objects", [True, False])
@pytest.mark.parametrize(("key", "is_open"), [("seg", True), ("seg", False), ("sr", True), ("rtstruct", True)])
def test_a_dicom_object_comes_back_as_the_same_objects(key, is_open, as_objects, series, tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer, series)
    mask, _ = _exported(layer, viewer, tmp_path, key, as_objects=as_objects, leave_out_rejected=False)
    again, reopened, notes = _opened(mask, images=[series] if is_open else [])
    assert notes == ()
    assert _records(reopened, again) == dict(review.audit.objects)  # the rejected one as well
    if is_open:
        assert origin_of(reopened).image is series
        assert np.array_equal(reopened.data, layer.data)


@pytest.mark.parametrize("key", ["nifti", "seg"])
def test_objects_that_touch_are_told_apart_in_a_mask_of_classes(key, series, tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer, series)
    review.split_by_line(1, ((2, 0, 5.5), (2, 15, 5.5)))
    review.accept([5])
    mask, _ = _exported(layer, viewer, tmp_path, key, as_objects=False)
    again, reopened, notes = _opened(mask, images=[series])
    assert notes == ()
    assert np.array_equal(reopened.data, review.without_rejected())
    states = {number: str(record.state) for number, record in _records(reopened, again).items()}
    assert states == {1: "edited", 3: "edited", 4: "proposed", 5: "accepted"}


def _changed_elsewhere(mask, change):
    """Write the mask again, as another program would, with other values."""
    label_map = read_label_map(mask)
    array = label_map.array.copy()
    change(array)
    write_label_map(label_map.replace(array=array), mask)


@pytest.mark.parametrize("as_objects", [True, False])
def test_what_another_program_changed_is_told_and_has_to_be_judged_anew(as_objects, tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer)
    review.accept([3, 4])
    mask, _ = _exported(layer, viewer, tmp_path, as_objects=as_objects)

    def change(array):  # along x, y, z
        left = 23 - np.arange(24)  # of the layer's columns
        array[left[4:7], 8] = 0  # of object 1, which has rows 5 to 7 of 15
        array[left[12:15]] = 0  # all of object 3
        array[left[22], 0] = 1 if not as_objects else 9  # 6 voxels that nobody knows

    _changed_elsewhere(mask, change)
    again, reopened, notes = _opened(mask)
    new = 9 if as_objects else 5
    assert notes == (
        "Changed since its review, to be judged anew: object 1",
        "No longer in the mask: object 3",
        f"New since the review: object {new}",
    )
    records = _records(reopened, again)
    states = {number: str(record.state) for number, record in records.items()}
    assert states == {1: "edited", 4: "accepted", new: "proposed"}
    entry = records[1].edits[-1]
    assert (entry.kind, entry.voxels, entry.editor) == ("changed elsewhere", 3 * 6, "")
    assert records[new].made_by is None
    assert np.count_nonzero(reopened.data == new) == 6


def test_a_mask_of_classes_is_written_as_such_again(tmp_path):
    viewer = ViewerModel()
    layer, _ = _reviewed(viewer)
    mask, _ = _exported(layer, viewer, tmp_path, as_objects=False)
    again, reopened, _ = _opened(mask)
    (tmp_path / "second").mkdir()
    second, _ = _exported(reopened, again, tmp_path / "second", as_objects=None)
    assert np.array_equal(read_label_map(second).array, read_label_map(mask).array)


def test_what_nobody_reviewed_after_it_was_opened_keeps_its_trail_when_it_is_exported(tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer)
    mask, trail = _exported(layer, viewer, tmp_path)
    again, reopened, _ = _opened(mask)
    (tmp_path / "second").mkdir()
    _, second = _exported(reopened, again, tmp_path / "second", as_objects=None)
    first_trail, second_trail = (AuditTrail.from_json(one.read_text()) for one in (trail, second))
    kept = {number: first_trail.objects[number] for number in (1, 3, 4)}
    assert {number: second_trail.objects[number] for number in kept} == kept
    assert second_trail.objects[2].state is ObjectState.REMOVED  # it was rejected, and so not in the mask
    assert review.audit.objects[2].state is ObjectState.REJECTED


def test_a_mask_lies_on_the_open_image_of_the_same_grid(tmp_path):
    viewer = ViewerModel()
    layer, _ = _reviewed(viewer)
    mask, _ = _exported(layer, viewer, tmp_path)
    image = origin_of(layer).image
    other = image.replace(array=image.array[..., :-1])
    _, reopened, _ = _opened(mask, images=[other, image])
    assert origin_of(reopened).image is image
    assert (np.asarray(reopened.data) == np.where(layer.data == 2, 0, layer.data)).all()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A mask of objects 1, 3 and 4, and its trail."""
    viewer = ViewerModel()
    layer, _ = _reviewed(viewer)
    return _exported(layer, viewer, tmp_path_factory.mktemp("exported"))


def _damage(trail):
    trail.write_text(trail.read_text()[:-40])


def _no_text(trail):
    trail.write_bytes(b"\xff\xfe\x00")


def _nested(trail):
    trail.write_text("[" * 100_000)


def _class_is_a_number(trail):
    content = json.loads(trail.read_text())
    content["objects"]["1"]["class_name"] = 5
    trail.write_text(json.dumps(content))


def _one_object_less(trail):
    content = json.loads(trail.read_text())
    del content["objects"]["4"]
    trail.write_text(json.dumps(content))


def _with_places(trail, **changes):
    content = json.loads(trail.read_text())
    places = content["mask"]["places"]
    content["mask"]["places"] = {number: place | changes for number, place in places.items()}
    trail.write_text(json.dumps(content))


def _another_mask(trail):
    _with_places(trail, start=[0, 0, 0])


def _beyond_the_mask(trail):
    _with_places(trail, size=[10**6] * 3)


def _another_shape(trail):
    _with_places(trail, shape="AAAA")


def _of_a_picture(trail):
    _with_places(trail, start=[0, 0], size=[2, 2])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_damage, "damaged"),
        (_no_text, "damaged"),
        (_nested, "damaged"),
        (_class_is_a_number, "damaged"),
        (_one_object_less, "damaged"),
        (_another_shape, "damaged"),
        (_of_a_picture, "damaged"),
        (_another_mask, "other objects"),
        (_beyond_the_mask, "other objects"),
    ],
)
def test_a_trail_that_is_damaged_or_of_another_mask_says_nothing(spoil, reason, exported, tmp_path):
    trail = Path(shutil.copy(exported[1], tmp_path))
    spoil(trail)
    told = taken_up(trail_beside(tmp_path / exported[0].name), read_label_map(exported[0]))
    assert reason in told
    assert "\n" not in told


def test_a_mask_whose_trail_is_left_out_opens_as_any_other(exported, tmp_path):
    mask, trail = (Path(shutil.copy(path, tmp_path)) for path in exported)
    _damage(trail)
    again, reopened, (told,) = _opened(mask)
    assert "damaged" in told
    assert {record.state for record in _records(reopened, again).values()} == {ObjectState.PROPOSED}


def test_a_mask_of_nothing_but_rejected_objects_opens_empty(tmp_path):
    viewer = ViewerModel()
    layer, review = _reviewed(viewer)
    review.reject(review.table.ids)
    mask, _ = _exported(layer, viewer, tmp_path)
    again, reopened, notes = _opened(mask)
    assert notes == ()
    assert _records(reopened, again) == {}
    assert {str(record.state) for record in review_of(reopened, again).audit.objects.values()} == {"removed"}


def test_a_file_without_a_trail_opens_as_an_image_as_before(tmp_path):
    viewer = ViewerModel()
    layer, _ = _reviewed(viewer)
    mask, trail = _exported(layer, viewer, tmp_path)
    trail.unlink()
    _, reopened, notes = _opened(mask)
    assert type(reopened).__name__ == "Image"
    assert notes == ()
    assert isinstance(origin_of(reopened), Origin)
    assert read_image(mask).spatial_shape == origin_of(reopened).image.spatial_shape
