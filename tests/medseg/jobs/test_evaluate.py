"""The report of an evaluation shows the worst cases with their images."""

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from medseg.errors import GeometryError, InputError
from medseg.evaluation import evaluate
from medseg.jobs.evaluate import MOST_PICTURES, report_evaluation


def _write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.asarray(array, dtype=np.uint8)).save(path)
    return path


def _square(start):
    mask = np.zeros((24, 32), np.uint8)
    mask[start : start + 8, 8:20] = 1
    return mask


@pytest.fixture
def folders(tmp_path):
    """Two cases: `far` is missed by more than `near`."""
    for name, start in {"near": 9, "far": 14}.items():
        _write(tmp_path / "truth" / f"{name}.png", _square(8))
        _write(tmp_path / "masks" / f"{name}.png", _square(start))
        _write(tmp_path / "images" / f"{name}.png", 200 * _square(8) + 20)
    return {"prediction": tmp_path / "masks", "reference": tmp_path / "truth"}


def _report(folders, tmp_path, **more):
    return report_evaluation(evaluate(**folders), tmp_path / "report.html", **folders, **more).read_text()


def test_every_case_has_its_picture_and_the_worst_comes_first(folders, tmp_path):
    text = _report(folders, tmp_path, images=tmp_path / "images")
    assert text.count("data:image/") == 2
    assert text.index("<h3>far</h3>") < text.index("<h3>near</h3>")


def test_without_images_the_masks_are_drawn_alone(folders, tmp_path):
    assert _report(folders, tmp_path).count("data:image/") == 2


def test_a_case_without_an_image_is_drawn_without(folders, tmp_path):
    (tmp_path / "images" / "near.png").unlink()
    assert _report(folders, tmp_path, images=tmp_path / "images").count("data:image/") == 2


def test_images_of_other_names_are_refused(folders, tmp_path):
    _write(tmp_path / "other" / "patient_1.png", _square(8))
    with pytest.raises(InputError, match=r"no image is called like a case \(far, ...\), found patient_1"):
        _report(folders, tmp_path, images=tmp_path / "other")


def test_an_image_of_another_size_is_refused_and_no_page_is_left(folders, tmp_path):
    _write(tmp_path / "images" / "far.png", np.zeros((10, 10)))
    with pytest.raises(GeometryError, match=r"expected the image's size \(10, 10\), got \(24, 32\)"):
        _report(folders, tmp_path, images=tmp_path / "images")
    assert not (tmp_path / "report.html").exists()


def test_only_the_worst_cases_of_many_have_a_picture(tmp_path):
    for number in range(MOST_PICTURES + 3):
        _write(tmp_path / "truth" / f"{number:02d}.png", _square(8))
        _write(tmp_path / "masks" / f"{number:02d}.png", _square(8 if number < 3 else 10))
    folders = {"prediction": tmp_path / "masks", "reference": tmp_path / "truth"}
    text = _report(folders, tmp_path)
    assert text.count("data:image/") == MOST_PICTURES
    assert "No picture of: 00, 01, 02." in text


def test_slices_of_a_membrane_stack_are_shown_over_their_own_slice_of_the_image(tmp_path):
    stack = np.zeros((3, 16, 20), np.uint8)
    stack[:, 8, :] = 1
    stack[:, :, 10] = 1
    for name, array in {"truth": stack, "masks": stack, "image": stack * 90}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", array, photometric="minisblack", metadata={"axes": "ZYX"})
    paths = {"prediction": tmp_path / "masks.tif", "reference": tmp_path / "truth.tif"}
    evaluation = evaluate(**paths, task="isbi2012", slices="1-2")
    page = report_evaluation(evaluation, tmp_path / "r.html", **paths, images=tmp_path / "image.tif").read_text()
    assert page.count("data:image/") == 2
    assert "<h3>slice_02</h3>" in page
