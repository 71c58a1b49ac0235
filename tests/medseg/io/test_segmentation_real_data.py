"""Segmentations that dcmqi and highdicom wrote, against their truths."""

import shutil

import numpy as np
import pytest

from medseg.io import read_label_map
from medseg.io.dicom import read_segmentation
from medseg.verdicts import RefusedImageError


def in_world(label_map):
    """Value -> sorted places of its voxels in hundredths of a millimetre."""
    places = {}
    for value in label_map.present_values()[1:]:
        found = np.rint(label_map.affine.apply(np.argwhere(label_map.array == value)) * 100).astype(int)
        places[value] = found[np.lexsort(found.T)]
    return places


REAL = {
    "23x38x3/seg/label.seg": ("23x38x3/nrrd/label.nrrd", None),
    "24x38x3/seg/label.seg": ("24x38x3/nrrd/label.nrrd", None),
    "liver.dcm": ("liver_seg.nrrd", None),
    "sparse-labelmap-noppv.dcm": ("sparse_labelmap_noppv_seg.nrrd", None),
    "sparse-labelmap-ppv5.dcm": ("sparse_labelmap_ppv5_seg.nrrd", None),
    "partial_overlaps.dcm": ("partial_overlaps-1.nrrd", [1, 4, 5]),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_segmentations_of_dcmqi_equal_their_truth_in_the_world(name, data_dir):
    folder = data_dir / "dicom" / "seg_dcmqi"
    truth, segments = REAL[name]
    expected = in_world(read_label_map(folder / truth))
    if "ppv5" in name:
        del expected[5]  # dcmqi fills slices without a frame with the padding value, which is no segment
    found = in_world(read_segmentation(folder / name, segments=segments))
    assert set(found) == set(expected)
    for value, places in expected.items():
        np.testing.assert_array_equal(found[value], places)


@pytest.mark.real_data
def test_segmentations_of_highdicom_are_read_or_refused_with_a_reason(data_dir, tmp_path):
    folder = data_dir / "dicom" / "seg_highdicom"
    outcomes = {}
    for path in sorted(folder.glob("seg_image_*.dcm")):
        copied, name = tmp_path / path.name, path.stem.removeprefix("seg_image_")
        shutil.copy(path, copied)
        try:
            outcomes[name] = np.count_nonzero(read_label_map(copied).array)
        except RefusedImageError as error:
            outcomes[name] = error.verdicts[0].code

    # Numbers of voxels as highdicom's segread(...).get_volume() has them.
    assert outcomes["ct_binary"] == 638
    assert outcomes["ct_binary_single_frame"] == 1832
    assert outcomes["ct_binary_overlap"] == "overlapping-segments"
    assert outcomes["cr_binary"] == "no-position"
    assert {code for name, code in outcomes.items() if name.startswith("sm_")} == {"slide-coordinates"}
