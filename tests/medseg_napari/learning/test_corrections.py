"""The set of corrected images: copies without identity, who judges, and what is too little to learn from."""

import json

import numpy as np
import pytest
from medseg_napari.layers import Origin
from medseg_napari.learning.corrected import Reviewed, corrected_image, parted
from medseg_napari.learning.corrections import CorrectedImage, CorrectionSet
from medseg_napari.learning.marks import group_mark, image_mark
from medseg_napari.learning.places import family_folder, secret_key
from medseg_napari.review.records import MadeBy, ObjectRecord, ObjectState

from medseg.config import parse_config
from medseg.datasets.folder import FolderOptions, open_folder
from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable
from medseg.io import read_image, read_label_map

TABLE = LabelTable.from_names(("background", "cell"))
KEY = b"0123456789abcdef"
DAY = "2026-11-21"
_MICRONS = Affine(np.array([[0, 0.25e-3, 0], [0.5e-3, 0, 0], [0, 0, 1]]), frame=WorldFrame.RAS)
"""Index (y, x) -> world (x, y) of a picture with pixels of 0.5 by 0.25 micrometres."""


def _picture(number, *, source="", **metadata):
    values = np.random.default_rng(number).integers(0, 4000, (1, 12, 9)).astype(np.uint16)
    return Image(values, _MICRONS, "CYX", ImageMetadata(source=source, format="tiff", **metadata))


def _corrected(image, value=1):
    classes = np.zeros(image.spatial_shape, np.uint8)
    classes[..., 2:5, 3:6] = value
    return CorrectedImage(image, LabelMap(classes, image.affine, image.axes[1:], TABLE), objects=2, model="m")


def _filled(folder, count):
    corrections = CorrectionSet(folder)
    for number in range(count):
        image = _picture(number, source=f"/data/{number}.tif")
        corrections.add(_corrected(image), group=group_mark(image, key=KEY), date=DAY)
    return corrections


def test_a_set_says_what_is_in_it_and_what_is_missing(tmp_path):
    corrections = CorrectionSet(tmp_path / "set")
    assert corrections.headline == "No images yet."
    assert "add 3 more" in corrections.lack
    assert _filled(tmp_path / "one", 1).headline == "1 image, 2 objects, 0 held back to judge"
    assert "add 1 more" in _filled(tmp_path / "two", 2).lack
    twelve = _filled(tmp_path / "twelve", 12)
    assert twelve.headline == "12 images, 24 objects, 3 held back to judge"
    assert twelve.lack == ""


def test_who_is_held_back_stays_so_when_images_are_added(tmp_path):
    corrections, seen = CorrectionSet(tmp_path), {}
    for number in range(15):
        image = _picture(number, source=f"/data/{number}.tif")
        corrections.add(_corrected(image), group=group_mark(image, key=KEY), date=DAY)
        now = {entry.case: entry.judges for entry in CorrectionSet(tmp_path).entries}
        assert seen.items() <= now.items()
        seen = now
    assert [number for number, judges in enumerate(seen.values()) if judges] == [2, 6, 10, 14]


def test_images_from_one_file_stay_on_one_side(tmp_path):
    corrections = CorrectionSet(tmp_path)
    for number in range(9):
        image = _picture(number, source="/data/slide.tif")
        corrections.add(_corrected(image), group=group_mark(image, key=KEY), date=DAY)
    assert len({entry.group for entry in corrections.entries}) == 1
    assert corrections.judging == ()
    assert "too few patients or files" in corrections.lack


def test_the_same_image_again_replaces_its_mask(tmp_path):
    corrections = _filled(tmp_path, 3)
    before = corrections.entries
    again = _corrected(_picture(1, source="/elsewhere/1.tif"), value=0)
    corrections.add(again, group="another", date="2026-12-01")
    assert [entry.case for entry in corrections.entries] == [entry.case for entry in before]
    assert corrections.entries[1].group == before[1].group
    stored = read_label_map(tmp_path / "labels" / f"{before[1].case}.tif", labels=TABLE)
    assert not stored.array.any()
    assert len(list((tmp_path / "images").iterdir())) == 3


def test_an_image_that_is_taken_out_leaves_nothing(tmp_path):
    corrections = _filled(tmp_path, 3)
    case = corrections.entries[0].case
    corrections.remove([case])
    assert not list(tmp_path.rglob(f"*{case}*"))
    assert case not in (tmp_path / "corrections.json").read_text() + (tmp_path / "patients.csv").read_text()
    assert len(CorrectionSet(tmp_path).entries) == 2


