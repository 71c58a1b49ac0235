"""Every image of a folder is a case with a name of its own."""

from pathlib import Path

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
