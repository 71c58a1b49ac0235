"""Each task from files to its evaluation."""

import math
import tracemalloc

import nibabel
import numpy as np
import pytest
import tifffile

from medseg.errors import GeometryError, InputError
from medseg.evaluation import Evaluation, Presence, ScoringOptions, evaluate
from medseg.evaluation.tables import read_labels, read_patients

PLAIN = ScoringOptions(replicates=0)


def write_nifti(path, array, *, spacing_mm=(1.0, 1.0, 1.0), dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(np.asarray(array, dtype=dtype), np.diag([*spacing_mm, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def voxel(*places, shape=(8, 8, 8), value=1):
    array = np.zeros(shape)
    for place in places:
        array[place] = value
    return array


def write_objects(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.asarray(array, dtype=np.uint16), photometric="minisblack", metadata={"axes": "YX"})
    return path


def test_two_voxels_three_steps_of_2_mm_apart_are_6_mm_apart(tmp_path):
    spacing = (1.0, 2.0, 3.0)
    result = evaluate(
        reference=write_nifti(tmp_path / "r.nii.gz", voxel((4, 1, 4)), spacing_mm=spacing),
        prediction=write_nifti(tmp_path / "p.nii.gz", voxel((4, 4, 4)), spacing_mm=spacing),
        options=ScoringOptions(tolerance_mm=5.0),
    )
    (label,) = result.labels.foreground
    for key in ("hausdorff_mm", "hausdorff_95_directed_mm", "hausdorff_95_pooled_mm", "assd_mm"):
        assert result.summary[f"{key}/{label.name}"] == pytest.approx(6.0)
    assert result.summary[f"nsd_voxel_count/{label.name}"] == 0.0
    assert result.provenance.options["tolerance_mm"] == 5.0


def test_missed_false_and_empty_cases_are_told_apart(tmp_path):
    there, empty = voxel((4, 4, 4)), voxel()
    for name, maps in {
        "both": (there, there),
        "missed": (there, empty),
        "false": (empty, there),
        "none": (empty,) * 2,
    }.items():
        write_nifti(tmp_path / "r" / f"{name}.nii.gz", maps[0])
        write_nifti(tmp_path / "p" / f"{name}.nii.gz", maps[1])
    labels = tmp_path / "labels.csv"
    labels.write_text("value,name\n1,lesion\n")
    result = evaluate(reference=tmp_path / "r", prediction=tmp_path / "p", labels=read_labels(labels), options=PLAIN)
    scores = {case.case_id: case.scores for case in result.cases}
    assert [scores[name]["dice/lesion"] for name in ("both", "missed", "false")] == [1.0, 0.0, 0.0]
    assert [scores[name]["hausdorff_mm/lesion"] for name in ("both", "missed", "false")] == [0.0, math.inf, math.inf]
    assert math.isnan(scores["none"]["dice/lesion"])
    assert math.isnan(scores["none"]["hausdorff_mm/lesion"])
    assert {case.case_id: case.presence["lesion"] for case in result.cases} == {
        "both": Presence.BOTH,
        "missed": Presence.MISSED,
        "false": Presence.FALSE,
        "none": Presence.NEITHER,
    }
    mean = result.means["hausdorff_mm/lesion"]
    assert (mean.value, mean.num_cases, mean.num_infinite, mean.num_undefined) == (math.inf, 3, 2, 1)
    assert result.means["dice/lesion"].value == pytest.approx(1 / 3)
    line = next(line for line in result.table().splitlines() if line.startswith("lesion"))
    assert line.split() == ["lesion", "1", "1", "1", "1"]


def test_objects_missed_split_and_right_are_counted_over_all_cases(tmp_path):
    reference = np.zeros((12, 12))
    reference[0:4, 0:4], reference[6:10, 0:4], reference[0:4, 6:10] = 1, 2, 7
    prediction = np.zeros((12, 12))
    prediction[0:4, 0:4] = 5  # found; 2 is missed
    prediction[0:2, 6:10], prediction[2:4, 6:10] = 3, 4  # 7 is split into halves of IoU 0.5, which is not above 0.5
    for name, maps in {"a": (reference, prediction), "b": (reference, reference)}.items():
        write_objects(tmp_path / "r" / f"{name}.tif", maps[0])
        write_objects(tmp_path / "p" / f"{name}.tif", maps[1])
    result = evaluate(reference=tmp_path / "r", prediction=tmp_path / "p", task="instances", options=PLAIN)
    worse = result.worst_first()[0]
    assert worse.case_id == "a"
    assert worse.scores["object_precision"] == pytest.approx(1 / 3)
    assert worse.scores["object_recall"] == pytest.approx(1 / 3)
    assert worse.scores["panoptic_quality"] == pytest.approx(1 / (1 + 2 / 2 + 2 / 2))
    assert result.summary["object_precision"] == pytest.approx((1 + 3) / (3 + 3))
    assert result.summary["ap_dsb_50"] == pytest.approx((1 / 5 + 1) / 2)
    again = Evaluation.from_json(result.to_json())
    assert again.to_json() == result.to_json()


def test_lesions_are_found_by_iou_and_counted_over_all_cases(tmp_path):
    reference = voxel((1, 1, 1), (5, 5, 5))
    write_nifti(tmp_path / "r" / "a.nii.gz", reference)
    write_nifti(tmp_path / "p" / "a.nii.gz", voxel((1, 1, 1), (1, 6, 6)))
    write_nifti(tmp_path / "r" / "b.nii.gz", voxel())
    write_nifti(tmp_path / "p" / "b.nii.gz", voxel())
    result = evaluate(reference=tmp_path / "r", prediction=tmp_path / "p", task="lesions", options=PLAIN)
    assert result.summary["lesion_f1"] == pytest.approx(2 / (2 + 1 + 1))
    assert result.summary["lesion_sensitivity_by_size/below 0.1 ml"] == pytest.approx(1 / 2)
    assert result.summary["case_auroc"] == 1.0
    assert result.means["lesion_f1"].num_undefined == 1
    assert Evaluation.from_json(result.to_json()).to_json() == result.to_json()


def test_a_detection_map_ranks_lesions_by_its_values(tmp_path):
    write_nifti(tmp_path / "r.nii.gz", voxel((1, 1, 1)))
    sure = voxel((1, 1, 1), value=0.9) + voxel((6, 6, 6), value=0.2)
    unsure = voxel((1, 1, 1), value=0.2) + voxel((6, 6, 6), value=0.9)
    precisions = [
        evaluate(
            reference=tmp_path / "r.nii.gz",
            prediction=write_nifti(tmp_path / f"{name}.nii.gz", array, dtype=np.float32),
            task="lesions",
            options=PLAIN,
        ).summary["lesion_ap"]
        for name, array in (("sure", sure), ("unsure", unsure))
    ]
    assert precisions == [1.0, 0.5]


@pytest.mark.real_data
def test_the_lesion_detection_set_has_its_expected_scores(data_dir, tmp_path):
    import json
    import shutil

    root = data_dir / "references" / "lesion_detection"
    for role, name in (("r", "label"), ("p", "detection_map")):
        (tmp_path / role).mkdir()
        for path in (root / "test-maps").glob(f"*_{name}.nii.gz"):
            shutil.copy(path, tmp_path / role / path.name.replace(f"_{name}", ""))
    result = evaluate(reference=tmp_path / "r", prediction=tmp_path / "p", task="lesions", options=PLAIN)
    wanted = json.loads((root / "output-expected" / "metrics-full-expected.json").read_text())
    assert result.summary["lesion_ap"] == pytest.approx(wanted["AP"], abs=1e-12)
    assert result.summary["case_auroc"] == pytest.approx(wanted["auroc"], abs=1e-12)


def test_another_grid_is_refused_or_resampled_when_asked(tmp_path):
    block = np.zeros((8, 8, 8))
    block[2:6, 2:6, 2:6] = 1
    fine = write_nifti(tmp_path / "r.nii.gz", block)
    coarse = tmp_path / "p.nii.gz"
    image = nibabel.Nifti1Image(block[::2, ::2, ::2].astype(np.uint8), np.diag([2.0, 2.0, 2.0, 1.0]))
    image.affine[:3, 3] = 0.5  # the first coarse voxel covers the first two fine ones
    image.header.set_xyzt_units("mm")
    nibabel.save(nibabel.Nifti1Image(image.dataobj, image.affine, image.header), coarse)
    with pytest.raises(GeometryError, match="differ in size"):
        evaluate(reference=fine, prediction=coarse)
    result = evaluate(reference=fine, prediction=coarse, options=ScoringOptions(resample=True))
    assert result.summary["mean_dice"] == 1.0
    assert any("was resampled to the reference's grid" in note for note in result.notes)


def test_patients_group_cases_and_a_case_without_one_is_refused(tmp_path):
    for name in ("a1", "a2", "b"):
        for role in ("r", "p"):
            write_nifti(tmp_path / role / f"{name}.nii.gz", voxel((4, 4, 4)))
    table = tmp_path / "patients.csv"
    table.write_text("case_id,patient\na1,A\na2,A\nb,B\n")
    folders = {"reference": tmp_path / "r", "prediction": tmp_path / "p"}
    result = evaluate(**folders, patients=read_patients(table))
    assert [case.patient for case in result.cases] == ["A", "A", "B"]
    assert any("rest on 2 patients" in note for note in result.notes)
    with pytest.raises(InputError, match="expected a patient for each case, got none for b"):
        evaluate(**folders, patients={"a1": "A", "a2": "A"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,patient\na,A\n", "got no column case_id"),
        ("case_id,patient\n", "got no row"),
        ("case_id,patient\na,A\na,B\n", "expected a new case id and its patient in line 3, got 'a', 'B'"),
        ("case_id,patient\na,\n", "expected a new case id and its patient in line 2"),
    ],
)
def test_tables_of_patients_that_cannot_be_read_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_patients(tmp_path / "t.csv")


def test_a_table_of_labels_names_the_classes_and_adds_the_background(tmp_path):
    (tmp_path / "t.csv").write_text("value,name,colour\n2,tumour,#123456\n1,liver,\n")
    table = read_labels(tmp_path / "t.csv")
    assert [(label.value, label.name) for label in table] == [(0, "background"), (1, "liver"), (2, "tumour")]
    assert table.foreground[1].colour == "#123456"
    (tmp_path / "t.csv").write_text("value,name\none,liver\n")
    with pytest.raises(InputError, match="expected a whole number from 0 on as value in line 2, got 'one'"):
        read_labels(tmp_path / "t.csv")


def test_many_volumes_evaluate_in_the_memory_of_one(tmp_path):
    array = np.zeros((96, 96, 96), np.uint8)
    array[20:60, 20:60, 20:60] = 1

    def peak(count):
        for number in range(count):
            for role in ("r", "p"):
                write_nifti(tmp_path / str(count) / role / f"{number:03d}.nii", array)
        tracemalloc.start()
        evaluate(
            reference=tmp_path / str(count) / "r",
            prediction=tmp_path / str(count) / "p",
            options=ScoringOptions(surfaces=False, replicates=0),
        )
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(1)  # what is loaded once is loaded here
    one = peak(2)
    assert peak(12) < one + 0.5 * array.nbytes


@pytest.mark.parametrize(
    ("values", "message"), [({"tolerance_mm": -1.0}, "0 mm or more"), ({"seed": -1}, "seed: expected 0")]
)
def test_options_out_of_range_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        ScoringOptions(**values)


@pytest.mark.parametrize(
    ("task", "options", "option"),
    [
        ("semantic", ScoringOptions(border_pixels=2), "--border-pixels"),
        ("instances", ScoringOptions(tolerance_mm=1.0), "--tolerance-mm"),
    ],
)
def test_choices_that_mean_nothing_to_the_task_are_refused(tmp_path, task, options, option):
    with pytest.raises(InputError, match=rf"^task {task}: does not take {option} "):
        evaluate(reference=tmp_path, prediction=tmp_path, task=task, options=options)


def test_maps_in_memory_are_no_sequences():
    from medseg.geometry import Affine, WorldFrame
    from medseg.images import LabelMap, LabelTable

    label_map = LabelMap(
        np.eye(3, dtype=np.uint8), Affine(np.eye(3), frame=WorldFrame.RAS), "YX", LabelTable.from_names("ab")
    )
    with pytest.raises(InputError, match="task ctc: expected two folders of the challenge's layout"):
        evaluate(reference=label_map, prediction=label_map, task="ctc")
