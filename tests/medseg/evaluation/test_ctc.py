"""Sequences in the challenge's layout, against its own program's figures and against py-ctcmetrics."""

import math
import tracemalloc

import numpy as np
import pytest
import tifffile

from medseg.errors import GeometryError, InputError
from medseg.evaluation import Evaluation, ScoringOptions, compare, evaluate, evaluate_ctc
from medseg.images import LabelTable
from medseg.metrics import DetectionCounts, EdgeCounts

OFFICIAL = "references/ctc_measures/testing_dataset"
PSC = "ctc/PhC-C2DL-PSC/01_GT"


def write(folder, pattern, frames, tracks=None):
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        tifffile.imwrite(folder / (pattern % number), np.asarray(frame, np.uint16))
    if tracks is not None:
        name = "man_track.txt" if "track" in pattern else "res_track.txt"
        (folder / name).write_text("".join("{} {} {} {}\n".format(*track) for track in tracks))
    return folder


@pytest.mark.real_data
def test_the_official_testing_set_has_the_official_figures(data_dir):
    (first,) = evaluate_ctc(reference=data_dir / OFFICIAL / "01_GT", prediction=data_dir / OFFICIAL / "01_RES")
    assert f"{first.scores['ctc_seg']:.6f}" == "0.232874"
    assert first.segmentation.objects == 121
    assert set(first.scores) == {"ctc_seg"}
    (third,) = evaluate_ctc(reference=data_dir / OFFICIAL / "03_GT", prediction=data_dir / OFFICIAL / "03_RES")
    assert f"{third.scores['ctc_det']:.6f}" == "0.688000"
    assert f"{third.scores['ctc_tra']:.6f}" == "0.622980"


@pytest.mark.real_data
def test_the_operations_are_those_in_the_official_logs(data_dir):
    folder = data_dir / OFFICIAL
    (third,) = evaluate_ctc(reference=folder / "03_GT", prediction=folder / "03_RES")
    sections, counted = (folder / "03_RES" / "TRA_log.txt").read_text().split("----------")[1:], {}
    for title, lines in zip(sections[::2], sections[1::2], strict=True):
        counted[title.split(" (")[0]] = sum("T=" in line for line in lines.splitlines())
    objects, edges = third.detection, third.edges
    assert list(counted.values()) == [
        objects.splits, objects.missed, objects.spurious, edges.redundant, edges.missing, edges.wrong,
    ]  # fmt: skip


def graph_of(frames):
    """Frames whose labels occur without gaps, and their tracks; what returns after a gap continues its parent."""
    frames, tracks = [frame.astype(np.int64) for frame in frames], []
    spare = max(int(frame.max()) for frame in frames) + 1
    for label in sorted({int(value) for frame in frames for value in np.unique(frame)} - {0}):
        present = np.flatnonzero([(frame == label).any() for frame in frames])
        name = 0
        for run in np.split(present, np.flatnonzero(np.diff(present) > 1) + 1):
            parent, name = name, label if not name else spare
            spare += name == spare
            for number in run:
                frames[number][frames[number] == label] = name
            tracks.append((name, run[0], run[-1], parent))
    return frames, tracks


