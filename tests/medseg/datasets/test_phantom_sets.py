"""Generated sets as files: what was drawn reads back exactly."""

import json

import numpy as np
import pytest
from scipy import ndimage

from medseg.datasets import open_dataset, read_case
from medseg.datasets.generated import make_plans
from medseg.datasets.phantoms import cell_mask, cells_phantom, ct_phantom
from medseg.errors import ConfigError

_PLAN = make_plans(train=1, validation=0, test=0)[0][0]
_ONE = {"train_cases": 1, "validation_cases": 0, "test_cases": 0}
_SMALL = {"shape": (64, 64, 12), "spacing_mm": (6.0, 6.0, 12.0)}


@pytest.mark.parametrize("tilt_degrees", [0.0, 10.0])
@pytest.mark.parametrize("file_format", ["dicom", "nifti"])
def test_a_generated_ct_reads_back_with_its_values_and_places(tmp_path, file_format, tilt_degrees):
    options = {**_ONE, **_SMALL, "seed": 5, "format": file_format, "tilt_degrees": tilt_degrees}
    dataset = open_dataset("phantom_ct", root=tmp_path, options=options)
    image, reference = read_case(dataset.cases()[0])
    drawn, truth = ct_phantom(_PLAN.rng(5), **_SMALL, tilt_degrees=tilt_degrees)
    assert np.array_equal(image.array, drawn.array)
    assert np.array_equal(reference.array, truth.array)
    assert np.abs(image.grid.corners_mm - drawn.grid.corners_mm).max() < 1e-3
    assert np.abs(reference.grid.corners_mm - truth.grid.corners_mm).max() < 1e-3


def test_a_dicom_case_is_one_file_a_slice(tmp_path):
    open_dataset("phantom_ct", root=tmp_path, options={**_ONE, **_SMALL})
    assert len(list((tmp_path / "train_000" / "series").glob("*.dcm"))) == 12


def test_the_truth_file_lists_the_lesions_that_are_in_the_label_map(tmp_path):
    dataset = open_dataset("phantom_ct", root=tmp_path, options={**_ONE, **_SMALL, "lesion_fraction": (1e-3, 1e-3)})
    _, reference = read_case(dataset.cases()[0])
    lesions = json.loads((tmp_path / "train_000" / "truth.json").read_text())["lesions"]
    assert ndimage.label(reference.array, np.ones((3, 3, 3)))[1] == len(lesions)
    for lesion in lesions:
        at = tuple(np.rint(reference.affine.apply_inverse(lesion["centre_mm"])).astype(int))
        assert reference.array[at] == 1


def test_generated_cells_read_back_with_their_values(tmp_path):
    dataset = open_dataset("phantom_cells", root=tmp_path, options={**_ONE, "size": 96, "seed": 2})
    image, reference = read_case(dataset.cases()[0])
    drawn, cells = cells_phantom(_PLAN.rng(2), shape=(96, 96))
    assert np.array_equal(image.array, drawn.array)
    assert np.array_equal(reference.array, cell_mask(cells).array)
    assert image.spacing_mm == pytest.approx((5e-4, 5e-4), rel=1e-6)


def test_opening_again_makes_nothing_anew(tmp_path):
    options = {**_ONE, "size": 64, "mean_radius_voxel": 8.0}
    open_dataset("phantom_cells", root=tmp_path, options=options)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    open_dataset("phantom_cells", root=tmp_path, options=options)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lesion_fraction": [1e-3, 1e-4]}, "lesion_fraction must be a range from low to high"),
        ({"format": "dcm"}, "data.options.format"),
        ({"shape": [10, 160, 64]}, "data.options.shape.0"),
    ],
)
def test_wrong_options_of_the_generated_ct_are_named(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        open_dataset("phantom_ct", root=tmp_path, options=options)
