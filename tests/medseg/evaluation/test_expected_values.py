"""Each group of the reference figures that come with the real data is reproduced; a new group needs a test."""

import json

import numpy as np
import pytest

from medseg.evaluation import ScoringOptions, evaluate, evaluate_ctc
from medseg.io import read_image
from medseg.metrics import ctc_det

pytestmark = pytest.mark.real_data

COVERED = {
    "ctc_official_testing_dataset": "here, and medseg/evaluation/test_ctc.py",
    "recomputed_here": "here",
    "dicom2nifti_pairs": "here (plain series), and medseg/io/test_real_data.py, which compares the places too",
    "surface_distance_deepmind": "medseg/metrics/test_surface_oracles.py",
    "totalsegmentator_example_seg_fast": "medseg/inference/test_organ_statistics.py",
}


@pytest.fixture(scope="module")
def expected(data_dir):
    return json.loads((data_dir / "references" / "expected_values_dev.json").read_text())


def test_no_group_of_expected_values_is_without_a_test(expected):
    assert set(expected) == set(COVERED)


def sequence(data_dir, number):
    folder = data_dir / "references" / "ctc_measures" / "testing_dataset"
    (scores,) = evaluate_ctc(reference=folder / f"{number}_GT", prediction=folder / f"{number}_RES")
    return scores


def test_the_official_figures_of_the_cell_tracking_challenge_come_out(data_dir, expected):
    group = expected["ctc_official_testing_dataset"]
    first, third = group["testing_dataset/01 (Fluo-C2DL-MSC)"], group["testing_dataset/03"]
    ours = sequence(data_dir, "01")
    assert round(ours.scores["ctc_seg"], 6) == first["SEG"]
    assert ours.segmentation.objects == first["n_gt_objects"]
    assert ours.scores["ctc_seg"] == pytest.approx(expected["recomputed_here"]["MSC01_SEG"], rel=1e-12)
    ours = sequence(data_dir, "03")
    assert round(ours.scores["ctc_det"], 6) == third["DET"] == expected["recomputed_here"]["03_DET"]
    assert round(ours.scores["ctc_tra"], 6) == third["TRA"]
    forgiving = ctc_det(ours.detection, penalise_spurious=False)
    assert forgiving == pytest.approx(third["DET_penalize_extra_detections_0"])


PAIRS = (
    *(f"mr_convert_pairs/{kind}/001" for kind in ("anatomical", "compressed", "compressed_j2k", "compressed_jpeg")),
    *(f"mr_convert_pairs/{kind}/001" for kind in ("compressed_jpegls", "compressed_rle")),
    "mr_convert_pairs/anatomical/001_implicit",
    "mr_convert_pairs/anatomical/002_non_isotropic",
)


@pytest.mark.parametrize("name", PAIRS)
def test_voxels_of_a_series_are_those_of_the_nifti_that_was_made_of_it(data_dir, name):
    folder = data_dir / "dicom" / name
    ours = read_image(folder).array
    theirs = read_image(folder.with_name(f"{folder.name}_ground_truth.nii.gz")).array
    # The other program keeps scaled values in double precision.
    np.testing.assert_allclose(np.sort(ours, axis=None), np.sort(theirs, axis=None), rtol=np.finfo(np.float32).eps)


def oracle(reference, prediction):
    """Panoptic quality of objects that bear one number in both maps, from a mask each; (quality, true positives)."""
    values = [value for value in np.union1d(reference, prediction) if value]
    ious = [
        np.count_nonzero((reference == value) & (prediction == value))
        / np.count_nonzero((reference == value) | (prediction == value))
        for value in values
    ]
    good = [iou for iou in ious if iou > 0.5]
    lost = sum(iou <= 0.5 for iou in ious)
    # A number that matches badly is one missed and one false object.
    return sum(good) / (len(good) + lost / 2 + lost / 2), len(good)


def test_the_spine_instances_have_the_panoptic_quality_of_their_masks(data_dir):
    folder = data_dir / "references" / "panoptic"
    found = {
        name: evaluate(
            reference=folder / name / "ref.nii.gz",
            prediction=folder / name / "pred.nii.gz",
            task="instances",
            options=ScoringOptions(replicates=0),
        )
        for name in ("matched_instance", "unmatched_instance")
    }
    maps = [read_image(folder / "matched_instance" / f"{role}.nii.gz").array[0] for role in ("ref", "pred")]
    quality, count = oracle(*maps)
    matched = found["matched_instance"]
    assert matched.summary["panoptic_quality"] == pytest.approx(quality, rel=1e-12)
    assert matched.cases[0].statistics["matches"].true_positives == count
    # The other prediction numbers the same objects from one higher: no score may know.
    assert found["unmatched_instance"].summary == pytest.approx(matched.summary, nan_ok=True)


def test_the_spine_classes_have_the_dice_of_their_masks(data_dir):
    folder = data_dir / "references" / "panoptic" / "semantic"
    result = evaluate(
        reference=folder / "ref.nii.gz",
        prediction=folder / "pred.nii.gz",
        options=ScoringOptions(surfaces=False, replicates=0),
    )
    reference, prediction = (read_image(folder / f"{role}.nii.gz").array[0] for role in ("ref", "pred"))
    assert len(result.labels.foreground) == 14
    for label in result.labels.foreground:
        ours, theirs = reference == label.value, prediction == label.value
        wanted = 2 * np.count_nonzero(ours & theirs) / (np.count_nonzero(ours) + np.count_nonzero(theirs))
        assert result.summary[f"dice/{label.name}"] == pytest.approx(wanted, rel=1e-12), label.name
