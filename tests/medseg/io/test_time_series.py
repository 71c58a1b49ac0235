"""Time series: what tifffile and zarr wrote comes back frame by frame, and masks go the same way."""

import numpy as np
import pytest
import tifffile
import zarr

from medseg.errors import InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelKind, LabelMap, LabelTable
from medseg.io import read_image, write_image, write_label_map
from medseg.io.base import ReadRequest
from medseg.io.budget import Budget, within_budget
from medseg.io.ctc_frames import check_mask_folder, frame_folders, is_frame_name, write_ctc_masks
from medseg.io.dispatch import write_label_frames
from medseg.io.isolated import ReadingLimits, ReadingProcess
from medseg.io.read_frames import frames_of, read_time_series, time_series_at, time_series_in
from medseg.io.tiff import TiffReader
from medseg.io.time_series import FrameTimes, as_frames, frame_of, frame_times, seconds_in
from medseg.io.volumes import list_images, list_images_and_sequences
from medseg.verdicts import RefusedImageError

MOVIE = np.random.default_rng(0).integers(0, 999, (3, 5, 7)).astype(np.uint16)
PLAIN = ReadRequest()
LABELS = ReadRequest(as_labels=True)


def imagej(path):
    """0.5 um pixels, 90 s a frame."""
    metadata = {"axes": "TYX", "unit": "um", "finterval": 90.0}
    tifffile.imwrite(path, MOVIE, imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    return path


def ome(path, axes="TYX", array=MOVIE, **metadata):
    tifffile.imwrite(path, array, ome=True, photometric="minisblack", metadata={"axes": axes, **metadata})
    return path


def ome_zarr(path, array, names, units, scale):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=array)
    kinds = {"t": "time", "c": "channel"}
    axes = [
        {"name": name, "type": kinds.get(name, "space"), **({"unit": unit} if unit else {})}
        for name, unit in zip(names, units, strict=True)
    ]
    steps = [{"type": "scale", "scale": list(scale)}]
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return path


def ctc(folder, name="t{:03d}.tif", frames=MOVIE, start=0):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=start):
        tifffile.imwrite(folder / name.format(number), frame, photometric="minisblack")
    return folder


def test_an_imagej_stack_states_its_pixels_and_its_interval(tmp_path):
    path = imagej(tmp_path / "movie.tif")
    header = time_series_at(path)
    assert (header.shape, header.pixel_mm, header.times.interval_s) == ((3, 5, 7), (0.0005, 0.0005), 90.0)
    image = read_time_series(path, PLAIN)
    np.testing.assert_array_equal(image.array[0], MOVIE)
    assert frame_times(image.metadata) == FrameTimes((0, 1, 2), 90.0)
    assert (image.axes, image.spacing_mm[1:], image.metadata.spacing_is_known) == ("CZYX", (0.0005, 0.0005), True)
    assert image.metadata.notes == ()


def test_ome_tiff_states_its_own_unit_of_time_and_keeps_channels_apart(tmp_path):
    array = np.stack([MOVIE, MOVIE + 1], axis=1)
    stated = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "TimeIncrement": 2.0, "TimeIncrementUnit": "min"}
    image = read_time_series(ome(tmp_path / "a.ome.tif", "TCYX", array, **stated), PLAIN)
    np.testing.assert_array_equal(image.array, [MOVIE, MOVIE + 1])
    assert image.spacing_mm[1:] == (0.0005, 0.00025)
    assert frame_times(image.metadata).interval_s == 120.0


def test_what_is_not_stated_is_not_made_up(tmp_path):
    image = read_time_series(ome(tmp_path / "a.ome.tif"), PLAIN)
    assert not image.metadata.spacing_is_known
    assert frame_times(image.metadata).interval_s is None


