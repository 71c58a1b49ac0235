"""Probabilities judged beside masks: Brier score, calibration and the reliability diagram, from files to the report."""

import json

import numpy as np
import pytest
import tifffile

from medseg.errors import GeometryError, InputError, LabelError
from medseg.evaluation import Evaluation, ScoringOptions, aggregate, evaluate
from medseg.evaluation.statistics import weighted_sums
from medseg.metrics import CalibrationTable, calibration_table
from medseg.reports import write_evaluation_report

PLAIN = ScoringOptions(replicates=0)


def write_map(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.asarray(array, np.uint8), photometric="minisblack", metadata={"axes": "YX"})
    return path


def write_probabilities(path, *channels):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.array(channels, np.float32)
    axes = "C" + "ZYX"[-(array.ndim - 1) :]
    tifffile.imwrite(path, array, photometric="minisblack", metadata={"axes": axes})
    return path


def of_two(confident):
    """Both channels of two classes, from the probability of class 1."""
    one = np.asarray(confident, np.float32)
    return 1 - one, one


def judge(folder, reference, *channels, **words):
    mask = np.argmax(channels, axis=0)
    return evaluate(
        reference=write_map(folder / "r.tif", reference),
        prediction=write_map(folder / "p.tif", mask),
        probabilities=write_probabilities(folder / "q.tif", *channels),
        options=PLAIN,
        **words,
    )


# Three right with confidences 0.9, 0.9 and 0.6; the last has 0.6 and is wrong.
FOUR = ([[1, 0], [1, 0]], of_two([[0.9, 0.1], [0.6, 0.6]]))


@pytest.mark.parametrize("task", ["semantic", "lesions"])
def test_four_pixels_score_by_hand(tmp_path, task):
    found = judge(tmp_path, FOUR[0], *FOUR[1], task=task).summary
    assert found["brier_score"] == pytest.approx(2 * (0.1**2 + 0.1**2 + 0.4**2 + 0.6**2) / 4)
    assert found["log_loss"] == pytest.approx(-np.log(0.9 * 0.9 * 0.6 * 0.4) / 4)
    # One bin of two right with 0.9, one of one in two right with 0.6.
    assert found["expected_calibration_error"] == pytest.approx((abs(2 - 1.8) + abs(1 - 1.2)) / 4)
    assert found["maximum_calibration_error"] == pytest.approx(0.1)
    assert found["pixel_accuracy"] == 3 / 4


def two_cases(folder, **options):
    """One pixel wrong with 0.8, and four right with 0.8: each case is badly calibrated, both together are not."""
    for name, reference, confident in (("a", [[0]], [[0.8]]), ("b", [[1, 1], [1, 1]], np.full((2, 2), 0.8))):
        write_map(folder / "r" / f"{name}.tif", reference)
        write_map(folder / "p" / f"{name}.tif", np.ones_like(reference))
        write_probabilities(folder / "q" / f"{name}.tif", *of_two(confident))
    return evaluate(
        reference=folder / "r",
        prediction=folder / "p",
        probabilities=folder / "q",
        options=ScoringOptions(surfaces=False, **options),
    )


def test_voxels_of_all_cases_are_taken_together(tmp_path):
    result = two_cases(tmp_path, replicates=50)
    each = [case.scores["expected_calibration_error"] for case in result.cases]
    assert each == pytest.approx([0.8, 0.2])
    mean = result.means["expected_calibration_error"]
    assert mean.value == pytest.approx(0.0, abs=1e-6)
    # The draws are a twice, b twice, and each once.
    assert mean.interval == pytest.approx((0.0, 0.8), abs=1e-6)
    assert result.calibration.num_voxels == 5


