"""Every image of a folder is a case with a name of its own."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from medseg_workflows.manifest import content_hash, find_cases
from PIL import Image

import medseg


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 3)).save(path)


def test_cases_are_named_by_their_path_below_the_folder(tmp_path):
    _picture(tmp_path / "day1" / "a.png")
    _picture(tmp_path / "b.png")
    assert [job.case_id for job in find_cases(tmp_path)] == ["b", "day1__a"]


def test_files_that_differ_in_their_suffix_only_keep_it(tmp_path):
    _picture(tmp_path / "a.png")
    _picture(tmp_path / "a.tif")
    assert [job.case_id for job in find_cases(tmp_path)] == ["a.png", "a.tif"]


def test_a_folder_that_is_one_image_is_named_without_its_suffix(tmp_path):
    _picture(tmp_path / "a.png")
    medseg.write_image(medseg.read_image(tmp_path / "a.png"), tmp_path / "in" / "b.ome.zarr")
    assert [job.case_id for job in find_cases(tmp_path / "in")] == ["b"]


def test_a_single_file_is_one_case(tmp_path):
    _picture(tmp_path / "a.png")
    assert [job.case_id for job in find_cases(tmp_path / "a.png")] == ["a"]


def test_the_hash_of_a_folder_changes_with_a_name_and_with_a_byte(tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    (series / "1").write_bytes(b"x")
    first = content_hash(series)
    (series / "1").rename(series / "2")
    renamed = content_hash(series)
    (series / "2").write_bytes(b"y")
    assert len({first, renamed, content_hash(series)}) == 3


def test_the_hash_of_a_case_changes_with_the_numbers_beside_its_header(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 3), np.uint8)), str(tmp_path / "a.mhd"))
    (job,) = find_cases(tmp_path)
    before = job.content_hash
    (tmp_path / "a.raw").write_bytes(bytes([0, 0, 0, 0, 0, 1]))
    assert job.content_hash != before
    assert job.series_uid is None
