import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from medseg.errors import GeometryError, InputError, LabelError, UnknownNameError
from medseg.evaluation import aggregate, evaluate, score_pair
from medseg.evaluation.job import EvaluationJob
from medseg.geometry import Affine, WorldFrame
from medseg.images import ImageMetadata, LabelMap, LabelTable
from medseg.io import write_label_map

LESIONS = LabelTable.from_names(("background", "lesion"))
MEMBRANES = LabelTable.from_names(("cell", "membrane"))


def label_map(array, *, labels=LESIONS, spacing_mm=1.0, origin_mm=None, spacing_is_known=True):
    array = np.asarray(array, dtype=np.uint8)
    affine = Affine.from_spacing([spacing_mm] * array.ndim, frame=WorldFrame.RAS, origin_mm=origin_mm)
    metadata = ImageMetadata(spacing_is_known=spacing_is_known)
    return LabelMap(array, affine, "XYZ" if array.ndim == 3 else "YX", labels, metadata=metadata)


def membrane_stack(num_slices=4):
    """Slices of four cells whose walls lie elsewhere in each."""
    stack = np.zeros((num_slices, 16, 20), np.uint8)
    for number in range(num_slices):
        stack[number, 6 + number % 3, :] = 1
        stack[number, :, 8 + number % 4] = 1
    return stack


def challenge_coding(stack):
    return np.where(stack == 1, 0, 255).astype(np.uint8)