def test_a_copy_keeps_values_and_place_and_says_nothing_of_its_origin(tmp_path, marked_volume):
    volume = marked_volume()
    secret = ImageMetadata(
        source="/clinic/Doe^Jane/series",
        format="dicom",
        modality="CT",
        instance_uids=tuple(f"1.2.3.{number}" for number in range(4)),
        extra={"PatientName": "Doe^Jane"},
        notes=("Doe^Jane was moved",),
    )
    volume = volume.replace(metadata=secret)
    corrections = CorrectionSet(tmp_path)
    group = group_mark(volume, key=KEY)
    classes = LabelMap((volume.array[0] > 0).astype(np.uint8), volume.affine, "XYZ", TABLE, metadata=secret)
    entry = corrections.add(CorrectedImage(volume, classes, objects=1), group=group, date=DAY)
    copy = read_image(tmp_path / "images" / f"{entry.case}.nii.gz")
    assert np.array_equal(copy.array, volume.array)
    assert np.allclose(copy.affine.matrix, volume.affine.matrix, atol=1e-5)
    mask = read_label_map(tmp_path / "labels" / f"{entry.case}.nii.gz", labels=TABLE)
    assert np.argwhere(mask.array).tolist() == [[2, 3, 1]]
    import gzip

    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert b"Doe" not in content
        assert b"1.2.3." not in content
        assert b"clinic" not in content


def test_the_command_line_takes_the_set_as_its_data(tmp_path):
    corrections = _filled(tmp_path, 7)
    options = {"labels": ["background", "cell"], "patients": "patients.csv"}
    options |= {"train": corrections.training, "validation": corrections.judging}
    dataset = open_folder(tmp_path, parse_config(FolderOptions, options, source="test"))
    assert dataset.splits().validation == corrections.judging
    assert len(dataset.splits().train) == 5
    images = [case.image.read() for case in dataset.cases()]
    assert all(np.any([np.array_equal(image.array, _picture(n).array) for n in range(7)]) for image in images)
    image = images[0]
    assert image.spacing_mm == pytest.approx((0.5e-3, 0.25e-3))


def test_a_damaged_list_is_told_in_one_line(tmp_path):
    (tmp_path / "corrections.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as the list of corrected images"):
        CorrectionSet(tmp_path)


def test_the_same_patient_has_one_mark_and_no_other_key_gives_it():
    first, second = _picture(1, source="/a/b.tif"), _picture(2, source="/a/b.tif")
    assert group_mark(first, key=KEY) == group_mark(second, key=KEY)
    assert group_mark(first, key=KEY) != group_mark(first, key=b"another")
    assert image_mark(first) != image_mark(second)
    moved = first.replace(affine=Affine.from_spacing((1.0, 1.0), frame=WorldFrame.RAS))
    assert image_mark(moved) != image_mark(first)


def test_the_key_lies_above_the_set_and_only_its_owner_reads_it(tmp_path):
    key = secret_key(tmp_path)
    assert key == secret_key(tmp_path)
    assert len(key) == 32
    family = family_folder(tmp_path / "elsewhere", name="nuclei", home=tmp_path / "home")
    assert family == tmp_path / "home" / "nuclei"
    tuned = tmp_path / "home" / "nuclei" / "runs" / "nuclei_tuned_1" / "best"
    assert family_folder(tuned, name="nuclei_tuned_1", home=tmp_path / "home") == family


def _reviewed(numbers, states, **changes):
    image = _picture(5)
    made_by = MadeBy("nuclei", "ab" * 32)
    records = {number: ObjectRecord("cell", state) for number, state in states.items()}
    return Reviewed(numbers, {**records, **changes.pop("records", {})}, Origin(image, 0), "cells", made_by)


def test_rejected_objects_are_background_and_objects_that_touch_are_parted():
    numbers = np.zeros((12, 9), np.uint16)
    numbers[1:4, 1:5], numbers[4:7, 1:5], numbers[9:11, 1:3] = 3, 7, 9
    states = {3: ObjectState.ACCEPTED, 7: ObjectState.EDITED, 9: ObjectState.REJECTED}
    corrected = corrected_image(_reviewed(numbers, states), table=TABLE, spatial_dims=2, num_channels=1)
    expected = np.zeros((12, 9), np.uint8)
    expected[1:4, 1:5], expected[5:7, 1:5] = 1, 1  # the row of object 7 at the border is given up
    assert np.array_equal(corrected.label_map.array, expected)
    assert (corrected.objects, corrected.model, corrected.model_sha256) == (2, "nuclei", "ab" * 32)


def test_parting_keeps_objects_that_touch_nobody_and_separates_corners():
    numbers = np.array([[1, 1, 0, 0], [0, 0, 2, 2], [0, 0, 2, 2], [5, 0, 0, 0]])
    assert parted(numbers).tolist() == [[1, 1, 0, 0], [0, 0, 0, 2], [0, 0, 2, 2], [5, 0, 0, 0]]


