"""A person's own data: pairing, splits, and the mistakes people make."""

import json

import numpy as np
import pytest
from dataset_files import write_nifti_case, write_png_pair
from PIL import Image as PillowImage

from medseg.datasets import open_dataset, read_case
from medseg.errors import ConfigError, GeometryError, InputError, LabelError
from medseg.images import LabelKind

_CELLS = {"labels": ["background", "cell"]}
_LESIONS = {
    "labels": ["background", "lesion"],
    "image_pattern": "{case}/flair.nii.gz",
    "label_pattern": "{case}/lesions.nii.gz",
}


@pytest.fixture
def cells(tmp_path):
    for case in ("p1_a", "p1_b", "p2_a", "p2_b", "p3_a"):
        write_png_pair(tmp_path, case)
    return tmp_path


def _ids(dataset):
    return [case.case_id for case in dataset.cases()]


def test_files_are_paired_by_name_whatever_their_suffix(cells):
    PillowImage.open(cells / "images" / "p1_a.png").save(cells / "images" / "p1_a.tif")
    (cells / "images" / "p1_a.png").unlink()
    (cells / "images" / ".DS_Store").write_text("")
    dataset = open_dataset("folder", root=cells, options=_CELLS)
    assert _ids(dataset) == ["p1_a", "p1_b", "p2_a", "p2_b", "p3_a"]
    assert (dataset.num_channels, dataset.spatial_dims) == (1, 2)
    image, reference = read_case(dataset.cases()[0])
    assert image.spatial_shape == reference.spatial_shape == (20, 30)


def test_a_name_with_dots_keeps_them(tmp_path):
    for case in ("scan.1", "scan.2", "scan.3"):
        write_png_pair(tmp_path, case)
    assert _ids(open_dataset("folder", root=tmp_path, options=_CELLS)) == ["scan.1", "scan.2", "scan.3"]


def test_label_files_beside_the_images_are_not_taken_for_images(tmp_path):
    for case in ("a", "b", "c"):
        write_png_pair(tmp_path, case)
        (tmp_path / "labels" / f"{case}.png").rename(tmp_path / "images" / f"{case}_mask.png")
    options = {**_CELLS, "image_pattern": "images/{case}.png", "label_pattern": "images/{case}_mask.png"}
    assert _ids(open_dataset("folder", root=tmp_path, options=options)) == ["a", "b", "c"]


def test_case_folders_with_volumes(tmp_path):
    for case in ("patient07", "patient19"):
        write_nifti_case(tmp_path, case)
    dataset = open_dataset("folder", root=tmp_path, options={**_LESIONS, "validation": ["patient07"]})
    assert dataset.splits().train == ("patient19",)
    assert dataset.splits().validation == ("patient07",)
    image, reference = read_case(dataset.cases()[0])
    assert image.spacing_mm == pytest.approx((1.5, 1.0, 2.0))
    assert reference.array.shape == (12, 10, 8)


def test_groups_from_names_stay_together(cells):
    for seed in range(8):
        options = {**_CELLS, "group_pattern": "^(p[0-9]+)_", "validation_fraction": 0.3, "seed": seed}
        splits = open_dataset("folder", root=cells, options=options).splits()
        assert {case[:2] for case in splits.train}.isdisjoint(case[:2] for case in splits.validation)


