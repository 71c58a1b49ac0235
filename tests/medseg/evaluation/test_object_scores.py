"""AP along the objects' scores: from files, against COCO's own program on the same objects, and over several cases."""

import contextlib
import io
import json

import numpy as np
import pytest

from medseg.errors import InputError
from medseg.evaluation import Evaluation, evaluate
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.io import write_label_map
from medseg.io.coco import CocoImage, write_coco
from medseg.metrics import coco_average_precision, overlap_table, ranked_average_precision, ranked_objects

CELLS = LabelTable.from_names(("background", "cell"))
KEYS = ("coco_ap_ranked", "coco_ap_50_ranked", "coco_ap_75_ranked")


def label_map(array):
    affine = Affine.from_spacing((1.0, 1.0), frame=WorldFrame.RAS)
    return LabelMap(np.asarray(array, np.uint16), affine, "YX", CELLS, LabelKind.INSTANCES)


def squares(rng, *, missed, spurious):
    """A truth of 25 squares, and the same moved by up to 5 pixels, some missed, some spurious, under other numbers."""
    truth, found = np.zeros((200, 240), int), np.zeros((200, 240), int)
    numbers = rng.permutation(np.arange(1, 200))
    for place in range(25):
        row, column = 5 + 35 * (place // 5), 5 + 35 * (place % 5)
        truth[row : row + 20, column : column + 20] = place + 1
        if rng.random() >= missed:
            down, right = rng.integers(0, 6, 2)
            found[row + down : row + down + 20, column + right : column + right + 20] = numbers[place]
    for place in range(5):
        if rng.random() < spurious:
            found[5 + 35 * place : 25 + 35 * place, 190:210] = numbers[100 + place]
    return truth, found


@pytest.fixture
def cases(tmp_path):
    """Four cases as files, the third without a predicted object, with scores that have ties."""
    rng = np.random.default_rng(11)
    made = {}
    for number, missed in enumerate((0.1, 0.3, 1.0, 0.2)):
        truth, found = squares(rng, missed=missed, spurious=0.6 if missed < 1 else 0)
        scores = {int(value): round(float(rng.random()), 1) for value in np.unique(found) if value}
        made[f"case_{number}"] = (label_map(truth), label_map(found), scores)
    for name, (truth, found, scores) in made.items():
        write_label_map(truth, tmp_path / "truth" / f"{name}.png")
        write_label_map(found, tmp_path / "found" / f"{name}.png")
        lines = ["object_id,score", *(f"{key},{value}" for key, value in scores.items())]
        (tmp_path / "scores").mkdir(exist_ok=True)
        (tmp_path / "scores" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return made


def score(tmp_path, **more):
    folders = {"prediction": tmp_path / "found", "reference": tmp_path / "truth"}
    return evaluate(**{**folders, "task": "instances", "object_scores": tmp_path / "scores", **more})


def coco_program(tmp_path, cases):
    """AP, AP50 and AP75 of COCO's own program on the files of `write_coco`."""
    pytest.importorskip("pycocotools", reason="COCO's own program is the oracle of this test")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    paths = [tmp_path / "truth.json", tmp_path / "found.json"]
    write_coco(paths[0], [CocoImage(name, truth, {}) for name, (truth, _, _) in cases.items()])
    write_coco(paths[1], [CocoImage(name, found, scores) for name, (_, found, scores) in cases.items()])
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(paths[0]))
        found = truth.loadRes(json.loads(paths[1].read_text())["annotations"])
        program = COCOeval(truth, found, "segm")
        program.params.maxDets = [1, 10, 100_000]
        program.evaluate()
        program.accumulate()
    precision = program.eval["precision"][:, :, 0, 0, -1]
    return [float(one.mean()) for one in (precision, precision[0], precision[5])]


def test_files_with_scores_get_the_average_precision_of_cocos_program(tmp_path, cases):
    evaluation = score(tmp_path)
    found = [evaluation.means[key].value for key in KEYS]
    assert found == pytest.approx(coco_program(tmp_path, cases), abs=1e-12)
    # The order matters here: no score of this set would tell a program that ignores it.
    assert abs(found[0] - evaluation.means["coco_ap"].value) > 0.005
    assert evaluation.means["coco_ap_50_ranked"].interval is not None


def test_the_scores_are_kept_in_json_and_the_files_recorded(tmp_path, cases):
    evaluation = score(tmp_path)
    again = Evaluation.from_json(evaluation.to_json(), source="scores.json")
    assert again.cases[1].statistics["ranked"].scores.tolist() == list(map(float, _in_order(cases["case_1"][2])))
    assert len(again.cases[2].statistics["ranked"].scores) == 0
    assert [record.role for record in again.provenance.inputs].count("scores") == 4


def _in_order(scores):
    return [scores[number] for number in sorted(scores)]


def test_added_tables_give_what_the_objects_of_one_table_give(cases):
    truth, found, scores = cases["case_0"]
    overlap = overlap_table(reference_labels=truth.array, prediction_labels=found.array)
    ranked = ranked_objects(overlap, scores=_in_order(scores))
    for threshold in (0.5, 0.6, 0.75, 0.95):
        expected = coco_average_precision(overlap, iou_threshold=threshold, scores=_in_order(scores))
        assert ranked_average_precision(ranked, iou_threshold=threshold) == expected
    empty = overlap_table(reference_labels=np.zeros((4, 4), int), prediction_labels=np.zeros((4, 4), int))
    nothing = ranked_objects(empty, scores=[])
    assert np.isnan(ranked_average_precision(nothing))
    assert ranked_average_precision(ranked + nothing) == ranked_average_precision(ranked)


def test_a_spurious_object_costs_less_the_less_sure_it_is():
    truth = label_map(np.repeat([[1, 0, 2, 0, 0]], 3, axis=0))
    found = label_map(np.repeat([[1, 0, 2, 0, 3]], 3, axis=0))
    overlap = overlap_table(reference_labels=truth.array, prediction_labels=found.array)
    for score_of_spurious, expected in ((0.1, 1.0), (0.7, (51 + 50 * 2 / 3) / 101), (0.9, 2 / 3)):
        ranked = ranked_objects(overlap, scores=[0.8, 0.5, score_of_spurious])
        # Recall 1/2 covers 51 of the 101 recalls.
        assert ranked_average_precision(ranked, iou_threshold=0.5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("object_id,score\n1,0.5\n", "got none for object"),
        ("object_id,score\n1,0.5\n1,0.6\n", "expected a new object_id and its score in line 3, got '1', '0.6'"),
        ("object_id,score\n1,\n", "Tables of models that find no single objects have no scores"),
        ("object_id,voxels\n1,2\n", "got no column score"),
        ("object_id,score\n-1,0.5\n", "in line 2, got '-1'"),
        ("object_id,score\n1,nan\n", "in line 2, got '1', 'nan'"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, cases, text, message):
    (tmp_path / "scores" / "case_0.csv").write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        score(tmp_path)
    assert "\n" not in str(refused.value)


def test_tables_are_found_in_the_folders_of_a_batch_and_missed_by_name(tmp_path, cases):
    for name in cases:
        folder = tmp_path / "batch" / name
        folder.mkdir(parents=True)
        (tmp_path / "scores" / f"{name}.csv").rename(folder / "objects.csv")
    assert "coco_ap_ranked" in score(tmp_path, object_scores=tmp_path / "batch").means
    (tmp_path / "batch" / "case_3" / "objects.csv").unlink()
    with pytest.raises(InputError, match=r"expected case_3\.csv or case_3/objects\.csv there"):
        score(tmp_path, object_scores=tmp_path / "batch")
    with pytest.raises(InputError, match="expected a folder for 4 cases, got a file"):
        score(tmp_path, object_scores=tmp_path / "batch" / "case_0" / "objects.csv")
    with pytest.raises(InputError, match="no such file or folder"):
        score(tmp_path, object_scores=tmp_path / "nowhere")


def test_other_tasks_refuse_scores_of_objects(tmp_path, cases):
    with pytest.raises(InputError, match="task semantic: does not take --scores"):
        score(tmp_path, task="semantic")
