"""`medseg predict` of time series: the masks of a film are those of its frames, whatever the film is kept in."""

import csv

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as PillowImage

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata
from medseg.inference import find_model, load_model
from medseg.io.base import ReadRequest
from medseg.io.read_frames import time_series_at
from medseg.jobs.predict_time_series import SeriesTargets, predict_time_series

MODEL = "nuclei"
NUMBERS = (7, 8, 12)
TIFF_SIZES = {"PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65, "TimeIncrement": 10.0, "TimeIncrementUnit": "min"}


def discs(*centres):
    """Bright discs of 9 pixels' radius on dark noise, (64, 80)."""
    rows, columns = np.ogrid[:64, :80]
    picture = np.random.default_rng(0).normal(12, 2, (64, 80))
    for row, column in centres:
        picture[(rows - row) ** 2 + (columns - column) ** 2 < 81] += 90
    return np.clip(picture, 0, 255).astype(np.uint8)


FILM = np.stack([discs((16, 18)), discs((18, 20), (44, 60)), discs((20, 22), (44, 58), (46, 20))])


@pytest.fixture(scope="module")
def pictures():
    """The masks of the frames, predicted as pictures in memory."""
    model = load_model(MODEL, device="cpu")
    affine = Affine(np.eye(3)[[1, 0, 2]], frame=WorldFrame.RAS)
    images = [Image(frame[None], affine, "CYX", ImageMetadata(spacing_is_known=False)) for frame in FILM]
    masks = np.stack([model.predict(image).label_map.array for image in images])
    assert [len(np.unique(mask)) - 1 for mask in masks] == [1, 2, 3]  # the discs are found
    return masks


@pytest.fixture
def predict(medseg_command):
    def run(*words):
        return medseg_command("predict", MODEL, *words, "--device", "cpu")

    return run


def ctc(folder):
    folder.mkdir(parents=True)
    for number, frame in zip(NUMBERS, FILM, strict=True):
        tifffile.imwrite(folder / f"t{number:03d}.tif", frame)
    return folder


def ome(path, axes="TYX", array=FILM, **metadata):
    tifffile.imwrite(path, array, ome=True, photometric="minisblack", metadata={"axes": axes, **metadata})
    return path


def ome_zarr(path):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=FILM)
    axes = [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    steps = [{"type": "scale", "scale": [10.0, 0.65, 0.65]}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return path


def read_masks(folder):
    return np.stack([tifffile.imread(folder / f"mask{number:03d}.tif") for number in NUMBERS])


def test_a_sequence_of_the_challenge_becomes_masks_under_the_numbers_of_its_frames(predict, pictures, tmp_path):
    results = ("--objects", tmp_path / "objects.csv", "--overlay", tmp_path / "look.png")
    outcome = predict(ctc(tmp_path / "01"), "--output", tmp_path / "01_RES", *results)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{tmp_path / '01_RES'}  (3 frames, 6 x nucleus)\n"
    masks = read_masks(tmp_path / "01_RES")
    assert masks.dtype == np.uint16
    np.testing.assert_array_equal(masks, pictures)
    assert sorted(path.name for path in (tmp_path / "01_RES").iterdir()) == [f"mask{n:03d}.tif" for n in NUMBERS]
    rows = list(csv.DictReader((tmp_path / "objects.csv").read_text().splitlines()))
    assert [(row["frame"], row["object_id"]) for row in rows] == [
        ("7", "1"), ("8", "1"), ("8", "2"), ("12", "1"), ("12", "2"), ("12", "3"),
    ]  # fmt: skip
    sizes = [size for mask in masks for size in np.bincount(mask.ravel())[1:].tolist()]
    assert [int(row["voxels"]) for row in rows] == sizes
    with PillowImage.open(tmp_path / "look.png") as picture:
        assert picture.format == "PNG"


def test_a_film_keeps_its_axis_of_time_its_pixels_and_its_interval(predict, pictures, tmp_path):
    film = ome(tmp_path / "film.ome.tif", **TIFF_SIZES)
    assert predict(film, "--output", tmp_path / "masks.ome.tif").code == 0
    with tifffile.TiffFile(tmp_path / "masks.ome.tif") as tif:
        assert tif.series[0].axes == "TYX"
        np.testing.assert_array_equal(tif.asarray(), pictures)
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (pytest.approx(0.00065), "mm")
    assert (pixels["TimeIncrement"], pixels["TimeIncrementUnit"]) == (600.0, "s")


def test_an_ome_zarr_film_is_written_like_itself_or_as_ome_tiff(predict, pictures, tmp_path):
    film = ome_zarr(tmp_path / "film.ome.zarr")
    assert predict(film, "--output", tmp_path / "out").code == 0
    group = zarr.open_group(tmp_path / "out" / "film.ome.zarr", mode="r")
    np.testing.assert_array_equal(group["0"][:], pictures)
    multiscale = group.attrs["multiscales"][0]
    assert [axis["name"] for axis in multiscale["axes"]] == ["t", "y", "x"]
    scale = multiscale["datasets"][0]["coordinateTransformations"][0]["scale"]
    assert scale == pytest.approx([600.0, 0.00065, 0.00065])
    assert predict(film, "--output", tmp_path / "masks.tif").code == 0
    with tifffile.TiffFile(tmp_path / "masks.tif") as tif:
        assert tif.series[0].axes == "TYX"
        np.testing.assert_array_equal(tif.asarray(), pictures)


def test_volumes_over_time_are_volumes_one_by_one(predict, pictures, tmp_path):
    slices = np.stack([FILM, FILM[::-1]], axis=1)  # three times of two slices
    film = ome(tmp_path / "film.ome.tif", "TZYX", slices, PhysicalSizeZ=2.0, **TIFF_SIZES)
    assert predict(film, "--output", tmp_path / "masks.ome.tif").code == 0
    with tifffile.TiffFile(tmp_path / "masks.ome.tif") as tif:
        assert tif.series[0].axes == "TZYX"
        masks = tif.asarray()
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    assert pixels["PhysicalSizeZ"] == pytest.approx(0.002)
    np.testing.assert_array_equal(masks > 0, np.stack([pictures, pictures[::-1]], axis=1) > 0)
    np.testing.assert_array_equal(masks.max(axis=(1, 2, 3)), [4, 4, 4])  # 1 + 3, 2 + 2, 3 + 1 objects


def test_axes_decide_where_the_file_does_not_say(predict, pictures, tmp_path):
    tifffile.imwrite(tmp_path / "unnamed.tif", FILM, photometric="minisblack", metadata=None)
    for axes, expected in (("TYX", "TYX"), ("ZYX", "ZYX")):
        target = tmp_path / f"{axes}.tif"
        assert predict(tmp_path / "unnamed.tif", "--axes", axes, "--output", target).code == 0
        with tifffile.TiffFile(target) as tif:
            assert tif.series[0].axes == expected
            np.testing.assert_array_equal(tif.asarray() > 0, pictures > 0)


def test_several_sequences_go_to_folders_of_their_names(predict, pictures, tmp_path):
    for name in ("01", "02"):
        ctc(tmp_path / "data" / name)
    assert predict(tmp_path / "data", "--output", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["01_RES", "02_RES"]
    np.testing.assert_array_equal(read_masks(tmp_path / "out" / "02_RES"), pictures)


def test_a_sequence_in_one_file_loses_the_numbers_of_its_frames_and_says_so(predict, pictures, tmp_path):
    outcome = predict(ctc(tmp_path / "01"), "--output", tmp_path / "masks.ome.tif")
    assert "note: the numbers of the frames, 7 to 12, are not kept in masks.ome.tif" in outcome.err
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "masks.ome.tif"), pictures)


def test_what_a_film_cannot_become_is_one_line(predict, medseg_command, tmp_path):
    film, folder = ome(tmp_path / "film.ome.tif"), ctc(tmp_path / "01")
    target = tmp_path / "masks.ome.tif"
    for words, expected in {
        (film, "--output", tmp_path / "masks.png"): "cannot hold a time series",
        (folder, "--output", tmp_path / "masks.nii.gz"): "cannot hold a time series",
        (film, "--output", target, "--probabilities", tmp_path / "p.tif"): "--probabilities takes one picture",
        (film, "--output", target, "--objects", tmp_path / "o.json"): "Write .csv",
        (film, "--output", target, "--level", 1): "a level selects a resolution of an OME-Zarr image",
        (folder, "--output", folder): "over the image itself",
    }.items():
        outcome = predict(*words)
        assert (outcome.code, expected in outcome.err, len(outcome.err.splitlines())) == (2, True, 1), outcome.err
    refused = medseg_command("predict", "ct-phantom-lesions", film, "--output", target)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "takes volumes, got a time series of pictures (axes TYX). Use a 2-D model" in refused.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01", "film.ome.tif"]


class _Stop(BaseException):
    """As what the handler of Ctrl-C raises: no error that anything catches."""


def _stopping_at(share):
    def progress(fraction):
        if fraction > share:
            raise _Stop

    return progress


def test_a_stopped_sequence_keeps_its_finished_masks_and_a_stopped_film_nothing(tmp_path):
    model = load_model(find_model(MODEL), device="cpu")
    request = ReadRequest()
    sequence = time_series_at(ctc(tmp_path / "01"))
    with pytest.raises(_Stop):
        predict_time_series(
            model,
            sequence,
            SeriesTargets(tmp_path / "01_RES", as_ctc=True),
            request=request,
            progress=_stopping_at(0.4),
        )
    assert [path.name for path in (tmp_path / "01_RES").iterdir()] == ["mask007.tif"]
    film = time_series_at(ome(tmp_path / "film.ome.tif"))
    (tmp_path / "out").mkdir()
    targets = SeriesTargets(tmp_path / "out" / "masks.ome.tif")
    with pytest.raises(_Stop):
        predict_time_series(model, film, targets, request=request, progress=_stopping_at(0.9))
    assert list((tmp_path / "out").iterdir()) == []


def test_the_progress_counts_frames(tmp_path, capsys, monkeypatch):
    from medseg.cli import output

    monkeypatch.setattr(output, "SECONDS_BETWEEN_LINES", -1.0)
    with output.progress("film", num_frames=3) as update:
        for fraction in (0.1, 0.5, 1.0):
            update(fraction)
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == [
        "film, frame 1 of 3",
        "film, frame 2 of 3",
        "film, frame 3 of 3",
    ]


def test_info_says_of_a_film_how_many_points_in_time_it_holds(medseg_command, tmp_path):
    ctc(tmp_path / "01")
    ome(tmp_path / "film.ome.tif", **TIFF_SIZES)
    lines = medseg_command("info", tmp_path).out.splitlines()
    assert lines[1].split() == ["01", "ctc", "1", "x", "3", "x", "64", "x", "80", "CTYX", "-", "-", "-", "ok"]
    assert lines[2] == "    3 points in time"
    assert lines[3].split()[:10] == ["film.ome.tif", "tiff", "1", "x", "3", "x", "64", "x", "80", "CTYX"]
    assert lines[4] == "    3 points in time, 10 min apart"
    assert lines[-1] == "2 images, 2 ok, 0 refused"