def test_a_2d_model_learns_from_each_slice_of_a_stack(tmp_path):
    values = np.arange(3 * 12 * 9, dtype=np.uint16).reshape(1, 3, 12, 9)
    affine = Affine.from_spacing((5e-3, 0.5e-3, 0.25e-3), frame=WorldFrame.RAS)
    stack = Image(values, affine, "CZYX", ImageMetadata(source="/data/em.tif", format="tiff"))
    numbers = np.zeros((3, 12, 9), np.uint16)
    numbers[0, 2:4, 1:5], numbers[1, 2:4, 1:5], numbers[1, 4:6, 1:5] = 1, 2, 3  # 1 lies on 2, and 2 touches 3
    records = {number: ObjectRecord("cell", ObjectState.ACCEPTED) for number in (1, 2, 3)}
    reviewed = Reviewed(numbers, records, Origin(stack, 0), "em", None)
    corrected = corrected_image(reviewed, table=TABLE, spatial_dims=2, num_channels=1)
    corrections = CorrectionSet(tmp_path)
    entry = corrections.add(corrected, group="em", date=DAY)
    assert (entry.slices, entry.objects) == (3, 3)
    assert CorrectionSet(tmp_path).entries == (entry,)
    assert corrections.headline == "1 image, 3 objects, 0 held back to judge"
    assert "add 2 more" in corrections.lack
    options = {"labels": ["background", "cell"], "patients": "patients.csv"}
    options |= {"train": corrections.training, "validation": ()}
    dataset = open_folder(tmp_path, parse_config(FolderOptions, options, source="test"))
    assert dataset.spatial_dims == 2
    assert {case.group_id for case in dataset.cases()} == {"em"}
    expected = np.zeros((3, 12, 9), np.uint8)
    expected[0, 2:4, 1:5], expected[1, 2:4, 1:5], expected[1, 5:6, 1:5] = 1, 1, 1
    for index, case in enumerate(dataset.cases()):
        image = case.image.read()
        assert np.array_equal(image.array[0], values[0, index])
        assert image.spacing_mm == pytest.approx((0.5e-3, 0.25e-3))
        assert np.array_equal(case.reference.read().array, expected[index])
    corrections.remove([entry.case])
    assert not list(tmp_path.rglob(f"*{entry.case}*"))


def test_slices_of_a_scan_are_those_that_a_model_goes_through(tmp_path, marked_volume):
    volume = marked_volume()
    origin = Origin(volume, 0)
    numbers = origin.to_layer((volume.array[0] > 0).astype(np.uint16))
    reviewed = Reviewed(numbers, {1: ObjectRecord("cell", ObjectState.ACCEPTED)}, origin, "ct", None)
    corrected = corrected_image(reviewed, table=TABLE, spatial_dims=2, num_channels=1)
    entry = CorrectionSet(tmp_path).add(corrected, group="ct", date=DAY)
    assert entry.slices == 4  # along z
    for index, name in enumerate(entry.files):
        image = read_image(tmp_path / "images" / f"{name}.tif")
        mask = read_label_map(tmp_path / "labels" / f"{name}.tif", labels=TABLE)
        # Pictures are read as (y, x): voxel (2, 3) of the slice stands in row 3, column 2.
        assert np.argwhere(mask.array).tolist() == ([[3, 2]] if index == 1 else [])
        assert np.array_equal(image.array[0], mask.array)
        assert image.spacing_mm == pytest.approx((0.9, 0.8))


def test_what_the_model_does_not_know_is_refused():
    numbers = np.ones((12, 9), np.uint16)
    stranger = {1: ObjectRecord("nerve", ObjectState.ACCEPTED)}
    with pytest.raises(InputError, match="the class 'nerve', but the model knows cell"):
        corrected_image(_reviewed(numbers, {}, records=stranger), table=TABLE, spatial_dims=2, num_channels=1)
    accepted = _reviewed(numbers, {1: ObjectState.ACCEPTED})
    with pytest.raises(InputError, match="learns from volumes, and this is a picture"):
        corrected_image(accepted, table=TABLE, spatial_dims=3, num_channels=1)
    with pytest.raises(InputError, match=r"looks at 3 channel\(s\), and the image has 1"):
        corrected_image(accepted, table=TABLE, spatial_dims=2, num_channels=3)


def test_the_manifest_says_which_model_was_corrected(tmp_path):
    _filled(tmp_path, 1)
    entry = json.loads((tmp_path / "corrections.json").read_text())["images"][0]
    assert entry["model"] == "m"
    assert entry["date"] == DAY
    assert "/data" not in json.dumps(entry)
