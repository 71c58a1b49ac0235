"""Objects touching, split, merged, missed, spurious and shifted on an anisotropic grid, by hand, along each axis."""

import pytest
from cases.objects import OBJECT_CASES, in_a_volume

from medseg.evaluation import ScoringOptions, score_pair
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable

SPACING_MM = (1.0, 2.0, 5.0)
LABELS = LabelTable.from_names(("background", "object"))


def label_map(array, *, kind):
    return LabelMap(array, Affine.from_spacing(SPACING_MM, frame=WorldFrame.RAS), "XYZ", LABELS, kind=kind)


def scores(case, task, *, axis, swap=False):
    kind = LabelKind.INSTANCES if task == "instances" else LabelKind.SEMANTIC
    pair = [in_a_volume(row, axis=axis) for row in (case.reference, case.prediction)]
    if task != "instances":
        pair = [(one > 0).astype("uint8") for one in pair]
    reference, prediction = (label_map(one, kind=kind) for one in (pair[::-1] if swap else pair))
    return score_pair(
        reference=reference, prediction=prediction, task=task, case_id="a", options=ScoringOptions(surfaces=True)
    )


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("case", OBJECT_CASES, ids=lambda case: case.name)
def test_distances_are_the_steps_times_the_spacing_along_them(case, axis):
    found = scores(case, "semantic", axis=axis).scores
    step_mm = SPACING_MM[axis]
    assert found["hausdorff_mm/object"] == pytest.approx(case.hausdorff_steps * step_mm)
    assert found["assd_mm/object"] == pytest.approx(case.assd_steps * step_mm)
    assert found["dice/object"] == pytest.approx(case.dice)
    voxels = sum(map(str.isdigit, case.prediction)) - sum(map(str.isdigit, case.reference))
    assert found["volume_difference_ml/object"] == pytest.approx(voxels * 1 * 2 * 5 * 1e-3)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("case", OBJECT_CASES, ids=lambda case: case.name)
def test_objects_are_counted_alike_along_each_axis(case, axis):
    counts = scores(case, "instances", axis=axis).statistics["matches"]
    assert (counts.true_positives, counts.false_positives, counts.false_negatives) == case.counts
    assert counts.iou_sum == pytest.approx(case.iou_sum)


@pytest.mark.parametrize("case", OBJECT_CASES, ids=lambda case: case.name)
def test_exchanging_the_maps_exchanges_false_and_missed_and_keeps_distances(case):
    plain, swapped = (scores(case, "semantic", axis=2, swap=swap).scores for swap in (False, True))
    for key in ("dice/object", "iou/object", "hausdorff_mm/object", "assd_mm/object"):
        assert swapped[key] == pytest.approx(plain[key])
    assert swapped["volume_difference_ml/object"] == -plain["volume_difference_ml/object"]
    counts = scores(case, "instances", axis=2, swap=True).statistics["matches"]
    true, false, missed = case.counts
    assert (counts.true_positives, counts.false_positives, counts.false_negatives) == (true, missed, false)
