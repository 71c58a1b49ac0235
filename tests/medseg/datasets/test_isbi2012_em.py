"""The ISBI 2012 stacks: slices as cases, membranes as foreground, the frozen split."""

import numpy as np
import pytest
import tifffile
from dataset_files import write_isbi_layout

from medseg.datasets import open_dataset, read_case
from medseg.datasets.isbi2012_download import _as_challenge_coding, fetch_isbi2012
from medseg.errors import ConfigError, GeometryError, ImageFormatError, InputError, LabelError, MedsegError


def _slices(*numbers):
    return tuple(f"slice_{number:02d}" for number in numbers)


def test_each_slice_is_a_case_with_its_own_pixels_and_membranes_as_class_one(tmp_path):
    root = write_isbi_layout(tmp_path)
    dataset = open_dataset("isbi2012_em", root=root)
    volume, labels = tifffile.imread(root / "train-volume.tif"), tifffile.imread(root / "train-labels.tif")
    image, reference = read_case(dataset.cases()[5])
    assert image.axes == "CYX"
    assert np.array_equal(image.array[0], volume[5])
    assert np.array_equal(reference.array == 1, labels[5] == 0)
    assert dataset.labels.names == ("cell", "membrane")


def test_the_frozen_split_trains_on_0_to_19_and_validates_on_20_to_23(tmp_path):
    splits = open_dataset("isbi2012_em", root=write_isbi_layout(tmp_path, count=30)).splits()
    assert splits.train == _slices(*range(20))
    assert splits.validation == _slices(20, 21, 22, 23)
    assert splits.test == ()


def test_ranges_and_gap_choose_other_slices(tmp_path):
    root = write_isbi_layout(tmp_path)
    options = {"train_slices": "0-3, 8,10-23", "validation_slices": 5, "test_slices": [12, 13], "gap": 2}
    splits = open_dataset("isbi2012_em", root=root, options=options).splits()
    assert splits.validation == _slices(5)
    assert splits.test == _slices(12, 13)
    assert splits.train == _slices(0, 1, 2, 8, *range(16, 24))  # 3 is near 5; 10, 11, 14, 15 are near 12 and 13


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"train_slices": "0-24"}, ConfigError, "data.options.train_slices: slice 24 does not exist.* 0 to 23"),
        ({"train_slices": "5-2"}, ConfigError, "expected ranges of slices like 0-19 or 0-9,12, got '5-2'"),
        ({"train_slices": "all"}, ConfigError, "expected ranges of slices"),
        ({"train_slices": "0-20"}, InputError, "case 'slice_20' stands in train and in validation"),
        ({"gap": -1}, ConfigError, "data.options.gap"),
    ],
)
def test_wrong_ranges_are_named(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        open_dataset("isbi2012_em", root=write_isbi_layout(tmp_path), options=options)


def test_missing_files_are_named_with_the_way_to_get_them(tmp_path):
    write_isbi_layout(tmp_path)
    (tmp_path / "train-labels.tif").unlink()
    with pytest.raises(
        InputError, match=r"but train-labels.tif cannot be found there.*--data.*MEDSEG_DATA_DIR.*--fetch"
    ):
        open_dataset("isbi2012_em", root=tmp_path)


def test_stacks_of_different_sizes_are_refused(tmp_path):
    write_isbi_layout(tmp_path, labels_count=23)
    with pytest.raises(GeometryError, match=r"train-volume.tif and .*train-labels.tif differ in shape: \(24, 32, 40\)"):
        open_dataset("isbi2012_em", root=tmp_path)


def test_a_label_that_is_neither_black_nor_white_is_named(tmp_path):
    root = write_isbi_layout(tmp_path)
    labels = tifffile.imread(root / "train-labels.tif")
    labels[2, 0, 0] = 128
    tifffile.imwrite(root / "train-labels.tif", labels)
    cases = open_dataset("isbi2012_em", root=root).cases()
    read_case(cases[1])
    with pytest.raises(LabelError, match=r"train-labels.tif.*128"):
        read_case(cases[2])


def test_fetching_leaves_files_that_lie_there_alone(tmp_path):
    root = write_isbi_layout(tmp_path)
    before = (root / "train-volume.tif").stat().st_mtime_ns
    fetch_isbi2012(root)
    assert (root / "train-volume.tif").stat().st_mtime_ns == before


def test_a_download_that_fails_is_one_line_that_says_how_to_do_it_by_hand(tmp_path):
    with pytest.raises(MedsegError, match=r"isbi2012_em: .*by hand.*train-volume.tif and train-labels.tif") as caught:
        fetch_isbi2012(tmp_path, url="http://127.0.0.1:9/isbi.h5")
    assert "\n" not in str(caught.value)


def test_a_fetched_copy_becomes_the_two_stacks(tmp_path):
    h5py = pytest.importorskip("h5py", reason="only the download of isbi2012_em needs h5py")
    from medseg.datasets.isbi2012_download import _write_stacks

    made = write_isbi_layout(tmp_path / "made", count=24)
    volume, labels = tifffile.imread(made / "train-volume.tif"), tifffile.imread(made / "train-labels.tif")
    with h5py.File(tmp_path / "isbi.h5", "w") as file:
        file["raw"] = volume
        file["labels/membranes"] = (labels == 0).astype(np.uint8)
    _write_stacks(h5py, tmp_path / "isbi.h5", tmp_path)
    assert np.array_equal(tifffile.imread(tmp_path / "train-volume.tif"), volume)
    assert np.array_equal(tifffile.imread(tmp_path / "train-labels.tif"), labels)
    assert len(open_dataset("isbi2012_em", root=tmp_path).cases()) == 24


def test_the_larger_class_of_a_copy_is_cells(tmp_path):
    membranes = np.array([[1, 1, 0, 0, 0, 0, 0, 0]])
    assert _as_challenge_coding(membranes, tmp_path).tolist() == [[0, 0, 255, 255, 255, 255, 255, 255]]
    with pytest.raises(ImageFormatError, match="expected two label values"):
        _as_challenge_coding(np.arange(8), tmp_path)


@pytest.mark.real_data
def test_the_real_stacks_open_with_the_frozen_split(data_dir):
    dataset = open_dataset("isbi2012_em", root=data_dir / "isbi2012")
    assert len(dataset.cases()) >= 24
    assert dataset.splits().validation == _slices(20, 21, 22, 23)
    shares = []
    for index in (0, 20):
        image, reference = read_case(dataset.cases()[index])
        assert image.array.shape == (1, 512, 512)
        membrane = reference.array == 1
        shares.append(membrane.mean())
        assert image.array[0][membrane].mean() < image.array[0][~membrane].mean() - 20  # membranes are dark
    assert np.mean(shares) == pytest.approx(0.22, abs=0.05)


def test_a_final_model_may_train_on_the_validation_slices_when_the_recipe_says_so(tmp_path):
    options = {"train_slices": "0-3", "validation_slices": "5-6", "also_train_on_validation": True}
    splits = open_dataset("isbi2012_em", root=write_isbi_layout(tmp_path), options=options).splits()
    assert splits.train == _slices(0, 1, 2, 3, 5, 6)
    assert splits.validation == _slices(5, 6)
