"""What belongs together by its place, axis or class is compared; what does not is refused, never scored."""

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

import medseg
from medseg.errors import GeometryError, InputError, LabelError
from medseg.evaluation import ScoringOptions, evaluate
from medseg.geometry import Affine, WorldFrame
from medseg.images import Label, LabelMap, LabelTable, on_grid_of

PLAIN = ScoringOptions(replicates=0)
SQUARE = np.repeat([[1], [0], [0], [0]], 4, axis=1).astype(np.uint8)
"""The first row is foreground; turned about its diagonal, one voxel in four would agree."""


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha"])
def test_rows_of_a_square_picture_are_never_compared_with_columns(tmp_path, suffix):
    PillowImage.fromarray(SQUARE).save(tmp_path / "truth.png")
    truth = medseg.read_label_map(tmp_path / "truth.png")
    medseg.write_label_map(truth, tmp_path / f"mask.{suffix}")
    with pytest.raises(GeometryError, match=r"differ in the order of their axes: YX vs XY, .* medseg convert"):
        evaluate(prediction=tmp_path / f"mask.{suffix}", reference=tmp_path / "truth.png", options=PLAIN)
    with pytest.raises(GeometryError, match="order of their axes"):
        on_grid_of(
            medseg.read_image(tmp_path / "truth.png"),
            medseg.read_label_map(tmp_path / f"mask.{suffix}"),
            names=("image", "mask"),
        )
    back = medseg.read_label_map(tmp_path / f"mask.{suffix}")
    medseg.write_label_map(back, tmp_path / "back.png")
    np.testing.assert_array_equal(np.asarray(PillowImage.open(tmp_path / "back.png")), SQUARE)


def test_slices_of_a_volume_stored_plane_by_plane_are_not_taken_across(tmp_path):
    stack = np.zeros((4, 4, 4), np.uint8)
    stack[1] = 1
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack", metadata={"axes": "ZYX"})
    label_map = medseg.read_label_map(tmp_path / "stack.tif")
    medseg.write_label_map(label_map, tmp_path / "stack.nii.gz")
    same = {"options": PLAIN, "slices": "1"}
    scores = evaluate(prediction=tmp_path / "stack.tif", reference=tmp_path / "stack.tif", **same).cases[0].scores
    assert scores["dice/class 1"] == 1
    with pytest.raises(InputError, match=r"expected a stack with its slices along the first axis, got the axes XYZ"):
        evaluate(prediction=tmp_path / "stack.nii.gz", reference=tmp_path / "stack.nii.gz", **same)


def _organs(array, *names, affine=None):
    labels = LabelTable([Label(value, name) for value, name in enumerate(("background", *names))])
    affine = Affine(np.eye(4), frame=WorldFrame.RAS) if affine is None else affine
    return LabelMap(np.asarray(array, np.uint8), affine, "XYZ", labels)


def test_a_class_with_another_number_in_the_prediction_is_refused():
    array = np.arange(8).reshape(2, 2, 2) % 3
    reference, prediction = _organs(array, "liver", "kidney"), _organs(array, "kidney", "liver")
    with pytest.raises(LabelError, match=r"marks kidney with 2, .* with 1. Map one to the other"):
        evaluate(prediction=prediction, reference=reference, options=PLAIN)
    by_number = evaluate(prediction=prediction, reference=reference, labels=reference.labels, options=PLAIN)
    assert by_number.cases[0].scores["dice/kidney"] == 1


def test_distances_on_a_tilted_grid_are_undefined_and_its_overlap_is_not():
    # Slices 4 mm apart and tilted by 30 degrees: voxels (0, 1, 0) and (0, 0, 1) lie 3.61 mm apart, and not 4.12.
    tilted = Affine([[1, 0, 0, 0], [0, 1, 2, 0], [0, 0, 12**0.5, 0], [0, 0, 0, 1]], frame=WorldFrame.RAS)
    assert np.linalg.norm(tilted.apply([0, 1, 0]) - tilted.apply([0, 0, 1])) == pytest.approx(13**0.5)
    reference, prediction = np.zeros((2, 4, 4, 4), np.uint8)
    reference[0, 1, 0] = prediction[0, 0, 1] = 1
    maps = [_organs(array, "lesion", affine=tilted) for array in (reference, prediction)]
    scores = evaluate(prediction=maps[1], reference=maps[0], options=PLAIN).cases[0].scores
    assert np.isnan(scores["hausdorff_mm/lesion"])
    assert scores["dice/lesion"] == 0


def test_a_mask_with_a_palette_is_no_picture_that_gives_way_to_another_file(tmp_path):
    palette = PillowImage.fromarray(SQUARE).convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0])
    (tmp_path / "truth").mkdir()
    palette.save(tmp_path / "truth" / "a.png")
    tifffile.imwrite(tmp_path / "truth" / "a.tif", 1 - SQUARE, photometric="minisblack")
    with pytest.raises(InputError, match=r"a\.png and a\.tif are the same case a. Remove one"):
        evaluate(prediction=tmp_path / "truth", reference=tmp_path / "truth", options=PLAIN)


def test_what_is_found_beyond_the_slices_of_the_reference_is_counted_in_the_note(tmp_path):
    # The reference ends with its second slice, as a DICOM segmentation does; three false voxels lie in the fourth.
    prediction = np.zeros((4, 4, 4), np.uint8)
    prediction[0, 0, 1] = prediction[:3, 0, 3] = 1
    names = {"prediction": _organs(prediction, "lesion"), "reference": _organs(prediction[:, :, :2], "lesion")}
    evaluation = evaluate(**names, options=ScoringOptions(replicates=0, resample=True))
    assert "Of its 4 labelled voxels 3 lie outside the reference's field of view and are NOT scored." in str(
        evaluation.notes
    )
