"""Frames of the Cell Tracking Challenge with their truth."""

import numpy as np
import pytest
import tifffile
from dataset_files import write_ctc_layout

from medseg.datasets import open_dataset, read_case
from medseg.errors import ConfigError, InputError
from medseg.images import LabelKind


def opened(root, **options):
    return open_dataset("cell_tracking", root=root, options=options)


def test_only_frames_with_truth_are_cases_and_each_has_its_own(tmp_path):
    write_ctc_layout(tmp_path, frames=(1, 4, 5, 9))
    dataset = opened(tmp_path, gap=0, validation_fraction=0.25)
    assert [case.case_id for case in dataset.cases()] == ["01_t001", "01_t004", "01_t005", "01_t009"]
    for case, number in zip(dataset.cases(), (1, 4, 5, 9), strict=True):
        image, reference = read_case(case)
        assert reference.kind is LabelKind.INSTANCES
        assert np.array_equal(image.array[0] > 0, reference.array == 3)
        assert reference.array[5, number] == 3


def test_the_last_frames_validate_and_those_before_them_are_left_out(tmp_path):
    write_ctc_layout(tmp_path, frames=range(10))
    splits = opened(tmp_path, gap=2, validation_fraction=0.3).splits()
    assert splits.train == tuple(f"01_t{number:03d}" for number in range(5))
    assert splits.validation == ("01_t007", "01_t008", "01_t009")


def test_a_named_sequence_validates_whole(tmp_path):
    write_ctc_layout(tmp_path, frames=(0, 1))
    write_ctc_layout(tmp_path, frames=(3,), sequence="02")
    splits = opened(tmp_path, validation_sequences=["02"]).splits()
    assert splits.train == ("01_t000", "01_t001")
    assert splits.validation == ("02_t003",)


def test_silver_truth_lies_beside_the_gold_one(tmp_path):
    write_ctc_layout(tmp_path, frames=(0,))
    write_ctc_layout(tmp_path, frames=range(6), truth="ST")
    assert len(opened(tmp_path, truth="silver").cases()) == 6


def test_truth_of_single_slices_of_a_volume_is_left_out(tmp_path):
    write_ctc_layout(tmp_path, frames=range(5))
    tifffile.imwrite(tmp_path / "01_GT" / "SEG" / "man_seg_000_003.tif", np.zeros((20, 30), np.uint16))
    assert len(opened(tmp_path).cases()) == 5


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"expected a data set of the Cell Tracking Challenge .* holds 01\."):
        opened(tmp_path)
    write_ctc_layout(tmp_path, frames=range(5))
    with pytest.raises(InputError, match=r"no sequence 07 with gold truth\. There are 01\."):
        opened(tmp_path, sequences=["07"])
    with pytest.raises(InputError, match=r"leaves no frame to train on"):
        opened(tmp_path, gap=9)
    with pytest.raises(ConfigError, match=r"leaves no sequence to train on"):
        opened(tmp_path, sequences=["01"], validation_sequences=["01"])
    (tmp_path / "01" / "t003.tif").unlink()
    with pytest.raises(InputError, match=r"man_seg003\.tif: there is no frame t003\.tif"):
        opened(tmp_path)


@pytest.mark.real_data
def test_the_real_sequence_has_truth_for_all_its_frames(data_dir):
    dataset = opened(data_dir / "ctc" / "PhC-C2DL-PSC")
    assert len(dataset.cases()) == 120
    assert (dataset.num_channels, dataset.spatial_dims) == (1, 2)
    assert len(dataset.splits().validation) == 24
