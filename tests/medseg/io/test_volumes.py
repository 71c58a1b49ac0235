"""The images in a folder one by one: files, and each volume of each DICOM series."""

from __future__ import annotations

import numpy as np
import pytest
from support.ramp import ramp_error, ramp_series

from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image
from medseg.io import list_images, read_image, write_image

SECOND = "1.2.826.0.1.3680043.8.498.9.9"


@pytest.fixture
def mixed(tmp_path):
    """A picture, a folder with one series, and a folder with two."""
    ramp_series().write(tmp_path / "a")
    ramp_series().write(tmp_path / "b")
    ramp_series("coronal", series_uid=SECOND).write(tmp_path / "other")
    for file in sorted((tmp_path / "other").iterdir()):
        file.rename(tmp_path / "b" / f"second_{file.name}")
    return tmp_path


def test_each_series_of_a_folder_is_an_image_of_its_own(mixed):
    images = list_images(mixed / "b")
    assert [image.path for image in images] == [mixed / "b"] * 2
    assert len({image.series_uid for image in images}) == 2
    assert all(image.shares_folder for image in images)


def test_each_image_listed_can_be_read_by_its_key(mixed):
    for image in list_images(mixed / "b"):
        assert ramp_error(read_image(image.path, series_uid=image.series_uid)) <= 0.5


def test_a_folder_of_no_images_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="expected image files or DICOM series"):
        list_images(tmp_path)


def test_files_and_series_stand_side_by_side(tmp_path):
    ramp_series().write(tmp_path / "ct")
    picture = Image(np.zeros((1, 4, 5), np.uint8), Affine.from_spacing((1, 1), frame=WorldFrame.RAS), axes="CYX")
    write_image(picture, tmp_path / "picture.png")
    images = list_images(tmp_path)
    assert [image.path for image in images] == [tmp_path / "ct", tmp_path / "picture.png"]
    assert images[0].files == tuple(sorted((tmp_path / "ct").iterdir()))
    assert not images[0].shares_folder
    assert images[1].series_uid is None
