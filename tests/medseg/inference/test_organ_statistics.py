"""Volumes and mean intensities of organs, against the statistics that another program wrote of the same masks."""

import json

import pytest

from medseg.images import LabelKind
from medseg.inference.objects import measure_objects
from medseg.io import read_image, read_label_map


@pytest.mark.real_data
def test_volumes_and_mean_hu_of_all_organs_are_those_of_totalsegmentator(data_dir):
    folder = data_dir / "references" / "totalsegmentator" / "example_seg_fast"
    image = read_image(data_dir / "ct" / "totalseg_example_sm" / "image.nii.gz")
    for organ, wanted in json.loads((folder / "statistics.json").read_text()).items():
        rows = measure_objects(read_label_map(folder / f"{organ}.nii.gz", kind=LabelKind.INSTANCES), image=image)
        if not wanted["volume"]:
            assert rows == ()  # the other program writes 0 for what is not there
            continue
        assert rows[0].volume_mm3 == pytest.approx(wanted["volume"], abs=1e-6), organ
        assert rows[0].mean_intensity == pytest.approx(wanted["intensity"], abs=1e-5), organ
