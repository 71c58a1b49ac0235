"""The steps a package can declare, on maps small enough to draw."""

import numpy as np
import pytest

from medseg.config import FillHoles, InferenceConfig, LargestComponent, RemoveSmall, parse_config
from medseg.errors import ConfigError
from medseg.postprocessing import apply_steps

ORGAN_AND_TUMOUR = np.array(
    [
        [1, 1, 1, 0, 0, 0, 2],
        [1, 0, 2, 0, 1, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
    ],
    dtype=np.uint8,
)


def test_the_largest_component_of_classes_together_keeps_the_tumour_in_the_organ():
    result = apply_steps(ORGAN_AND_TUMOUR, (LargestComponent(classes=(1, 2)),))
    assert result.tolist() == [[1, 1, 1, 0, 0, 0, 0], [1, 0, 2, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0]]
    assert result.dtype == np.uint8


def test_the_largest_component_of_one_class_leaves_the_others():
    result = apply_steps(ORGAN_AND_TUMOUR, (LargestComponent(classes=(1,)),))
    assert result.tolist() == [[1, 1, 1, 0, 0, 0, 2], [1, 0, 2, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0]]


def test_small_regions_go_class_by_class():
    result = apply_steps(ORGAN_AND_TUMOUR, (RemoveSmall(classes=(1, 2), min_voxels=2),))
    assert result.tolist() == [[1, 1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0]]


def test_a_hole_is_filled_around_another_class_that_lies_in_it():
    ring = np.array([[1, 1, 1, 1], [1, 0, 2, 1], [1, 1, 1, 1]])
    expected = [[1, 1, 1, 1], [1, 1, 2, 1], [1, 1, 1, 1]]
    padded = np.pad(ring, 1)
    assert apply_steps(padded, (FillHoles(classes=(1,)),))[1:-1, 1:-1].tolist() == expected
    assert np.array_equal(apply_steps(padded, (FillHoles(classes=(1,), max_voxels=1),)), padded)


def test_steps_are_applied_in_their_order_and_the_map_stays_as_it_was():
    before = ORGAN_AND_TUMOUR.copy()
    fill = FillHoles(classes=(1,))
    wall = np.pad(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]]), 1)
    assert apply_steps(wall, (fill, RemoveSmall(classes=(1,), min_voxels=9))).sum() == 9
    assert apply_steps(wall, (RemoveSmall(classes=(1,), min_voxels=9), fill)).sum() == 0
    apply_steps(ORGAN_AND_TUMOUR, (RemoveSmall(classes=(2,), min_voxels=2),))
    assert np.array_equal(ORGAN_AND_TUMOUR, before)


def test_steps_are_read_by_their_kind_and_wrong_ones_are_named():
    read = parse_config(
        InferenceConfig,
        {"postprocessing": [{"kind": "remove_small", "classes": [1], "min_voxels": 5}]},
        source="medseg.json",
    )
    assert read.postprocessing == (RemoveSmall(classes=(1,), min_voxels=5),)
    with pytest.raises(ConfigError, match=r"postprocessing\.0\.kind: expected one of .*'fill_holes', got 'smooth'"):
        parse_config(InferenceConfig, {"postprocessing": [{"kind": "smooth"}]}, source="medseg.json")
    with pytest.raises(ConfigError, match="greater than or equal to 1"):
        parse_config(
            InferenceConfig, {"postprocessing": [{"kind": "largest_component", "classes": [0]}]}, source="medseg.json"
        )
