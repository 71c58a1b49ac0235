"""Charts of scores in the report."""

import numpy as np
import pytest

from medseg.evaluation import ScoringOptions, aggregate, score_pair
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelMap, LabelTable
from medseg.metrics import LesionFindings, bland_altman, froc
from medseg.reports import write_evaluation_report
from medseg.reports.score_charts import bland_altman_chart, froc_chart

LABELS = LabelTable.from_names(("background", "lesion"))


def label_map(*places):
    array = np.zeros((6, 6, 6), np.uint8)
    for place in places:
        array[place] = 1
    return LabelMap(array, Affine.from_spacing([5.0] * 3, frame=WorldFrame.RAS), "XYZ", LABELS)


def page(tmp_path, task, num_cases=3):
    first, second = (1, 1, 1), (4, 4, 4)
    cases = [
        score_pair(
            reference=label_map(first, second),
            prediction=label_map(first),
            task=task,
            case_id=str(number),
            options=ScoringOptions(surfaces=False),
        )
        for number in range(num_cases)
    ]
    return write_evaluation_report(aggregate(cases), tmp_path / "page.html").read_text(encoding="utf-8")


def test_charts_are_drawn_in_the_colours_of_the_page_alone():
    agreement = bland_altman(reference=[1.0, 2.0, 3.0], prediction=[1.5, 2.0, 3.5])
    findings = LesionFindings(np.array([True]), *np.ones((5, 1)), np.array([0.5]), 0, 0)
    for svg in (bland_altman_chart(agreement, name="liver"), froc_chart(froc(findings))):
        assert svg.startswith("<svg")
        assert "var(--series-1)" in svg
        assert "#0102" not in svg


def test_volumes_that_agree_to_the_digit_have_a_chart():
    assert "<svg" in bland_altman_chart(bland_altman(reference=[1.0] * 3, prediction=[1.0] * 3), name="liver")


def test_a_report_shows_the_agreement_of_volumes_from_three_cases_on(tmp_path):
    assert "<h2>Agreement of volumes</h2>" in page(tmp_path, "semantic")
    assert "<h2>Agreement of volumes</h2>" not in page(tmp_path, "semantic", num_cases=2)


def test_a_report_on_lesions_shows_the_froc_curve_and_says_when_it_is_a_point(tmp_path):
    content = page(tmp_path, "lesions")
    assert "<h2>Sensitivity and false positives</h2>" in content
    assert "FROC of 6 lesions in 3 cases" in content
    assert "Masks without confidences give one point, not a curve." in content


@pytest.mark.parametrize("task", ["semantic", "lesions"])
def test_pages_with_charts_are_the_same_when_written_twice(tmp_path, task):
    assert page(tmp_path, task) == page(tmp_path, task)