def test_one_time_or_none_is_no_series_and_volumes_over_time_are_refused(tmp_path):
    assert time_series_at(ome(tmp_path / "z.ome.tif", "ZYX")) is None
    with pytest.raises(RefusedImageError, match="several points in time, got one"):
        read_time_series(tmp_path / "z.ome.tif", PLAIN)
    volumes = ome(tmp_path / "tz.ome.tif", "TZYX", np.stack([MOVIE, MOVIE]))
    with pytest.raises(RefusedImageError, match=r"volumes over time \(axes TZYX\)"):
        read_time_series(volumes, PLAIN)


@pytest.mark.parametrize("z", [False, True])
def test_an_ome_zarr_image_with_a_time_axis_is_a_series(tmp_path, z):
    names, units, scale = ("t", "y", "x"), ("millisecond", "micrometer", "micrometer"), (250.0, 0.5, 0.25)
    array = MOVIE
    if z:  # of one slice
        names, units, scale = ("t", "z", "y", "x"), (units[0], "micrometer", *units[1:]), (250.0, 9.0, 0.5, 0.25)
        array = MOVIE[:, None]
    path = ome_zarr(tmp_path / "movie.zarr", array, names, units, scale)
    header = time_series_at(path)
    assert (header.shape, header.times.interval_s) == ((3, 5, 7), 0.25)
    assert header.pixel_mm == pytest.approx((0.0005, 0.00025))
    image = read_time_series(path, PLAIN)
    np.testing.assert_array_equal(image.array[0], MOVIE)
    assert image.spacing_mm[1:] == pytest.approx((0.0005, 0.00025))


def test_the_sequences_of_a_data_set_are_found_by_their_names(tmp_path):
    ctc(tmp_path / "PSC" / "01")
    ctc(tmp_path / "PSC" / "01_GT" / "SEG", "man_seg{:03d}.tif", MOVIE[:2])
    ctc(tmp_path / "PSC" / "01_GT" / "TRA", "man_track{:03d}.tif")
    (tmp_path / "PSC" / "01_GT" / "TRA" / "man_track.txt").write_text("1 0 2 0\n")
    ctc(tmp_path / "PSC" / "01_RES", "mask{:03d}.tif")
    ctc(tmp_path / "PSC" / "others", "picture{:03d}.tif")
    found = time_series_in(tmp_path / "PSC")
    assert [(one.title, one.shape[0], one.is_mask) for one in found] == [
        ("01", 3, False),
        ("01 segmentation truth", 2, True),
        ("01 tracking truth", 3, True),
        ("01 masks", 3, True),
    ]


def test_frames_keep_the_numbers_of_their_files(tmp_path):
    folder = ctc(tmp_path / "01", start=7)
    (folder / "t008.tif").unlink()
    image = read_time_series(folder, PLAIN)
    assert frame_times(image.metadata).numbers == (7, 9)
    np.testing.assert_array_equal(image.array[0], MOVIE[[0, 2]])
    np.testing.assert_array_equal(frame_of(image, 1).array, read_image(folder / "t009.tif").array)
    assert not is_frame_name("t8.tif")


def test_frames_of_different_sizes_are_refused_by_their_number(tmp_path):
    folder = ctc(tmp_path / "01")
    tifffile.imwrite(folder / "t001.tif", MOVIE[0, :4])
    with pytest.raises(InputError, match="got 5 x 7 in 1 channel and, as frame 1, 4 x 7 in 1 channel"):
        read_time_series(folder, PLAIN)


def test_a_series_that_does_not_fit_into_memory_is_refused_before_it_is_read(tmp_path):
    folder = ctc(tmp_path / "01")
    with within_budget(Budget(3 * 5 * 7 * 2)), pytest.raises(RefusedImageError, match="memory"):
        read_time_series(folder, PLAIN)


def test_the_reading_child_gives_the_same(tmp_path):
    path = imagej(tmp_path / "movie.tif")
    with ReadingProcess(reader="medseg.io.read_frames:read_time_series") as child:
        image = child.read(path, PLAIN, limits=ReadingLimits())
    np.testing.assert_array_equal(image.array[0], MOVIE)
    assert frame_times(image.metadata) == FrameTimes((0, 1, 2), 90.0)


