import numpy as np
import pytest
import tifffile

from medseg.errors import ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.io import read_image, read_label_map, write_label_map
from medseg.io.base import ReadRequest
from medseg.io.budget import Budget, within_budget
from medseg.io.tiff import TiffReader
from medseg.verdicts import RefusedImageError

STACK = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)


def saved(path, array=STACK, **how):
    tifffile.imwrite(path, array, **{"photometric": "minisblack", **how})
    return path


def test_grey_pages_without_names_are_slices_with_a_note(tmp_path):
    image = read_image(saved(tmp_path / "a.tif"))
    assert image.axes == "CZYX"
    np.testing.assert_array_equal(image.array[0], STACK)
    assert not image.metadata.spacing_is_known
    assert any("taken as the slices of a stack" in note for note in image.metadata.notes)


def test_pages_without_any_metadata_are_slices_too(tmp_path):
    image = read_image(saved(tmp_path / "a.tif", metadata=None))
    assert (image.axes, image.array.shape) == ("CZYX", (1, 4, 6, 8))


def test_axes_that_the_file_names_are_used_as_they_are(tmp_path):
    array = np.arange(2 * 3 * 6 * 8, dtype=np.uint8).reshape(3, 2, 6, 8)
    image = read_image(saved(tmp_path / "a.ome.tif", array, metadata={"axes": "ZCYX"}))
    assert (image.axes, image.array.shape) == ("CZYX", (2, 3, 6, 8))
    np.testing.assert_array_equal(image.array[1, 2], array[2, 1])
    assert image.metadata.notes == ()


@pytest.mark.parametrize(("unit", "size", "mm"), [("µm", 0.5, 5e-4), ("nm", 4.0, 4e-6), ("mm", 0.7, 0.7)])
def test_ome_sizes_are_converted_to_mm(tmp_path, unit, size, mm):
    meta = {"axes": "ZYX", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit, "PhysicalSizeY": 2 * size,
            "PhysicalSizeYUnit": unit, "PhysicalSizeZ": 5 * size, "PhysicalSizeZUnit": unit}  # fmt: skip
    image = read_image(saved(tmp_path / "a.ome.tif", metadata=meta))
    assert image.spacing_mm == pytest.approx((5 * mm, 2 * mm, mm))
    assert image.metadata.spacing_is_known
    # axes z, y, x run along the world's z, y, x: voxel (1, 2, 3) lies at x = 3, y = 2, z = 1 steps
    np.testing.assert_allclose(image.affine.apply([1, 2, 3]), (3 * mm, 4 * mm, 5 * mm), rtol=1e-9)