def test_json_csv_and_report_show_the_calibration(tmp_path):
    result = two_cases(tmp_path, replicates=0)
    content = json.loads(result.to_json())
    assert content["summary"]["brier_score"]["value"] == pytest.approx(2 * (0.8**2 + 4 * 0.2**2) / 5)
    (place,) = np.flatnonzero(content["reliability"]["counts"])
    low, high = content["reliability"]["edges"][place : place + 2]
    assert low - 1e-6 < 0.8 < high + 1e-6
    assert content["reliability"]["counts"][place] == 5
    assert content["reliability"]["accuracies"][place] == pytest.approx(4 / 5)
    assert content["reliability"]["confidences"][place] == pytest.approx(0.8)
    assert [entry["role"] for entry in content["provenance"]["inputs"]].count("probabilities") == 2
    assert "brier_score" in content["definitions"]
    assert Evaluation.from_json(result.to_json()).to_json() == result.to_json()
    heading, first, _ = result.to_csv().splitlines()
    row = dict(zip(heading.split(","), first.split(","), strict=True))
    assert float(row["brier_score"]) == pytest.approx(2 * 0.8**2)
    page = write_evaluation_report(result, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h2>Reliability of the probabilities</h2>" in page
    assert "Of 5 voxels of 2 case(s)" in page


def test_without_probabilities_nothing_is_said_of_them(tmp_path):
    reference = write_map(tmp_path / "r.tif", FOUR[0])
    result = evaluate(reference=reference, prediction=reference, options=PLAIN)
    assert not {"brier_score", "expected_calibration_error"} & set(result.summary)
    assert json.loads(result.to_json())["reliability"] is None
    assert "Reliability" not in write_evaluation_report(result, tmp_path / "page.html").read_text(encoding="utf-8")


def test_channels_of_a_nifti_file_are_its_fourth_axis(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    reference = np.zeros((2, 3, 4), np.uint8)
    reference[0] = 2  # of the classes 0 and 2
    right = np.where(reference == 2, 0.7, 0.2)
    arrays = {"r": reference, "q": np.stack([1 - right, right], axis=-1).astype(np.float32)}
    for name, array in arrays.items():
        image = nibabel.Nifti1Image(array, np.eye(4))
        image.header.set_xyzt_units("mm")
        nibabel.save(image, tmp_path / f"{name}.nii.gz")
    paths = {"reference": tmp_path / "r.nii.gz", "prediction": tmp_path / "r.nii.gz"}
    result = evaluate(**paths, probabilities=tmp_path / "q.nii.gz", options=PLAIN)
    assert result.summary["brier_score"] == pytest.approx((12 * 2 * 0.3**2 + 12 * 2 * 0.2**2) / 24)


def test_a_class_that_no_map_holds_keeps_its_channel(tmp_path):
    sure = np.full((2, 2), 0.5)
    found = judge(tmp_path, [[0, 2], [2, 0]], [[0.5, 0.1], [0.1, 0.5]], [[0.0, 0.4], [0.4, 0.0]], sure).summary
    assert found["brier_score"] == pytest.approx((2 * (0.5**2 + 0.5**2) + 2 * (0.1**2 + 0.4**2 + 0.5**2)) / 4)


def test_slices_take_the_slices_of_the_probabilities(tmp_path):
    stack = np.zeros((3, 2, 2), np.uint8)
    confident = np.zeros((3, 2, 2), np.float32)
    confident[1] = 0.25
    for name in ("r", "p"):
        tifffile.imwrite(tmp_path / f"{name}.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    write_probabilities(tmp_path / "q.tif", *of_two(confident))
    paths = {name: tmp_path / f"{name[0]}.tif" for name in ("reference", "prediction")}
    result = evaluate(**paths, probabilities=tmp_path / "q.tif", slices="1-2", options=PLAIN)
    assert [case.scores["brier_score"] for case in result.cases] == pytest.approx([2 * 0.25**2, 0.0])


def test_voxels_outside_the_models_view_are_left_out_and_counted(tmp_path):
    channels = of_two(np.array([[0.9, 0.9], [0.9, 0.9]]))
    for channel in channels:
        channel[1, 1] = 0.0
    result = judge(tmp_path, [[1, 1], [1, 0]], *channels)
    assert result.summary["brier_score"] == pytest.approx(2 * 0.1**2)
    assert any("1 voxels without any probability were left out" in note for note in result.notes)


@pytest.mark.parametrize(
    ("reference", "channels", "error", "message"),
    [
        ([[0, 1]], [[[0.9, 0.9]]], InputError, "expected one channel a class, background included, got 1 channel"),
        ([[0, 1]], of_two([[0.9], [0.1]]), GeometryError, "differ in size"),
        ([[1, 9]], of_two([[0.9, 0.1]]), LabelError, "expected one channel for each of the 3 classes"),
        ([[0, 1]], ([[0.9, 0.9]], [[0.9, 0.9]]), InputError, "expected 0 to 1 with sum 1 over the classes"),
    ],
)
def test_files_that_are_no_probabilities_of_the_reference_are_refused(tmp_path, reference, channels, error, message):
    paths = {"reference": write_map(tmp_path / "r.tif", reference), "prediction": tmp_path / "p.tif"}
    write_map(tmp_path / "p.tif", np.minimum(reference, 1))
    with pytest.raises(error, match=message):
        evaluate(**paths, probabilities=write_probabilities(tmp_path / "q.tif", *channels), options=PLAIN)


def test_each_case_needs_its_file(tmp_path):
    two_cases(tmp_path, replicates=0)
    folders = {"reference": tmp_path / "r", "prediction": tmp_path / "p"}
    with pytest.raises(InputError, match="expected a folder for 2 cases, got a file"):
        evaluate(**folders, probabilities=tmp_path / "q" / "a.tif")
    (tmp_path / "q" / "b.tif").unlink()
    with pytest.raises(InputError, match="no probabilities of b"):
        evaluate(**folders, probabilities=tmp_path / "q")
    with pytest.raises(InputError, match="no such file or folder"):
        evaluate(**folders, probabilities=tmp_path / "none")


def test_cases_with_and_without_probabilities_do_not_mix(tmp_path):
    judged = two_cases(tmp_path, replicates=0).cases
    plain = evaluate(reference=tmp_path / "r", prediction=tmp_path / "p", options=PLAIN).cases
    with pytest.raises(InputError, match="only some have calibration"):
        aggregate([judged[0], plain[1]])


def test_weighing_tables_is_adding_them_so_often():
    rng = np.random.default_rng(0)
    tables = [
        calibration_table(reference=rng.integers(0, 2, 20), probabilities=np.stack(of_two(rng.random(20))))
        for _ in range(3)
    ]
    (summed,) = weighted_sums(tables, np.array([[2.0, 0.0, 1.0]]))
    wanted = tables[0] + tables[0] + tables[2]
    assert isinstance(summed, CalibrationTable)
    for name in ("counts", "confidence_sums", "hits", "squared_error_sum", "log_loss_sum"):
        assert getattr(summed, name) == pytest.approx(getattr(wanted, name))


@pytest.mark.parametrize("task", ["instances", "isbi2012", "ctc"])
def test_tasks_without_classes_of_voxels_take_no_probabilities(tmp_path, task):
    with pytest.raises(InputError, match=rf"^task {task}: does not take --probabilities "):
        evaluate(reference=tmp_path, prediction=tmp_path, task=task, probabilities=tmp_path)


@pytest.mark.parametrize("task", ["instances", "lesions", "isbi2012", "ctc"])
def test_tasks_without_surfaces_refuse_to_leave_them_out(tmp_path, task):
    with pytest.raises(InputError, match=rf"^task {task}: does not take --no-surfaces \(no surfaces are measured\)"):
        evaluate(reference=tmp_path, prediction=tmp_path, task=task, options=ScoringOptions(surfaces=False))