def test_a_frozen_split_survives_another_seed_and_is_checked(cells):
    options = {**_CELLS, "splits_file": "splits.json"}
    first = open_dataset("folder", root=cells, options=options).splits()
    assert open_dataset("folder", root=cells, options={**options, "seed": 99}).splits() == first
    frozen = json.loads((cells / "splits.json").read_text())
    frozen["train"].append("gone")
    (cells / "splits.json").write_text(json.dumps(frozen))
    with pytest.raises(InputError, match=r"splits.json: train names case 'gone', which does not exist"):
        open_dataset("folder", root=cells, options=options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ConfigError, "data.options.labels"),
        ({"labels": ["a", "a"]}, LabelError, "distinct names"),
        ({**_CELLS, "value_map": {255: 2}}, ConfigError, "value_map: maps to 2, which is no class. Known: 0=backgr"),
        ({**_CELLS, "image_pattern": "images/*.png"}, ConfigError, r"image_pattern: must be a path .* with \{case\}"),
        ({**_CELLS, "image_pattern": "../{case}.png"}, ConfigError, "image_pattern: must be a path below the folder"),
        ({**_CELLS, "group_pattern": "(x"}, ConfigError, "group_pattern: is no regular expression"),
        ({**_CELLS, "group_pattern": "p[0-9]"}, ConfigError, "must have one group in parentheses"),
        ({**_CELLS, "group_pattern": "(q)"}, ConfigError, r"'\(q\)' does not match case 'p1_a'"),
        ({**_CELLS, "validation": ["p9"]}, InputError, "validation names case 'p9', which does not exist"),
        ({**_CELLS, "train": ["p1_a"]}, ConfigError, "so list the validation cases as well"),
        ({**_CELLS, "validation": ["p1_a"], "group_pattern": "(p[0-9])"}, InputError, "group 'p1' stands in train"),
    ],
)
def test_wrong_options_are_named(cells, options, error, message):
    with pytest.raises(error, match=message):
        open_dataset("folder", root=cells, options=options)


def test_a_missing_or_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing: no such folder. Expected one with images as images/\{case\}"):
        open_dataset("folder", root=tmp_path / "nothing", options=_CELLS)
    with pytest.raises(InputError, match=r"no image matches images/\{case\}.*data.options.image_pattern"):
        open_dataset("folder", root=tmp_path, options=_CELLS)


def test_an_image_without_labels_and_labels_without_an_image_are_named(cells):
    (cells / "labels" / "p2_a.png").unlink()
    with pytest.raises(InputError, match=r"images/p2_a.png: its labels, expected as .*labels/p2_a.\*, cannot be found"):
        open_dataset("folder", root=cells, options=_CELLS)
    (cells / "images" / "p2_a.png").unlink()
    (cells / "images" / "p2_b.png").unlink()
    with pytest.raises(InputError, match=r"labels/p2_b.png: its image, expected as .*images/p2_b"):
        open_dataset("folder", root=cells, options=_CELLS)


def test_two_files_for_one_case_are_named(cells):
    PillowImage.open(cells / "images" / "p1_a.png").save(cells / "images" / "p1_a.tif")
    with pytest.raises(InputError, match=r"p1_a.png and .*p1_a.tif are both case 'p1_a'"):
        open_dataset("folder", root=cells, options=_CELLS)


def test_image_and_mask_of_different_shapes_are_refused_on_opening(cells):
    write_png_pair(cells, "p9_a", label_shape=(20, 31))
    with pytest.raises(GeometryError, match=r"images/p9_a.png and .*labels/p9_a.png differ in size"):
        open_dataset("folder", root=cells, options=_CELLS)


def test_image_and_mask_of_different_affines_are_refused_on_opening(tmp_path):
    write_nifti_case(tmp_path, "patient01")
    write_nifti_case(tmp_path, "patient02", label_shift_mm=0.5)
    with pytest.raises(
        GeometryError, match=r"patient02/flair.nii.gz and .*patient02/lesions.nii.gz differ in position"
    ):
        open_dataset("folder", root=tmp_path, options=_LESIONS)


def test_images_of_different_channels_are_refused(cells):
    colour = np.zeros((20, 30, 3), dtype=np.uint8)
    colour[..., 1] = np.arange(30)
    PillowImage.fromarray(colour).save(cells / "images" / "p3_a.png")
    with pytest.raises(GeometryError, match=r"p1_a.png and .*p3_a.png differ: 1 channels of 20 x 30 .* vs 3 channels"):
        open_dataset("folder", root=cells, options=_CELLS)


