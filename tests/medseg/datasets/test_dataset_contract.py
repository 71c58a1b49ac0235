"""The contract of `Dataset`, run on every data set of the catalogue.

Cases stand in a fixed order with distinct ids that are also file names; each id of the split is one of theirs and
stands in one list; a group stands in one list unless the catalogue says why not; every image has the stated channels
and dimensions; its reference lies on its grid and holds only values of the table.
"""

import pickle
import re

import numpy as np
import pytest
from dataset_files import (
    write_coco_layout,
    write_ctc_layout,
    write_dsb_layout,
    write_isbi_layout,
    write_nifti_case,
    write_png_pair,
)

from medseg.datasets import available_datasets, check_splits, open_dataset, read_case
from medseg.images import LabelKind

_SMALL_CT = {
    "train_cases": 2,
    "validation_cases": 1,
    "test_cases": 1,
    "shape": (64, 64, 12),
    "spacing_mm": (6.0, 6.0, 12.0),
}
_SMALL_CELLS = {"train_cases": 2, "validation_cases": 1, "test_cases": 1, "size": 64, "mean_radius_voxel": 8.0}


def _isbi(root):
    return "isbi2012_em", write_isbi_layout(root), {}


def _coco(root):
    write_coco_layout(root)
    return "coco", root, {"label": "cell", "categories": ["cell"]}


def _cell_tracking(root):
    write_ctc_layout(root, frames=range(8))
    return "cell_tracking", root, {"gap": 1}


def _dsb2018(root):
    write_dsb_layout(root, kinds=("fluo", "fluo", "fluo", "histology_bright", "fluo"))
    return "dsb2018", root, {"kinds": ["fluo"], "train_cases": 2}


def _folder_png(root):
    for case in ("a", "b", "c", "d"):
        write_png_pair(root, case, labels=(0, 255))
    return "folder", root, {"labels": ["background", "cell"], "value_map": {0: 0, 255: 1}}


def _folder_nifti(root):
    for case in ("patient01", "patient02", "patient10"):
        write_nifti_case(root, case)
    patterns = {"image_pattern": "{case}/flair.nii.gz", "label_pattern": "{case}/lesions.nii.gz"}
    return "folder", root, {"labels": ["background", "lesion"], "validation_fraction": 0.3, **patterns}


def _cells(root):
    return "phantom_cells", root, _SMALL_CELLS


def _tissue(root):
    return (
        "phantom_tissue",
        root,
        {"train_cases": 2, "validation_cases": 1, "test_cases": 1, "shape": (48, 48, 32), "lesion_fraction": 1e-3},
    )


def _ct_dicom(root):
    return "phantom_ct", root, _SMALL_CT


def _ct_nifti(root):
    return "phantom_ct", root, {**_SMALL_CT, "format": "nifti", "organs": True}


@pytest.fixture(
    scope="module",
    params=[_isbi, _cell_tracking, _coco, _dsb2018, _folder_png, _folder_nifti, _cells, _tissue, _ct_dicom, _ct_nifti],
    ids=lambda make: make.__name__,
)
def opened(request, tmp_path_factory):
    name, root, options = request.param(tmp_path_factory.mktemp("data") / "set")
    return open_dataset(name, root=root, options=options), (name, root, options)


def test_every_data_set_of_the_catalogue_is_run_through_this_contract():
    tested = {
        "cell_tracking",
        "coco",
        "dsb2018",
        "isbi2012_em",
        "folder",
        "phantom_cells",
        "phantom_ct",
        "phantom_tissue",
    }
    assert tested == set(available_datasets())


def test_case_ids_are_distinct_file_names_in_a_fixed_order(opened):
    dataset, (name, root, options) = opened
    ids = [case.case_id for case in dataset.cases()]
    assert ids
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w.-]+", case_id) for case_id in ids)
    again = open_dataset(name, root=root, options=options)
    assert [case.case_id for case in again.cases()] == ids
    assert again.splits() == dataset.splits()


def test_the_split_names_cases_once_and_keeps_groups_together(opened):
    dataset, (name, _, _) = opened
    splits = dataset.splits()
    assert splits.train
    assert splits.validation
    check_splits(splits, dataset.cases(), name=name, groups_may_span=available_datasets()[name].groups_span_splits)


def test_images_have_the_stated_channels_and_dimensions_and_references_fit_them(opened):
    dataset, _ = opened
    for case in dataset.cases()[:4]:
        image, reference = read_case(case)
        assert image.num_channels == dataset.num_channels
        assert len(image.spatial_shape) == dataset.spatial_dims
        assert reference.grid.is_same_as(image.grid)
        if reference.kind is LabelKind.SEMANTIC:
            assert set(np.unique(reference.array)) <= set(dataset.labels.values)
        assert reference.labels == dataset.labels


def test_labels_start_with_the_background_class(opened):
    dataset, _ = opened
    assert dataset.labels.values[0] == 0
    assert len(dataset.labels) >= 2


def test_cases_travel_to_other_processes(opened):
    dataset, _ = opened
    assert pickle.loads(pickle.dumps(dataset.cases())) == dataset.cases()


def test_licence_is_stated(opened):
    dataset, (name, _, _) = opened
    assert dataset.licence
    assert dataset.name == name
    assert dataset.licence == available_datasets()[name].licence