def spoiled(frame, rng):
    """A copy with missed, merged, halved, exchanged, spurious objects, and all of it shifted."""
    labels = rng.permutation(np.unique(frame)[1:])
    names = np.arange(int(frame.max()) + 1)
    names[labels[:6]] = 0
    names[labels[6:12]] = labels[12:18]
    names[labels[18:24]] = np.roll(labels[18:24], 1)
    result = names[frame]
    for label in labels[24:30]:
        rows, columns = np.nonzero(result == label)
        result[rows[: len(rows) // 2], columns[: len(rows) // 2]] = 40_000 + label % 7
    result = np.roll(result, rng.integers(-2, 3, 2), (0, 1))
    for number, (row, column) in enumerate(rng.integers(0, 500, (5, 2))):
        result[row : row + 5, column : column + 5] = 50_000 + number
    return result


@pytest.mark.real_data
@pytest.mark.parametrize("is_spoiled", [False, True])
def test_real_sequences_agree_with_py_ctcmetrics(data_dir, tmp_path, is_spoiled):
    oracle = pytest.importorskip("ctc_metrics.scripts.evaluate", reason="py-ctcmetrics is the oracle of this test")
    rng = np.random.default_rng(20)
    markers = [tifffile.imread(data_dir / PSC / "TRA" / f"man_track{frame:03d}.tif") for frame in range(80, 84)]
    frames, tracks = graph_of(markers)
    write(tmp_path / "01_GT" / "TRA", "man_track%03d.tif", frames, tracks)
    write(tmp_path / "01_GT" / "SEG", "man_seg%03d.tif", markers)
    results, tracks = graph_of([spoiled(frame, rng) for frame in markers] if is_spoiled else markers)
    write(tmp_path / "01_RES", "mask%03d.tif", results, tracks)
    (ours,) = evaluate_ctc(reference=tmp_path, prediction=tmp_path)
    folders = (str(tmp_path / "01_RES"), str(tmp_path / "01_GT"))
    theirs = oracle.evaluate_sequence(*folders, ["SEG", "DET", "TRA"], threads=1)
    for key in ("SEG", "DET", "TRA"):
        assert ours.scores[f"ctc_{key.lower()}"] == pytest.approx(theirs[key], abs=1e-12)
    objects, edges = ours.detection, ours.edges
    assert [theirs[f"AOGM_{key}"] for key in ("NS", "FN", "FP", "ED", "EA", "EC")] == [
        objects.splits, objects.missed, objects.spurious, edges.redundant, edges.missing, edges.wrong,
    ]  # fmt: skip


@pytest.mark.real_data
def test_a_real_reference_without_tracks_is_scored_by_its_objects_and_says_so(data_dir, tmp_path):
    masks = [tifffile.imread(data_dir / PSC / "SEG" / f"man_seg{frame:03d}.tif") for frame in range(120)]
    markers = [tifffile.imread(data_dir / PSC / "TRA" / f"man_track{frame:03d}.tif") for frame in range(120)]
    (psc,) = evaluate_ctc(reference=data_dir / PSC, prediction=write(tmp_path, "mask%03d.tif", masks))
    assert psc.scores["ctc_seg"] == 1
    # The set's own segmentation lacks two of its markers, both in frame 60.
    lacking = [len(set(np.unique(one)) - set(np.unique(other))) for one, other in zip(markers, masks, strict=True)]
    assert [frame.detection.missed for frame in psc.frames] == lacking
    assert psc.scores["ctc_det"] == pytest.approx(1 - sum(lacking) / sum(len(np.unique(one)) - 1 for one in markers))
    assert psc.notes == ("sequence 01: the reference has no man_track.txt: no TRA.",)


TWO = [[1, 1, 1, 0, 2, 2, 2]]
EMPTY = [[0] * 7]


def test_frames_without_objects_have_undefined_scores_and_count_in_the_sequence(tmp_path):
    write(tmp_path / "01_GT" / "TRA", "man_track%03d.tif", [EMPTY, TWO])
    write(tmp_path / "01_RES", "mask%03d.tif", [[[0, 5, 0, 0, 0, 0, 0]], TWO])
    (sequence,) = evaluate_ctc(reference=tmp_path, prediction=tmp_path)
    assert math.isnan(sequence.frames[0].scores["ctc_det"])
    assert sequence.frames[1].scores["ctc_det"] == 1
    assert sequence.detection == DetectionCounts(objects=2, predictions=3, spurious=1)
    assert sequence.scores["ctc_det"] == pytest.approx(1 - 1 / 20)


def test_a_result_without_tracks_has_no_tra_and_says_so(tmp_path):
    write(tmp_path / "01_GT" / "TRA", "man_track%03d.tif", [TWO, TWO], [(1, 0, 1, 0), (2, 0, 1, 0)])
    write(tmp_path / "01_RES", "mask%03d.tif", [TWO, TWO, TWO])
    (sequence,) = evaluate_ctc(reference=tmp_path, prediction=tmp_path)
    assert set(sequence.scores) == {"ctc_det"}
    assert sequence.notes == (
        "sequence 01: the result has no res_track.txt: no TRA.",
        "sequence 01: 1 masks of frames without reference not scored.",
    )


def test_tracks_that_contradict_the_masks_are_refused(tmp_path):
    write(tmp_path / "01_GT" / "TRA", "man_track%03d.tif", [TWO, TWO], [(1, 0, 1, 0), (2, 0, 1, 0)])
    write(tmp_path / "01_RES", "mask%03d.tif", [TWO, EMPTY], [(1, 0, 1, 0), (2, 0, 0, 0)])
    with pytest.raises(InputError, match=r"res_track\.txt: track 1 claims frame 1, but its mask lacks it"):
        evaluate_ctc(reference=tmp_path, prediction=tmp_path)


def test_objects_outside_the_field_leave_objects_and_edges_alone(tmp_path):
    def frame(column):
        image = np.zeros((9, 9))
        image[4, column] = 1
        image[0, 8] = 2
        return image

    write(tmp_path / "01_GT" / "TRA", "man_track%03d.tif", [frame(c) for c in (4, 1, 0)], [(1, 0, 2, 0), (2, 0, 2, 0)])
    write(tmp_path / "01_RES", "mask%03d.tif", [frame(c) for c in (4, 1, 0)], [(1, 0, 2, 0), (2, 0, 2, 0)])
    (sequence,) = evaluate_ctc(reference=tmp_path, prediction=tmp_path, border_pixels=1)
    assert sequence.detection == DetectionCounts(objects=2, predictions=2)
    assert sequence.edges == EdgeCounts(objects=1)
    (whole,) = evaluate_ctc(reference=tmp_path, prediction=tmp_path)
    assert whole.detection == DetectionCounts(objects=6, predictions=6)
    assert whole.edges == EdgeCounts(objects=4)


def test_slices_of_a_volume_are_compared_with_the_same_slices_of_the_mask(tmp_path):
    volume = np.zeros((5, 6, 6))
    volume[1, 1:3, 1:3] = 4
    volume[3, 1:3, 1:4] = 4
    write(tmp_path / "01_RES", "mask%03d.tif", [volume])
    reference = np.zeros((6, 6), np.uint16)
    reference[1:3, 1:3] = 9
    (tmp_path / "01_GT" / "SEG").mkdir(parents=True)
    for place in (1, 2, 3):
        tifffile.imwrite(tmp_path / "01_GT" / "SEG" / f"man_seg_000_{place:03d}.tif", reference)
    (sequence,) = evaluate_ctc(reference=tmp_path, prediction=tmp_path)
    assert sequence.segmentation.objects == 3
    assert sequence.scores["ctc_seg"] == pytest.approx((1 + 0 + 4 / 6) / 3)
    tifffile.imwrite(tmp_path / "01_GT" / "SEG" / "man_seg_000_005.tif", reference)
    with pytest.raises(GeometryError, match=r"expected a volume with slice 5 of man_seg_000_005\.tif"):
        evaluate_ctc(reference=tmp_path, prediction=tmp_path)


def test_a_mask_of_another_size_is_refused(tmp_path):
    write(tmp_path / "01_GT" / "SEG", "man_seg%03d.tif", [TWO])
    write(tmp_path / "01_RES", "mask%03d.tif", [np.zeros((2, 7))])
    with pytest.raises(GeometryError, match=r"mask000\.tif: expected the shape \(1, 7\) of .*, got \(2, 7\)"):
        evaluate_ctc(reference=tmp_path, prediction=tmp_path)


def test_a_long_sequence_takes_the_memory_of_a_short_one(tmp_path):
    peaks = []
    for length in (2, 40):
        folder = tmp_path / str(length)
        frames = [np.kron(np.arange(16).reshape(4, 4), np.ones((50, 50))) for _ in range(length)]
        write(folder / "01_GT" / "TRA", "man_track%03d.tif", frames)
        write(folder / "01_RES", "mask%03d.tif", frames)
        evaluate_ctc(reference=folder, prediction=folder)
        tracemalloc.start()
        evaluate_ctc(reference=folder, prediction=folder)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize(
    ("choice", "option"),
    [
        ({"patients": {"01": "A"}}, "--patients"),
        ({"labels": LabelTable.from_names("ab")}, "--labels"),
        ({"slices": "0-3"}, "--slices"),
        ({"options": ScoringOptions(resample=True)}, "--resample"),
        ({"options": ScoringOptions(tolerance_mm=0.0)}, "--tolerance-mm"),
    ],
)
def test_choices_that_mean_nothing_to_sequences_are_refused(tmp_path, choice, option):
    with pytest.raises(InputError, match=rf"^task ctc: does not take {option} \(.*\)\. Leave it out\.$"):
        evaluate(reference=tmp_path, prediction=tmp_path, task="ctc", **choice)


def test_two_models_are_compared_by_sequences_not_by_frames(tmp_path):
    for sequence, frames in (("01", [TWO, TWO, TWO]), ("02", [TWO])):
        write(tmp_path / "truth" / f"{sequence}_GT" / "SEG", "man_seg%03d.tif", frames)
        write(tmp_path / "ours" / f"{sequence}_RES", "mask%03d.tif", frames)
        write(tmp_path / "theirs" / f"{sequence}_RES", "mask%03d.tif", [EMPTY, *frames[1:]])
    ours, theirs = (
        evaluate(reference=tmp_path / "truth", prediction=tmp_path / name, task="ctc") for name in ("ours", "theirs")
    )
    score = compare(ours, theirs, name="theirs").scores["ctc_seg"]
    assert theirs.summary["ctc_seg"] == pytest.approx((2 / 3 + 0) / 2)
    assert score.difference == pytest.approx((1 / 3 + 1) / 2)
    assert (score.num_patients, score.num_cases) == (2, 2)
    assert Evaluation.from_json(ours.to_json()).units[0].case_id == "01"
