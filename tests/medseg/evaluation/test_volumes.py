"""Agreement of volumes over cases."""

import math

import numpy as np
import pytest

from medseg.evaluation import Evaluation, ScoringOptions, aggregate, score_pair
from medseg.geometry import Affine, WorldFrame
from medseg.images import ImageMetadata, LabelMap, LabelTable

LABELS = LabelTable.from_names(("background", "liver", "tumour"))
PLAIN = ScoringOptions(surfaces=False)


def label_map(liver, tumour=0, *, spacing_is_known=True):
    """So many voxels of 10 x 10 x 10 mm, which is 1 ml."""
    array = np.zeros((4, 5, 5), np.uint8)
    array.flat[:liver] = 1
    array.flat[50 : 50 + tumour] = 2
    affine = Affine.from_spacing([10.0] * 3, frame=WorldFrame.RAS)
    return LabelMap(array, affine, "XYZ", LABELS, metadata=ImageMetadata(spacing_is_known=spacing_is_known))


def evaluation(pairs):
    return aggregate(
        [
            score_pair(reference=label_map(*one), prediction=label_map(*two), case_id=name, options=PLAIN)
            for name, (one, two) in pairs.items()
        ]
    )


def test_bias_and_limits_are_those_by_hand():
    found = evaluation({"a": ((10,), (11,)), "b": ((20,), (22,)), "c": ((30,), (33,))})
    (name, one), *rest = found.volume_agreement.items()
    assert (name, rest) == ("liver", [])
    assert one.agreement.means == pytest.approx([10.5, 21.0, 31.5])
    assert one.agreement.differences == pytest.approx([1.0, 2.0, 3.0])
    # Mean 2, standard deviation 1 (two degrees of freedom), 2 ml more for 21 ml more.
    assert one.agreement.bias == pytest.approx(2.0)
    assert one.agreement.limits == pytest.approx((2 - 1.96, 2 + 1.96))
    assert one.agreement.slope == pytest.approx(2 / 21)


def test_a_class_that_neither_map_holds_does_not_improve_the_agreement():
    pairs = dict.fromkeys("abc", ((10, 2), (10, 4))) | dict.fromkeys("de", ((10,), (10,)))
    one = evaluation(pairs).volume_agreement["tumour"]
    assert one.agreement.bias == pytest.approx(2.0)
    assert (one.case_ids, one.num_neither) == (("a", "b", "c"), 2)


def test_a_missed_and_a_false_class_count():
    one = evaluation({"a": ((3,), (0,)), "b": ((0,), (5,)), "c": ((2,), (2,))}).volume_agreement["liver"]
    assert one.agreement.differences == pytest.approx([-3.0, 5.0, 0.0])


def test_two_cases_and_unknown_voxel_sizes_give_no_agreement():
    assert evaluation({"a": ((3,), (0,)), "b": ((0,), (5,))}).volume_agreement == {}
    unknown = label_map(3, spacing_is_known=False)
    scored = [score_pair(reference=unknown, prediction=unknown, case_id=name, options=PLAIN) for name in "abc"]
    assert aggregate(scored).volume_agreement == {}


def test_the_agreement_is_in_the_table_and_comes_back_from_json():
    import json

    found = evaluation({"a": ((10,), (11,)), "b": ((20,), (22,)), "c": ((30,), (33,))})
    assert "Agreement of volumes (Bland-Altman)" in found.table()
    lines = [line.split() for line in found.table().splitlines() if line.startswith("liver")]
    assert any(line[1] == "+2.000" for line in lines)
    entry = json.loads(found.to_json())["volume_agreement"]["liver"]
    assert entry["limits"] == pytest.approx([0.04, 3.96])
    assert entry["num_cases"] == 3
    assert Evaluation.from_json(found.to_json()).to_json() == found.to_json()
    assert math.isfinite(entry["slope"])
