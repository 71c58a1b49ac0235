"""Splits: drawn by group, checked, frozen to a file."""

from pathlib import Path

import numpy as np
import pytest

from medseg.datasets import Case, Splits, check_splits, load_splits, make_splits, save_splits
from medseg.errors import ConfigError, InputError
from medseg.io import ImageSource


def _cases(*groups):
    return [
        Case(f"{group}_{index}", group, ImageSource(Path(f"{index}.png")), None) for index, group in enumerate(groups)
    ]


def test_groups_stay_together_and_every_case_is_used_once():
    cases = _cases(*"aabbbcddee")
    for seed in range(20):
        splits = make_splits(cases, rng=np.random.default_rng(seed), validation_fraction=0.3, test_fraction=0.2)
        listed = [*splits.train, *splits.validation, *splits.test]
        assert sorted(listed) == sorted(case.case_id for case in cases)
        check_splits(splits, cases, name="drawn")
        assert len(splits.validation) >= 3
        assert len(splits.test) >= 2


def test_same_seed_same_split_whatever_the_order_of_the_cases():
    cases = _cases(*"abcdefgh")
    first = make_splits(cases, rng=np.random.default_rng(4), validation_fraction=0.25)
    second = make_splits(cases[::-1], rng=np.random.default_rng(4), validation_fraction=0.25)
    assert set(first.validation) == set(second.validation)
    assert len(first.validation) == 2


def test_a_share_of_nothing_takes_nothing():
    splits = make_splits(_cases("a"), rng=np.random.default_rng(0), validation_fraction=0.0)
    assert splits == Splits(train=("a_0",), validation=(), test=())


def test_a_single_group_cannot_be_split():
    with pytest.raises(InputError, match=r"1 groups with shares of 0.2 .* leave nothing to train on"):
        make_splits(_cases("a", "a"), rng=np.random.default_rng(0), validation_fraction=0.2)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (Splits(("a_0", "x"), ("b_1",)), r"train names case 'x', which does not exist. Known: a_0, b_1, b_2\."),
        (Splits(("a_0",), ("b_1", "a_0")), "case 'a_0' stands in train and in validation"),
        (
            Splits(("a_0", "b_1"), ("b_2",)),
            "'b' stands in train with case 'b_1' and in validation with case 'b_2'",
        ),
    ],
)
def test_wrong_splits_are_named(splits, message):
    with pytest.raises(InputError, match=message):
        check_splits(splits, _cases("a", "b", "b"), name="mine")


def test_a_frozen_split_reads_back(tmp_path):
    splits = Splits(train=("a", "b"), validation=("c",), test=("d",))
    save_splits(splits, tmp_path / "splits.json")
    assert load_splits(tmp_path / "splits.json") == splits


def test_broken_split_files_are_named(tmp_path):
    path = tmp_path / "splits.json"
    with pytest.raises(InputError, match=r"splits.json: cannot be read as a split: no such file"):
        load_splits(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"splits.json: cannot be read as a split"):
        load_splits(path)
    path.write_text('{"train": [], "validaton": []}')
    with pytest.raises(ConfigError, match="validaton is not a known key"):
        load_splits(path)
    path.write_text("[]")
    with pytest.raises(ConfigError, match="expected a mapping"):
        load_splits(path)
