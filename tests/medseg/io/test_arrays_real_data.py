"""All TIFF, PNG and JPEG files of the real data, compared with tifffile and pillow read directly."""

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from medseg.images import LabelKind
from medseg.io import read_image, read_label_map
from medseg.io.ome_zarr_writer import write_ome_zarr

pytestmark = pytest.mark.real_data


def codes(item):
    return {verdict.code for verdict in item.metadata.verdicts}


@pytest.mark.parametrize("name", ["train-volume", "train-labels", "test-volume"])
def test_isbi_stacks_are_those_of_tifffile(data_dir, name):
    path = data_dir / "isbi2012" / f"{name}.tif"
    image = read_image(path)
    np.testing.assert_array_equal(image.array[0], tifffile.imread(path))
    assert codes(image) <= {"unnamed-axis"}


@pytest.mark.parametrize("part", ["01/t*.tif", "01_GT/SEG/*.tif", "01_GT/TRA/*.tif"])
def test_frames_of_the_cell_tracking_challenge_are_those_of_tifffile(data_dir, part):
    paths = sorted((data_dir / "ctc" / "PhC-C2DL-PSC").glob(part))
    assert len(paths) >= 100
    for path in paths[::15]:
        image = read_image(path)
        np.testing.assert_array_equal(image.array[0], tifffile.imread(path))
        assert not codes(image), path.name


def test_nuclei_pictures_are_those_of_pillow_without_their_alpha(data_dir):
    folder = data_dir / "dsb2018" / "train"
    for path in sorted((folder / "images").glob("*.png"))[::20]:
        with Pillow.open(path) as picture:
            theirs = np.asarray(picture)
        image = read_image(path)
        np.testing.assert_array_equal(image.array, theirs[..., :3].transpose(2, 0, 1))
        assert codes(image) <= {"alpha-dropped"}
        mask = read_label_map(folder / "masks" / f"{path.stem}.tif", kind=LabelKind.INSTANCES)
        np.testing.assert_array_equal(mask.array, tifffile.imread(folder / "masks" / f"{path.stem}.tif"))


@pytest.mark.parametrize("name", ["img2d.tif", "img3d.tif", "mask2d.tif", "mask3d.tif"])
def test_stardist_samples_are_those_of_tifffile_and_survive_ome_zarr(data_dir, tmp_path, name):
    image = read_image(data_dir / "stardist_samples" / name)
    stored = tifffile.imread(data_dir / "stardist_samples" / name)
    np.testing.assert_array_equal(image.array[0], stored)
    write_ome_zarr(image, tmp_path / "a.ome.zarr", version="0.5")
    np.testing.assert_array_equal(read_image(tmp_path / "a.ome.zarr").array[0], stored)


def test_a_jpeg_is_that_of_pillow(data_dir):
    path = data_dir / "stardist_samples" / "histo.jpg"
    with Pillow.open(path) as picture:
        theirs = np.asarray(picture)
    np.testing.assert_array_equal(read_image(path).array, theirs.transpose(2, 0, 1))