def masks(numbers=MOVIE % 4, times=None):
    frames = Image(
        numbers[None].astype(np.uint16), Affine(np.diag([1.0] * 4)[[2, 1, 0, 3]], frame=WorldFrame.RAS), "CZYX"
    )
    marked = as_frames(frames, times or FrameTimes((4, 5, 6), 90.0), pixel_mm=(0.0005, 0.00025))
    table = LabelTable.from_names(("background", "cell"))
    return LabelMap(marked.array[0], marked.affine, "ZYX", table, LabelKind.INSTANCES, marked.metadata)


def test_ctc_masks_hold_each_number_in_16_bits_under_the_number_of_the_frame(tmp_path):
    write_ctc_masks(masks(), tmp_path / "01_RES")
    files = sorted((tmp_path / "01_RES").iterdir())
    assert [file.name for file in files] == ["mask004.tif", "mask005.tif", "mask006.tif"]
    stored = [tifffile.imread(file) for file in files]
    assert {frame.dtype for frame in stored} == {np.dtype(np.uint16)}
    np.testing.assert_array_equal(stored, MOVIE % 4)
    again = read_time_series(tmp_path / "01_RES", LABELS)
    np.testing.assert_array_equal(again.array[0], MOVIE % 4)
    assert [one.kind for one in frame_folders(tmp_path)] == ["mask"]


def test_numbers_beyond_16_bits_and_masks_without_times_are_no_ctc_masks(tmp_path):
    wide = masks()
    wide = wide.replace(array=wide.array.astype(np.uint32) + 70_000)
    with pytest.raises(InputError, match=r"up to 65535, the largest here is 70003. Write .ome.tif"):
        write_ctc_masks(wide, tmp_path / "a")
    still = masks()
    still = LabelMap(still.array, still.affine, "ZYX", still.labels, LabelKind.INSTANCES)
    with pytest.raises(InputError, match="masks of a time series"):
        write_ctc_masks(still, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_ome_tiff_keeps_time_pixels_and_interval(tmp_path):
    path = tmp_path / "masks.ome.tif"
    write_label_map(masks(), path)
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "TYX"
    again = read_time_series(path, LABELS)
    np.testing.assert_array_equal(again.array[0], MOVIE % 4)
    assert again.spacing_mm[1:] == pytest.approx((0.0005, 0.00025))
    assert frame_times(again.metadata).interval_s == 90.0


def test_a_movie_of_two_channels_goes_through_ome_tiff(tmp_path):
    array = np.stack([MOVIE, MOVIE + 1], axis=1)
    image = read_time_series(ome(tmp_path / "a.ome.tif", "TCYX", array), PLAIN)
    write_image(image, tmp_path / "b.ome.tif")
    np.testing.assert_array_equal(read_time_series(tmp_path / "b.ome.tif", PLAIN).array, image.array)


def test_other_formats_would_make_slices_of_frames_and_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"cannot hold a time series.*Write .ome.tif"):
        write_label_map(masks(), tmp_path / "masks.nii.gz")


def test_units_of_time_are_seconds_or_nothing():
    assert seconds_in(2, "h") == 7200.0
    assert seconds_in("0.5", "ms") == 0.0005
    assert [seconds_in(*one) for one in ((0, "s"), (1, "pixel"), (None, "s"), (1, None))] == [None] * 4


def label_frames():
    """Four frames of two slices with the numbers of objects, 2 x 0.5 x 0.25 um, 90 s apart."""
    array = np.random.default_rng(1).integers(0, 300, (4, 2, 5, 7)).astype(np.uint32)
    affine = Affine([[0, 0, 0.00025, 1], [0, 0.0005, 0, 2], [0.002, 0, 0, 3], [0, 0, 0, 1]], frame=WorldFrame.RAS)
    table = LabelTable.from_names(("background", "cell"))
    like = LabelMap(array[0], affine, "ZYX", table, LabelKind.INSTANCES)
    return array, like, FrameTimes((0, 1, 2, 3), 90.0)


