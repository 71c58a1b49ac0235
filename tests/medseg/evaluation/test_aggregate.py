import json
import math

import numpy as np
import pytest

from medseg.errors import InputError, StorageError
from medseg.evaluation import Evaluation, aggregate, score_pair
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelMap, LabelTable

TABLE = LabelTable.from_names(("background", "lesion", "organ"))


def case(case_id, reference, prediction, labels=TABLE, task="semantic"):
    def wrap(rows):
        return LabelMap(np.array(rows, np.uint8), Affine(np.eye(3), frame=WorldFrame.RAS), "YX", labels)

    return score_pair(prediction=wrap(prediction), reference=wrap(reference), case_id=case_id, task=task)


GOOD = ([[1, 1], [0, 0]], [[1, 1], [0, 0]])
HALF = ([[1, 1], [0, 0]], [[1, 0], [0, 0]])
HEALTHY = ([[0, 0], [0, 0]], [[0, 0], [0, 0]])


@pytest.fixture
def three():
    return aggregate([case("good", *GOOD), case("half", *HALF), case("healthy", *HEALTHY)])


def test_undefined_cases_are_left_out_of_the_mean_and_counted(three):
    mean = three.means["dice/lesion"]
    assert mean.value == pytest.approx((1 + 2 / 3) / 2)
    assert (mean.num_cases, mean.num_undefined) == (2, 1)
    assert math.isnan(three.means["dice/organ"].value)
    assert three.means["dice/organ"].num_undefined == 3
    assert any("Dice, lesion in 1" in note for note in three.notes)


def test_pooled_scores_come_from_all_voxels_together(three):
    # Lesion: 3 right, 1 missed over all 12 pixels.
    assert three.pooled["dice/lesion"] == pytest.approx(2 * 3 / (2 * 3 + 1))
    assert three.pooled["pixel_accuracy"] == pytest.approx(11 / 12)


def test_the_worst_case_comes_first_and_undefined_ones_last(three):
    assert [one.case_id for one in three.worst_first()] == ["half", "good", "healthy"]


def test_json_round_trip_keeps_everything(three):
    again = Evaluation.from_json(three.to_json())
    assert again.to_json() == three.to_json()
    assert again.labels == three.labels
    assert np.array_equal(again.confusion.counts, three.confusion.counts)
    assert math.isnan(again.summary["dice/organ"])
    assert again.table() == three.table()


def test_json_of_membranes_keeps_the_statistics():
    labels = LabelTable.from_names(("cell", "membrane"))
    wall = [[0, 1, 0]] * 3
    evaluation = aggregate([case("a", wall, wall, labels, "isbi2012")])
    again = Evaluation.from_json(evaluation.to_json())
    assert again.cases[0].regions == evaluation.cases[0].regions
    assert aggregate(again.cases).summary == evaluation.summary


def test_an_undefined_value_is_null_in_json_with_its_reason(three):
    content = json.loads(three.to_json())
    assert content["summary"]["dice/organ"]["value"] is None
    assert content["summary"]["dice/organ"]["undefined"] == "the class is in neither reference nor prediction"
    healthy = content["cases"][2]
    assert healthy["scores"]["dice/lesion"] is None
    assert "dice/lesion" in healthy["undefined"]
    assert "NaN" not in three.to_json()


def test_json_carries_definitions_and_units(three):
    content = json.loads(three.to_json())
    assert content["definitions"]["dice"]["meaning"] == "2 TP / (2 TP + FP + FN)"
    assert content["summary"]["mean_dice"]["unit"] == "1"
    assert content["provenance"]["medseg_version"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON from medseg evaluate"),
        ("[]", "expected an evaluation of schema_version 3, got None"),
        ('{"schema_version": 9}', "expected an evaluation of schema_version 3, got 9"),
        ('{"schema_version": 3}', "lacks or garbles 'labels'. Evaluate again"),
    ],
)
def test_json_of_another_kind_is_refused(content, message):
    with pytest.raises(InputError, match=f"old.json: .*{message}"):
        Evaluation.from_json(content, source="old.json")


def test_the_table_names_units_counts_and_definitions(three):
    text = three.table()
    assert "semantic: 3 cases" in text
    assert "Dice, lesion" in text
    assert "2 TP / (2 TP + FP + FN)" in text
    lines = text.splitlines()
    assert next(line for line in lines if line.startswith("Mean Dice")).split()[-3:] == ["2", "1", "0.8571"]
    assert max(len(line) for line in lines if not line.startswith("Note")) <= 120


def test_csv_has_a_row_a_case_and_an_empty_field_where_undefined(three, tmp_path):
    three.write_csv(tmp_path / "cases.csv")
    rows = [line.split(",") for line in (tmp_path / "cases.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["case_id", "good", "half", "healthy"]
    column = rows[0].index("dice/lesion")
    assert [row[column] for row in rows[1:]] == ["1.0", "0.6666666666666666", ""]


def test_csv_that_cannot_be_written_is_a_storage_error(three, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        three.write_csv(tmp_path / "file" / "cases.csv")


def test_cases_that_cannot_go_together_are_refused():
    with pytest.raises(InputError, match="expected at least one case, got none"):
        aggregate([])
    with pytest.raises(InputError, match="case ids must be distinct, got good more than once"):
        aggregate([case("good", *GOOD), case("good", *HALF)])
    labels = LabelTable.from_names(("cell", "membrane"))
    with pytest.raises(InputError, match="all cases must be of one task, got isbi2012, semantic"):
        aggregate([case("a", *GOOD, labels), case("b", *GOOD, labels, "isbi2012")])
    with pytest.raises(InputError, match="case b calls value 0 'cell', another case calls it 'background'"):
        aggregate([case("a", *GOOD), case("b", *GOOD, labels)])
