import pytest

from medseg.errors import UnknownNameError
from medseg.evaluation.scores import REGION_SCORES, overlap_scores
from medseg.images import LabelTable
from medseg.metrics import available_metrics, definition_of


def test_each_score_that_an_evaluation_gives_is_defined():
    table = LabelTable.from_names(("background", "lesion"))
    keys = [*overlap_scores([[1, 0], [0, 1]], table, voxel_volume_mm3=1.0), *REGION_SCORES]
    assert {definition_of(key).key for key in keys} <= set(available_metrics())


def test_each_definition_says_what_it_means():
    for key, entry in available_metrics().items():
        assert entry.key == key
        assert all((entry.name, entry.meaning, entry.unit, entry.value_range, entry.when_undefined))


def test_the_class_after_the_slash_is_left_aside():
    assert definition_of("dice/left kidney") is definition_of("dice")


def test_an_unknown_score_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"unknown metric 'diec'\. Did you mean 'dice'"):
        definition_of("diec")