def test_label_maps_of_volumes_over_time_keep_all_axes_in_ome_tiff(tmp_path):
    array, like, times = label_frames()
    path = tmp_path / "masks.ome.tif"
    write_label_frames(array, path, like=like, times=times)
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "TZYX"
        assert tif.series[0].dtype == np.uint16
        np.testing.assert_array_equal(tif.asarray(), array)
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
    sizes = {letter: pixels[f"PhysicalSize{letter}"] for letter in "XYZ"}
    assert sizes == pytest.approx({"X": 0.00025, "Y": 0.0005, "Z": 0.002})
    assert (pixels["PhysicalSizeZUnit"], pixels["TimeIncrement"], pixels["TimeIncrementUnit"]) == ("mm", 90.0, "s")
    # Second frame, second slice.
    assert [pixels["Plane"][3][f"Position{letter}"] for letter in "XYZ"] == pytest.approx([1, 2, 3.002])


def test_label_maps_of_volumes_over_time_keep_all_axes_in_ome_zarr(tmp_path):
    array, like, times = label_frames()
    write_label_frames(array, tmp_path / "masks.ome.zarr", like=like, times=times)
    group = zarr.open_group(tmp_path / "masks.ome.zarr", mode="r")
    np.testing.assert_array_equal(group["0"][:], array)
    multiscale = group.attrs["multiscales"][0]
    units = {"t": "second", "z": "millimeter", "y": "millimeter", "x": "millimeter"}
    assert {axis["name"]: axis["unit"] for axis in multiscale["axes"]} == units
    scale, translation = multiscale["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == pytest.approx([90.0, 0.002, 0.0005, 0.00025])
    assert translation["translation"] == pytest.approx([0, 3, 2, 1])


def test_coarser_levels_of_a_series_have_all_frames(tmp_path):
    array = np.kron(np.arange(1, 7, dtype=np.uint8).reshape(3, 1, 2), np.ones((1, 4, 300), np.uint8))
    affine = Affine(np.eye(3)[[1, 0, 2]], frame=WorldFrame.RAS)
    like = LabelMap(array[0], affine, "YX", LabelTable.from_names(("background", "cell")), LabelKind.INSTANCES)
    write_label_frames(array, tmp_path / "masks.zarr", like=like, times=FrameTimes((0, 1, 2)))
    group = zarr.open_group(tmp_path / "masks.zarr", mode="r")
    np.testing.assert_array_equal(group["1"][:], array[:, ::2, ::2])
    assert group.attrs["multiscales"][0]["axes"][0] == {"name": "t", "type": "time"}  # no interval was stated


@pytest.mark.parametrize("name", ["masks.ome.tif", "masks.zarr"])
def test_volumes_over_time_come_back_one_by_one(tmp_path, name):
    array, like, times = label_frames()
    write_label_frames(array, tmp_path / name, like=like, times=times)
    header = time_series_at(tmp_path / name, LABELS)
    assert (header.is_of_volumes, header.times, header.frame.shape) == (True, times, (1, 2, 5, 7))
    frames = list(frames_of(header, LABELS))
    np.testing.assert_array_equal([frame.array[0] for frame in frames], array)
    for frame in frames:
        np.testing.assert_allclose(frame.affine.matrix, like.affine.matrix)


def test_a_format_without_an_axis_of_time_is_refused(tmp_path):
    array, like, times = label_frames()
    for name in ("masks.nii.gz", "masks.dcm", "masks.png"):
        with pytest.raises(InputError, match=r"cannot hold a time series.*Write .ome.tif or .ome.zarr"):
            write_label_frames(array, tmp_path / name, like=like, times=times)
    assert list(tmp_path.iterdir()) == []


def test_axes_that_the_user_gives_decide_between_times_and_slices(tmp_path):
    path = tmp_path / "unnamed.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in [*MOVIE, MOVIE[0]]:
            tif.write(frame, photometric="minisblack", metadata=None)
    assert time_series_at(path) is None
    assert read_image(path).axes == "CZYX"
    header = time_series_at(path, ReadRequest(axes="TYX"))
    assert header.shape == (4, 5, 7)
    frames = list(frames_of(header, ReadRequest(axes="TYX")))
    np.testing.assert_array_equal([frame.array[0] for frame in frames], [*MOVIE, MOVIE[0]])
    with pytest.raises(RefusedImageError, match=r"one point in time, got 4 \(axes TYX\)"):
        read_image(path, axes="TYX")
    # What the file calls time may be slices in truth.
    assert time_series_at(ome(tmp_path / "a.ome.tif"), ReadRequest(axes="ZYX")) is None


def test_one_point_in_time_is_read_alone(tmp_path):
    array = np.stack([MOVIE, MOVIE + 1, MOVIE + 2, MOVIE + 3])  # 4 times of 3 slices
    path = ome(tmp_path / "a.ome.tif", "TZYX", array)
    page = 5 * 7 * 2
    with within_budget(Budget(2 * 3 * page)):
        image = TiffReader().read(path, ReadRequest(time=2))
        one = TiffReader().read(path, ReadRequest(time=3, slice_index=1))
    np.testing.assert_array_equal(image.array[0], MOVIE + 2)
    np.testing.assert_array_equal(one.array[0], MOVIE[1] + 3)
    with pytest.raises(InputError, match="a point in time between 0 and 3, got 4"):
        TiffReader().read(path, ReadRequest(time=4))


def test_frames_that_are_volumes_are_a_sequence_too(tmp_path):
    folder = ctc(tmp_path / "01", frames=np.stack([MOVIE[[0, 1, 2, 0]], MOVIE[[2, 1, 0, 2]]]))
    header = time_series_at(folder)
    assert (header.is_of_volumes, header.frame.shape) == (True, (1, 4, 5, 7))
    np.testing.assert_array_equal([frame.array[0, 0] for frame in frames_of(header)], MOVIE[[0, 2]])


def test_masks_are_not_put_among_those_of_another_result(tmp_path):
    times = FrameTimes((4, 5))
    check_mask_folder(tmp_path / "missing", times)
    folder = ctc(tmp_path / "01_RES", "mask{:03d}.tif", MOVIE[:2], start=4)
    check_mask_folder(folder, times)  # the same frames once more
    (folder / "res_track.txt").write_text("1 4 5 0\n")
    with pytest.raises(InputError, match=r"it holds res_track.txt\. Move that"):
        check_mask_folder(folder, times)
    with pytest.raises(InputError, match=r"it holds mask005.tif"):
        check_mask_folder(folder, FrameTimes((4, 6)))


def test_a_frame_that_is_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = ctc(tmp_path / "01")
    (folder / "t003.tif").symlink_to(ome(tmp_path / "other.tif"))
    (folder / "t004.tif").symlink_to(folder / "t000.tif")
    assert frame_times(read_time_series(folder, PLAIN).metadata).numbers == (0, 1, 2, 4)


def test_a_data_set_is_listed_by_its_sequences_without_their_masks(tmp_path):
    ctc(tmp_path / "01")
    ctc(tmp_path / "01_GT" / "SEG", "man_seg{:03d}.tif")
    tifffile.imwrite(tmp_path / "overview.tif", MOVIE[0])
    found = list_images_and_sequences(tmp_path)
    assert [(image.name, image.is_sequence, len(image.files)) for image in found] == [
        ("01", True, 3),
        ("overview", False, 0),
    ]
    assert len(list_images(tmp_path)) == 7
    assert len(list_images_and_sequences(tmp_path / "01_GT")) == 3  # masks alone are images like any other


@pytest.mark.real_data
def test_a_sequence_of_the_challenge_is_120_frames_with_two_kinds_of_truth(data_dir):
    folder = data_dir / "ctc" / "PhC-C2DL-PSC"
    images, segmentation, tracks = time_series_in(folder)
    assert (images.title, images.shape, images.pixel_mm) == ("01", (120, 576, 720), None)
    assert (segmentation.is_mask, tracks.is_mask) == (True, True)
    image = read_time_series(images.path, PLAIN)
    np.testing.assert_array_equal(image.array[0, 77], tifffile.imread(folder / "01" / "t077.tif"))