def write_stack(path, stack):
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def write_png(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(array.astype(np.uint8)).save(path)
    return path


def test_a_lesion_of_four_voxels_found_by_half_scores_by_hand():
    reference = np.zeros((4, 4, 4))
    reference[1:3, 1:3, 1] = 1
    prediction = np.zeros((4, 4, 4))
    prediction[1, 1:3, 1] = 1
    result = evaluate(prediction=label_map(prediction, spacing_mm=2), reference=label_map(reference, spacing_mm=2))
    assert result.summary["mean_dice"] == pytest.approx(2 * 2 / (2 + 4))
    assert result.summary["dice/lesion"] == result.summary["mean_dice"]
    assert result.summary["iou/lesion"] == pytest.approx(2 / 4)
    assert result.summary["recall/lesion"] == pytest.approx(2 / 4)
    assert result.summary["precision/lesion"] == 1.0
    assert result.summary["pixel_accuracy"] == pytest.approx(62 / 64)
    # Two voxels of 8 mm^3 are missing.
    assert result.summary["volume_difference_ml/lesion"] == pytest.approx(-0.016)


def test_images_of_two_axes_or_without_known_spacing_get_no_volume():
    flat = label_map(np.eye(4))
    assert not any(key.startswith("volume") for key in evaluate(prediction=flat, reference=flat).summary)
    unknown = label_map(np.ones((2, 2, 2)), spacing_is_known=False)
    assert not any(key.startswith("volume") for key in evaluate(prediction=unknown, reference=unknown).summary)


def test_a_value_outside_the_table_is_refused_with_the_case():
    with pytest.raises(LabelError, match=r"prediction of case 'a'.*label values 5 are not in the class table"):
        score_pair(prediction=label_map([[0, 5]]), reference=label_map([[0, 1]]), case_id="a")


def test_an_unknown_task_is_refused():
    with pytest.raises(UnknownNameError, match=r"unknown task 'semantics'\. Did you mean 'semantic'"):
        evaluate(prediction=label_map([[0]]), reference=label_map([[0]]), task="semantics")


def test_maps_on_different_grids_are_refused_with_both_files_and_the_advice(tmp_path):
    write_label_map(label_map(np.ones((3, 3, 3))), tmp_path / "true.nii.gz")
    write_label_map(label_map(np.ones((3, 3, 3)), origin_mm=(5, 0, 0)), tmp_path / "moved.nii.gz")
    pattern = r"true\.nii\.gz and .*moved\.nii\.gz differ in position.*up to 5 mm.*Resample one like the other first"
    with pytest.raises(GeometryError, match=pattern):
        evaluate(prediction=tmp_path / "moved.nii.gz", reference=tmp_path / "true.nii.gz")


def test_a_file_without_voxel_size_is_compared_in_voxels():
    known = label_map(np.eye(4), spacing_mm=0.5)
    unknown = label_map(np.eye(4), spacing_is_known=False)
    assert evaluate(prediction=unknown, reference=known).summary["mean_dice"] == 1.0
    with pytest.raises(GeometryError, match=r"differ in size: \(4, 4\) vs \(5, 5\) voxels"):
        evaluate(prediction=label_map(np.eye(5), spacing_is_known=False), reference=known)


def test_two_codings_of_one_class_are_refused():
    with pytest.raises(LabelError, match=r"marks its one class with 1, .* with 255\. Map one to the other"):
        evaluate(
            prediction=LabelMap(
                np.array([[0, 255]], np.uint8),
                label_map([[0, 0]]).affine,
                "YX",
                LabelTable((*LESIONS.labels[:1], type(LESIONS.labels[1])(255, "class 255"))),
            ),
            reference=label_map([[0, 1]]),
        )


def test_folders_are_paired_by_name_and_extra_predictions_are_named(tmp_path):
    for folder, names in (("reference", "ab"), ("prediction", "abc")):
        (tmp_path / folder).mkdir()
        for name in names:
            write_label_map(label_map(np.ones((3, 3, 3))), tmp_path / folder / f"{name}.nii.gz")
    result = evaluate(prediction=tmp_path / "prediction", reference=tmp_path / "reference")
    assert [case.case_id for case in result.cases] == ["a", "b"]
    assert result.notes[0] == "Predictions without a reference, not scored (1): c."
    assert [record.role for record in result.provenance.inputs] == ["reference", "prediction"] * 2


def test_a_reference_without_prediction_is_refused(tmp_path):
    for folder, names in (("reference", "ab"), ("prediction", "a")):
        (tmp_path / folder).mkdir()
        for name in names:
            write_label_map(label_map(np.ones((3, 3, 3))), tmp_path / folder / f"{name}.nii.gz")
    with pytest.raises(InputError, match=r"prediction: no prediction for b of .*reference\. Files are paired by name"):
        evaluate(prediction=tmp_path / "prediction", reference=tmp_path / "reference")


def test_missing_and_mixed_paths_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.tif: no such file or folder"):
        evaluate(prediction=tmp_path / "nowhere.tif", reference=label_map([[1]]))
    with pytest.raises(InputError, match="expected two files or two folders, got one of each"):
        evaluate(prediction=label_map([[1]]), reference=tmp_path)


def test_hashes_of_the_inputs_are_those_of_the_files(tmp_path):
    import hashlib

    path = tmp_path / "one.nii.gz"
    write_label_map(label_map(np.ones((3, 3, 3))), path)
    result = evaluate(prediction=path, reference=path)
    assert {record.sha256 for record in result.provenance.inputs} == {hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_membrane_stack_is_scored_slice_by_slice(tmp_path):
    stack = membrane_stack()
    worse = stack.copy()
    worse[2, 6 + 2, :] = 0  # one wall of slice 2 is missing
    reference = write_stack(tmp_path / "reference.tif", challenge_coding(stack))
    prediction = write_stack(tmp_path / "prediction.tif", worse)
    result = evaluate(prediction=prediction, reference=reference, task="isbi2012")
    assert [case.case_id for case in result.cases] == ["slice_00", "slice_01", "slice_02", "slice_03"]
    assert [case.scores["v_rand"] < 1 for case in result.cases] == [False, False, True, False]
    assert result.worst_first()[0].case_id == "slice_02"


@pytest.mark.parametrize("recode", [lambda stack: stack, challenge_coding])
def test_both_codings_of_membranes_mean_the_same(tmp_path, recode):
    stack = membrane_stack()
    reference = write_stack(tmp_path / "reference.tif", challenge_coding(stack))
    prediction = write_stack(tmp_path / "prediction.tif", recode(stack))
    result = evaluate(prediction=prediction, reference=reference, task="isbi2012")
    assert result.summary["dice/membrane"] == 1.0
    assert result.summary["v_rand"] == 1.0
    assert result.summary["v_info"] == pytest.approx(1.0)


def test_the_whole_stack_joins_pixel_pairs_for_v_rand_and_averages_v_info(tmp_path):
    stack = membrane_stack()
    worse = stack.copy()
    worse[2, 8, :] = 0
    result = evaluate(
        prediction=write_stack(tmp_path / "p.tif", worse),
        reference=write_stack(tmp_path / "r.tif", stack),
        task="isbi2012",
    )
    parts = [case.regions for case in result.cases]
    joint = sum(part.joint_squares for part in parts)
    both = sum(part.prediction_squares + part.reference_squares for part in parts)
    assert result.summary["v_rand"] == pytest.approx(joint / (0.5 * both))
    assert result.summary["v_info"] == pytest.approx(np.mean([case.scores["v_info"] for case in result.cases]))


def test_chosen_slices_score_as_the_same_maps_in_memory(tmp_path):
    stack = membrane_stack(6)
    worse = np.roll(stack, 1, axis=2)
    result = evaluate(
        prediction=write_stack(tmp_path / "p.tif", challenge_coding(worse)),
        reference=write_stack(tmp_path / "r.tif", challenge_coding(stack)),
        task="isbi2012",
        slices="2-3,5",
    )
    in_memory = aggregate(
        [
            score_pair(
                prediction=label_map(worse[number], labels=MEMBRANES),
                reference=label_map(stack[number], labels=MEMBRANES),
                task="isbi2012",
                case_id=f"slice_{number:02d}",
            )
            for number in (2, 3, 5)
        ]
    )
    assert result.summary == in_memory.summary
    assert [case.case_id for case in result.cases] == ["slice_02", "slice_03", "slice_05"]


def test_slices_let_a_longer_prediction_meet_a_shorter_reference(tmp_path):
    stack = membrane_stack(6)
    longer = write_stack(tmp_path / "p.tif", stack)
    shorter = write_stack(tmp_path / "r.tif", stack[:4])
    result = evaluate(prediction=longer, reference=shorter, task="isbi2012", slices="1-2")
    assert result.summary["v_rand"] == 1.0
    with pytest.raises(GeometryError, match="differ in size"):
        evaluate(prediction=longer, reference=shorter, task="isbi2012")
    with pytest.raises(InputError, match=r"r\.tif: expected slices between 0 and 3, got 4"):
        evaluate(prediction=longer, reference=shorter, task="isbi2012", slices="2-5")


@pytest.mark.parametrize("text", ["a", "3-1", "1,,2", "2-", "1,1"])
def test_slices_that_cannot_be_read_are_refused(text):
    with pytest.raises(InputError, match="slices: expected"):
        evaluate(prediction=label_map(np.ones((3, 3, 3))), reference=label_map(np.ones((3, 3, 3))), slices=text)


def test_slices_of_a_flat_image_are_refused():
    with pytest.raises(InputError, match="--slices needs a stack, got an image of 2 axes"):
        evaluate(prediction=label_map(np.eye(3)), reference=label_map(np.eye(3)), slices="0")


def test_a_membrane_file_of_zeros_only_is_refused(tmp_path):
    zeros = write_stack(tmp_path / "zeros.tif", np.zeros((2, 8, 8), np.uint8))
    with pytest.raises(LabelError, match=r"zeros\.tif: all pixels are 0, which is membrane in the challenge's coding"):
        evaluate(prediction=zeros, reference=zeros, task="isbi2012")


def test_membranes_moved_within_their_width_have_no_warping_error_and_a_missing_one_has_its_pixels():
    reference, moved, merged = np.zeros((3, 2, 6, 11), np.uint8)
    reference[:, :, 4:6] = moved[:, :, 5:7] = merged[0, :, 4:6] = 1
    maps = [label_map(array, labels=MEMBRANES) for array in (reference, moved, merged)]
    scores = [
        score_pair(reference=maps[0], prediction=one, task="isbi2012", case_id="a").scores for one in (maps[1], maps[2])
    ]
    assert scores[0]["warping_error"] == 0.0
    # The wall of two pixels of one slice thins to a line of 6 that cannot go, out of 66 pixels; two slices.
    assert scores[1]["warping_error"] == pytest.approx((0 + 6 / 66) / 2)


def test_a_grey_membrane_map_is_refused():
    with pytest.raises(LabelError, match=r"expected membranes as 0 and 255 .* got 0, 128\. Threshold the map first"):
        score_pair(
            prediction=label_map([[0, 128]], labels=MEMBRANES),
            reference=label_map([[0, 1]], labels=MEMBRANES),
            task="isbi2012",
            case_id="a",
        )


@pytest.mark.real_data
def test_the_challenges_own_labels_score_1_against_themselves(data_dir):
    labels = data_dir / "isbi2012" / "train-labels.tif"
    result = evaluate(prediction=labels, reference=labels, task="isbi2012", slices="20-23")
    assert [case.case_id for case in result.cases] == ["slice_20", "slice_21", "slice_22", "slice_23"]
    assert result.summary["v_rand"] == 1.0
    assert result.summary["v_info"] == pytest.approx(1.0)
    assert result.summary["dice/membrane"] == 1.0
    # 22 % of the labels are membrane, 0 in the challenge's coding.
    counts = result.confusion.counts
    assert 0.15 < counts[1, 1] / counts.sum() < 0.3


def test_the_results_of_a_batch_are_paired_by_the_folders_of_their_cases(tmp_path):
    truth = np.array([[0, 1], [1, 1]])
    for case_id, array in {"a": truth, "b": 1 - truth}.items():
        write_png(tmp_path / "truth" / f"{case_id}.png", truth)
        write_png(tmp_path / "batch" / case_id / "mask.png", array)
        write_png(tmp_path / "batch" / case_id / "overlay.png", truth)
        (tmp_path / "batch" / case_id / "case.json").write_text("{}")
    evaluation = evaluate(prediction=tmp_path / "batch", reference=tmp_path / "truth")
    assert {case.case_id: case.scores["pixel_accuracy"] for case in evaluation.cases} == {"a": 1.0, "b": 0.0}


def test_a_case_that_failed_in_a_batch_is_named_and_not_left_out(tmp_path):
    truth = np.array([[0, 1], [1, 1]])
    for case_id in ("a", "b"):
        write_png(tmp_path / "truth" / f"{case_id}.png", truth)
    write_png(tmp_path / "batch" / "a" / "mask.png", truth)
    (tmp_path / "batch" / "a" / "case.json").write_text("{}")
    with pytest.raises(InputError, match=r"no prediction for b of"):
        evaluate(prediction=tmp_path / "batch", reference=tmp_path / "truth")


def test_progress_is_told_after_each_reference_and_over_both_models(tmp_path):
    truth = np.array([[0, 1], [1, 1]])
    for folder in ("truth", "ours", "theirs"):
        for case_id in ("a", "b"):
            write_png(tmp_path / folder / f"{case_id}.png", truth)
    told = []
    evaluate(prediction=tmp_path / "ours", reference=tmp_path / "truth", progress=told.append)
    assert told == [0.5, 1.0]
    told.clear()
    EvaluationJob(tmp_path / "ours", tmp_path / "truth", against=tmp_path / "theirs").run(progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
