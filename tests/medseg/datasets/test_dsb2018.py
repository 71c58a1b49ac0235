"""Nuclei of the Data Science Bowl 2018."""

import numpy as np
import pytest
from dataset_files import write_dsb_layout

from medseg.datasets import open_dataset, read_case
from medseg.errors import InputError
from medseg.images import LabelKind


def test_references_keep_object_numbers_and_kinds_are_chosen(tmp_path):
    write_dsb_layout(tmp_path, kinds=("fluo", "histology_bright", "fluo", "fluo"))
    dataset = open_dataset("dsb2018", root=tmp_path, options={"kinds": ["fluo"]})
    assert [case.case_id for case in dataset.cases()] == ["0", "2", "3"]
    image, reference = read_case(dataset.cases()[1])
    assert image.array.shape == (3, 40, 48)
    assert reference.kind is LabelKind.INSTANCES
    assert np.unique(reference.array).tolist() == [0, 1, 7]


def test_an_unknown_kind_and_a_missing_table_are_told(tmp_path):
    write_dsb_layout(tmp_path, kinds=("fluo", "fluo"))
    with pytest.raises(InputError, match=r"no picture is of kind xray\. Known: fluo\."):
        open_dataset("dsb2018", root=tmp_path, options={"kinds": ["xray"]})
    (tmp_path / "train" / "index.csv").unlink()
    with pytest.raises(InputError, match=r"cannot be read as a table of kinds"):
        open_dataset("dsb2018", root=tmp_path, options={"kinds": ["fluo"]})


@pytest.mark.real_data
def test_the_real_set_holds_250_fluorescence_pictures(data_dir):
    dataset = open_dataset("dsb2018", root=data_dir / "dsb2018", options={"kinds": ["fluo"]})
    assert len(dataset.cases()) == 250
    assert dataset.num_channels == 3