def test_ome_without_a_unit_is_in_micrometres(tmp_path):
    meta = {"axes": "YX", "PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65}
    assert read_image(saved(tmp_path / "a.ome.tif", STACK[0], metadata=meta)).spacing_mm == pytest.approx(
        (6.5e-4, 6.5e-4)
    )


def test_a_stage_position_of_another_program_is_not_believed(tmp_path):
    meta = {
        "axes": "YX",
        "PhysicalSizeX": 1.0,
        "PhysicalSizeY": 1.0,
        "Plane": {"PositionX": [55.0], "PositionY": [7.0]},
    }
    assert read_image(saved(tmp_path / "a.ome.tif", STACK[0], metadata=meta)).affine.origin_mm == (0.0, 0.0)


def test_a_size_along_one_axis_only_leaves_the_size_unknown(tmp_path):
    image = read_image(
        saved(tmp_path / "a.ome.tif", metadata={"axes": "ZYX", "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0})
    )
    assert not image.metadata.spacing_is_known
    assert image.spacing_mm == (1.0, 1.0, 1.0)
    assert any("no voxel size along Z" in note for note in image.metadata.notes)


@pytest.mark.parametrize("size", [0.0, -1.0])
def test_an_ome_size_that_is_none_is_refused(tmp_path, size):
    meta = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": 1.0}
    with pytest.raises(ImageFormatError, match="expected a positive voxel size, got PhysicalSizeX"):
        read_image(saved(tmp_path / "a.ome.tif", STACK[0], metadata=meta))


def test_imagej_sizes_are_converted_to_mm(tmp_path):
    path = saved(
        tmp_path / "a.tif", imagej=True, resolution=(2.0, 4.0), metadata={"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    )
    image = read_image(path)
    # 2 pixels a micrometre along x, 4 along y, slices 3 micrometres apart
    assert image.spacing_mm == pytest.approx((3e-3, 0.25e-3, 0.5e-3))


def test_imagej_without_a_unit_has_no_known_size(tmp_path):
    image = read_image(saved(tmp_path / "a.tif", imagej=True, metadata={"axes": "ZYX"}))
    assert not image.metadata.spacing_is_known


def test_the_print_size_of_a_plain_tiff_is_no_voxel_size(tmp_path):
    image = read_image(saved(tmp_path / "a.tif", STACK[0], resolution=(300, 300), resolutionunit="INCH"))
    assert not image.metadata.spacing_is_known
    assert image.spacing_mm == (1.0, 1.0)


def test_points_in_time_are_refused_unless_called_slices(tmp_path):
    path = saved(tmp_path / "a.tif", imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(ImageFormatError, match=r"expected one point in time, got 4 \(axes TYX\)"):
        read_image(path)
    assert read_image(path, axes="ZYX").array.shape == (1, 4, 6, 8)


def test_unknown_axes_ask_for_axes(tmp_path):
    array = np.zeros((2, 3, 6, 8), np.uint8)
    path = saved(tmp_path / "a.tif", array)
    with pytest.raises(ImageFormatError, match=r"does not say what its axes are \(shape \(2, 3, 6, 8\).*Give --axes"):
        read_image(path)
    assert read_image(path, axes="ZCYX").array.shape == (3, 2, 6, 8)


def test_a_volume_in_one_page_asks_for_axes(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((6, 8, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    try:
        image = read_image(path)
    except ImageFormatError as error:
        assert "Give --axes" in str(error)  # noqa: PT017 - either answer is right, a stack of 6 slices is not
    else:
        assert image.array.shape == (5, 6, 8)


@pytest.mark.parametrize("axes", ["ZY", "QYX", "ZYXC", "ZZX", "CZT"])
def test_axes_that_do_not_fit_are_refused(tmp_path, axes):
    with pytest.raises(InputError, match=r"expected --axes with 3 different letters from C, Z, Y, X"):
        read_image(saved(tmp_path / "a.tif"), axes=axes)


def test_colour_pages_become_channels(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, rgb.transpose(2, 0, 1))


def test_opaque_alpha_is_dropped_and_another_refused(tmp_path):
    rgba = np.full((6, 8, 4), 255, np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    image = read_image(tmp_path / "a.tif")
    assert image.num_channels == 3
    assert any("alpha" in note for note in image.metadata.notes)
    rgba[0, 0, 3] = 0
    tifffile.imwrite(tmp_path / "b.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(ImageFormatError, match="expected an opaque picture"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize(
    "how", [{"compression": "lzw"}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}, {"byteorder": ">"}]
)
def test_encodings_do_not_matter(tmp_path, how):
    image = read_image(saved(tmp_path / "a.tif", **how))
    np.testing.assert_array_equal(image.array[0], STACK)
    assert image.array.dtype == np.uint16
    assert image.array.dtype.isnative


def test_several_images_in_one_file_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(STACK[0], photometric="minisblack")
        tif.write(STACK[0, :3, :3], photometric="minisblack")
    with pytest.raises(ImageFormatError, match=r"expected one image, got 2 of different kinds \(6x8, 3x3\)"):
        read_image(tmp_path / "a.tif")


def test_a_cut_stack_is_refused_not_shortened(tmp_path):
    path = saved(tmp_path / "a.tif", np.tile(STACK, (5, 8, 8)), metadata=None, compression="zlib")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageFormatError, match=r"a\.tif"):
        read_image(path)


def test_inverted_greys_are_kept_with_a_note(tmp_path):
    image = read_image(saved(tmp_path / "a.tif", STACK[0], photometric="miniswhite"))
    np.testing.assert_array_equal(image.array[0], STACK[0])
    assert any("low values bright" in note for note in image.metadata.notes)


@pytest.mark.parametrize(
    "how", [{}, {"compression": "zlib"}, {"imagej": True, "metadata": {"axes": "ZYX"}}, {"metadata": None}]
)
def test_one_slice_equals_that_of_the_whole_stack(tmp_path, how):
    path = saved(tmp_path / "a.tif", **how)
    whole = read_image(path)
    flat = TiffReader().read(path, ReadRequest(slice_index=2))
    assert (flat.axes, flat.affine.ndim) == ("CYX", 2)
    np.testing.assert_array_equal(flat.array, whole.array[:, 2])
    assert flat.metadata.extra["slice_index"] == 2


def test_one_slice_of_channels_takes_all_channels(tmp_path):
    array = np.arange(2 * 3 * 6 * 8, dtype=np.uint16).reshape(3, 2, 6, 8)
    path = saved(tmp_path / "a.ome.tif", array, metadata={"axes": "ZCYX"})
    flat = TiffReader().read(path, ReadRequest(slice_index=1))
    np.testing.assert_array_equal(flat.array, array[1])


def test_one_slice_decodes_only_its_pages(tmp_path):
    path = saved(tmp_path / "a.tif", compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages[0].dataoffsets[0]
    data = bytearray(path.read_bytes())
    data[offset : offset + 4] = b"\xff\xff\xff\xff"  # the first slice cannot be decoded any more
    path.write_bytes(bytes(data))
    np.testing.assert_array_equal(TiffReader().read(path, ReadRequest(slice_index=3)).array[0], STACK[3])
    with pytest.raises(ImageFormatError):
        read_image(path)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_slice_that_is_not_there_is_refused(tmp_path, index):
    with pytest.raises(InputError, match=rf"expected a slice between 0 and 3, got {index}"):
        TiffReader().read(saved(tmp_path / "a.tif"), ReadRequest(slice_index=index))


def test_a_written_map_is_deflated_ome_tiff_in_pages(tmp_path):
    affine = Affine(np.diag([-0.5, 0.8, 3.0, 1.0]), frame=WorldFrame.RAS)
    array = np.zeros((40, 30, 20), np.int64)
    array[3, 4, 5] = 2
    write_label_map(LabelMap(array, affine, "XYZ", LabelTable.from_names("abc")), tmp_path / "m.tif")
    with tifffile.TiffFile(tmp_path / "m.tif") as tif:
        assert tif.is_ome
        assert (tif.series[0].axes, tif.series[0].shape) == ("ZYX", (20, 30, 40))
        assert tif.pages[0].compression.name == "ADOBE_DEFLATE"
        assert 'PhysicalSizeZ="3.0"' in tif.ome_metadata
    # x ran to the left: the pages hold it the other way round, so that voxel 3 of 40 is column 36
    assert read_label_map(tmp_path / "m.tif").array[5, 4, 36] == 2


def test_a_volume_of_one_slice_stays_a_volume(tmp_path):
    affine = Affine(np.diag([1.0, 1.0, 2.0, 1.0]), frame=WorldFrame.RAS)
    write_label_map(
        LabelMap(np.ones((3, 4, 1), np.uint8), affine, "XYZ", LabelTable.from_names("ab")), tmp_path / "m.tif"
    )
    again = read_label_map(tmp_path / "m.tif")
    assert (again.axes, again.spatial_shape, again.spacing_mm) == ("ZYX", (1, 4, 3), (2.0, 1.0, 1.0))


def test_complex_numbers_are_refused(tmp_path):
    with pytest.raises(ImageFormatError, match="expected real numbers, got values of type complex64"):
        read_image(saved(tmp_path / "a.tif", STACK[0].astype(np.complex64)))


def test_channels_of_a_map_are_refused(tmp_path):
    rgb = np.zeros((6, 8, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb")
    from medseg.errors import LabelError

    with pytest.raises(LabelError, match=r"one number a voxel, got 3 channels. Save the mask in greyscale"):
        read_label_map(tmp_path / "a.tif")


def codes(item):
    return [verdict.code for verdict in item.metadata.verdicts]


@pytest.mark.parametrize("how", [{}, {"metadata": None}])
def test_three_grey_pages_ask_for_their_axes(tmp_path, how):
    path = saved(tmp_path / "a.tif", STACK[:3], **how)
    with pytest.raises(RefusedImageError, match=r"three pages may be the slices.*Give --axes ZYX or --axes CYX"):
        read_image(path)
    assert read_image(path, axes="ZYX").array.shape == (1, 3, 6, 8)
    assert read_image(path, axes="CYX").array.shape == (3, 6, 8)
    assert codes(read_image(path, allow=["ambiguous-axes"])) == ["ambiguous-axes"]
    # a mask has one number a voxel, so that its pages can only be slices
    assert read_label_map(path).array.shape == (3, 6, 8)


def test_planes_that_the_file_calls_colours_are_colours_with_a_flag(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[:3], photometric="rgb", planarconfig="separate")
    image = read_image(path)
    np.testing.assert_array_equal(image.array, STACK[:3])
    assert codes(image) == ["planes-are-colours"]
    assert read_image(path, axes="ZYX").array.shape == (1, 3, 6, 8)


COLOURS = np.random.default_rng(3).integers(0, 256, (3, 256)).astype(np.uint16)


def test_a_palette_is_colours_for_an_image_and_numbers_for_a_mask(tmp_path):
    numbers = STACK[0].astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", numbers, photometric="palette", colormap=COLOURS * 257)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, COLOURS[:, numbers])
    assert codes(image) == ["palette-expanded"]
    header = TiffReader().header(tmp_path / "a.tif", ReadRequest())
    assert (header.shape, header.dtype) == (image.array.shape, image.array.dtype)
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.tif", kind=LabelKind.INSTANCES).array, numbers)


def test_the_lookup_table_of_a_microscope_does_not_change_the_measurements(tmp_path):
    numbers = STACK[0].astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", numbers, photometric="palette", colormap=COLOURS * 257, imagej=False, ome=True)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array[0], numbers)
    assert codes(image) == ["lookup-table"]


def test_grey_with_opaque_alpha_loses_the_alpha(tmp_path):
    pixels = np.stack([STACK[0], np.full_like(STACK[0], 65535)], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"])
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.array, STACK[:1])
    assert codes(image) == ["alpha-dropped"]
    assert TiffReader().header(tmp_path / "a.tif", ReadRequest()).shape == (1, 6, 8)


@pytest.mark.parametrize(("photometric", "samples"), [("separated", 4), ("cielab", 3), ("ycbcr", 3)])
def test_other_colour_spaces_are_refused(tmp_path, photometric, samples):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 16, samples), np.uint8), photometric=photometric)
    with pytest.raises(RefusedImageError, match=r"expected grey values or RGB, got the colour space .*colour-space"):
        read_image(tmp_path / "a.tif")


def test_jpeg_colours_come_out_as_rgb(tmp_path):
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    tifffile.imwrite(tmp_path / "a.tif", red, photometric="rgb", compression="jpeg")
    found = read_image(tmp_path / "a.tif").array.astype(int).mean(axis=(1, 2))
    np.testing.assert_allclose(found, (200, 0, 0), atol=3)


WIDE = np.random.default_rng(0).integers(0, 60_000, (5, 70, 90)).astype(np.uint16)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"compression": "lzw", "predictor": True},
        {"compression": "zlib", "tile": (32, 32)},
        {"compression": "packbits"},
        {"compression": "zstd"},
        {"bigtiff": True, "byteorder": ">", "rowsperstrip": 7},
        {"ome": True, "tile": (64, 64)},
    ],
)
def test_encodings_agree_with_tifffile(tmp_path, dtype, how):
    if "predictor" in how and np.dtype(dtype).kind == "f":
        how = {**how, "predictor": 3}
    path = saved(tmp_path / "a.tif", WIDE.astype(dtype), metadata={"axes": "ZYX"}, **how)
    image = read_image(path)
    assert image.array.dtype == dtype
    np.testing.assert_array_equal(image.array[0], tifffile.imread(path))


def test_one_bit_is_zero_and_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0] > 20, photometric="minisblack")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.tif").array, STACK[0] > 20)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "jpeg"])
@pytest.mark.parametrize("how", [{"metadata": None}, {"tile": (32, 32)}, {"ome": True}])
@pytest.mark.parametrize("lost", [1, 50, 3000])
def test_a_cut_file_is_never_read_as_another_image(tmp_path, compression, how, lost):
    path = saved(tmp_path / "a.tif", WIDE.astype(np.uint8), compression=compression, **how)
    whole = tifffile.imread(path)
    data = path.read_bytes()
    path.write_bytes(data[:-lost])
    try:
        found = read_image(path, axes="ZYX").array[0]
    except ImageFormatError as error:
        assert "a.tif" in str(error)  # noqa: PT017 - where only the end of the list of pages is lost, all pixels are there
    else:
        np.testing.assert_array_equal(found, whole)
        assert lost < 100


def test_strips_that_were_left_out_are_flagged(tmp_path):
    path = saved(tmp_path / "a.tif", WIDE, metadata={"axes": "ZYX"}, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        entry = tif.pages[2].tags["StripByteCounts"]
        place = entry.valueoffset
        size = {3: 2, 4: 4}[int(entry.dtype)]
    data = bytearray(path.read_bytes())
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    image = read_image(path)
    assert codes(image) == ["missing-chunks"]
    assert "1 of 5 strips" in image.metadata.notes[0]


def test_a_small_file_that_becomes_gigabytes_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((16384, 16384), np.uint8), compression="zlib", tile=(2048, 2048))
    assert path.stat().st_size < 500_000
    with pytest.raises(RefusedImageError, match=r"256 MiB, as no scan does \[compression-bomb\]"):
        read_image(path)
    with within_budget(Budget(2**28)), pytest.raises(RefusedImageError, match="over-budget"):
        read_label_map(path)


@pytest.mark.parametrize(
    ("name", "match"), [("../secret.tif", "names a file outside its folder"), ("gone.ome.tif", "ome-elsewhere")]
)
def test_planes_in_a_file_that_is_not_in_the_folder_are_refused(tmp_path, name, match):
    with tifffile.TiffFile(saved(tmp_path / "a.ome.tif", STACK, metadata={"axes": "ZYX"})) as tif:
        xml = tif.ome_metadata
    start, stop = xml.index("<TiffData"), xml.rindex("/>", 0, xml.index("</Pixels>")) + 2
    away = f'<TiffData IFD="0" FirstZ="0"><UUID FileName="{name}">urn:uuid:{"1" * 8}</UUID></TiffData>'
    text = (xml[:start] + away + xml[stop:]).encode()
    tifffile.imwrite(tmp_path / "b.ome.tif", STACK[0], photometric="minisblack", description=text, metadata=None)
    with pytest.raises(RefusedImageError, match=match):
        read_image(tmp_path / "b.ome.tif")


def test_a_hyperstack_of_imagej_keeps_channels_slices_and_sizes(tmp_path):
    array = np.arange(3 * 2 * 6 * 8, dtype=np.uint16).reshape(1, 3, 2, 6, 8)
    meta = {"axes": "TZCYX", "spacing": 2.0, "unit": "um"}
    path = saved(tmp_path / "a.tif", array, imagej=True, resolution=(4.0, 4.0), metadata=meta)
    image = read_image(path)
    assert (image.axes, image.array.shape) == ("CZYX", (2, 3, 6, 8))
    np.testing.assert_array_equal(image.array[1, 2], array[0, 2, 1])
    assert image.spacing_mm == pytest.approx((2e-3, 0.25e-3, 0.25e-3))


def test_a_turned_page_is_taken_as_stored_with_a_flag(tmp_path):
    path = saved(tmp_path / "a.tif", STACK[0], extratags=[(274, 3, 1, 6, True)])
    image, mask = read_image(path), read_label_map(path, kind=LabelKind.INSTANCES)
    assert codes(image) == codes(mask) == ["turned"]
    np.testing.assert_array_equal(image.array[0], mask.array)