def test_labels_outside_the_table_are_named_on_reading(cells):
    write_png_pair(cells, "p9_a", labels=(0, 1, 7))
    case = open_dataset("folder", root=cells, options=_CELLS).cases()[-1]
    with pytest.raises(LabelError, match=r"labels/p9_a.png: label values 7 are not in the class table \(0=background"):
        read_case(case)


def test_labels_that_are_not_in_the_value_map_are_named_on_reading(cells):
    write_png_pair(cells, "p9_a", labels=(0, 1, 7))
    options = {**_CELLS, "value_map": {0: 0, 1: 1}}
    case = open_dataset("folder", root=cells, options=options).cases()[-1]
    with pytest.raises(LabelError, match=r"labels/p9_a.png.*7"):
        read_case(case)


@pytest.mark.real_data
def test_the_real_ms_patients_open_as_case_folders(data_dir):
    options = {
        "labels": ["background", "lesion"],
        "image_pattern": "{case}/FLAIR.nii.gz",
        "label_pattern": "{case}/label.nii.gz",
        "train": ["patient19"],
        "validation": ["patient07"],
    }
    dataset = open_dataset("folder", root=data_dir / "mr" / "open_ms", options=options)
    assert _ids(dataset) == ["patient07", "patient19"]
    shares = {}
    for case in dataset.cases():
        image, reference = read_case(case)
        assert image.array.shape == (1, 182, 218, 182)
        assert image.affine.orientation == "LAS"
        shares[case.case_id] = float((reference.array == 1).mean())
    assert shares["patient07"] == pytest.approx(1.8e-4, rel=0.05)
    assert shares["patient19"] == pytest.approx(6.9e-3, rel=0.05)


def test_labels_without_a_voxel_size_fit_images_with_one(tmp_path):
    from tifffile import imwrite

    size = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for case in ("a", "b"):
        pixels = np.zeros((20, 30), np.uint8)
        imwrite(tmp_path / "images" / f"{case}.ome.tif", pixels, ome=True, metadata={"axes": "YX", **size})
        imwrite(tmp_path / "labels" / f"{case}.tif", pixels)
    image, reference = read_case(open_dataset("folder", root=tmp_path, options=_CELLS).cases()[0])
    assert image.spacing_mm == pytest.approx((0.25e-3, 0.25e-3))  # 0.25 µm
    assert reference.grid.is_same_as(image.grid)
    imwrite(tmp_path / "labels" / "b.tif", np.zeros((20, 31), np.uint8))
    with pytest.raises(
        GeometryError, match=r"b\.ome\.tif and .*b\.tif differ in size: \(20, 30\) vs \(20, 31\) voxels"
    ):
        open_dataset("folder", root=tmp_path, options=_CELLS)


def test_label_files_of_single_objects_keep_their_numbers(tmp_path):
    for case in ("a", "b", "c"):
        write_png_pair(tmp_path, case)
        numbers = np.zeros((20, 30), np.uint16)
        numbers[2:8, 2:9], numbers[2:8, 9:20] = 7, 300
        PillowImage.fromarray(numbers).save(tmp_path / "labels" / f"{case}.png")
    dataset = open_dataset("folder", root=tmp_path, options={**_CELLS, "objects": True})
    _, reference = read_case(dataset.cases()[0])
    assert reference.kind is LabelKind.INSTANCES
    assert reference.present_values() == (0, 7, 300)


@pytest.mark.parametrize("more", [{"labels": ["background", "cell", "debris"]}, {"value_map": {255: 1}}])
def test_objects_are_of_one_class_and_keep_their_numbers(cells, more):
    with pytest.raises(ConfigError, match=r"objects: needs two labels, the background and the objects' class"):
        open_dataset("folder", root=cells, options={**_CELLS, "objects": True, **more})
