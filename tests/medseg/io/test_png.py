import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image as Pillow
from PIL import ImageOps

from medseg.errors import ImageFormatError, InputError, LabelError
from medseg.io import read_image, read_label_map, write_image
from medseg.io.base import ReadRequest
from medseg.io.budget import Budget, within_budget
from medseg.io.png import PngReader
from medseg.verdicts import RefusedImageError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def saved(path, picture, **how):
    picture.save(path, **how)
    return path


def test_rows_stay_rows(tmp_path):
    image = read_image(saved(tmp_path / "a.png", Pillow.fromarray(GREY)))
    assert (image.axes, image.array.shape) == ("CYX", (1, 6, 8))
    np.testing.assert_array_equal(image.array[0], GREY)
    assert not image.metadata.spacing_is_known


def test_sixteen_bits_are_kept(tmp_path):
    array = GREY.astype(np.uint16) * 1000
    image = read_image(saved(tmp_path / "a.png", Pillow.fromarray(array)))
    assert image.array.dtype == np.uint16
    np.testing.assert_array_equal(image.array[0], array)


def test_colours_become_channels(tmp_path):
    rgb = np.stack([GREY, GREY + 1, GREY + 2], axis=-1)
    image = read_image(saved(tmp_path / "a.png", Pillow.fromarray(rgb)))
    np.testing.assert_array_equal(image.array, rgb.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_alpha_is_dropped_with_a_note(tmp_path, mode):
    image = read_image(saved(tmp_path / "a.png", Pillow.fromarray(GREY).convert(mode)))
    assert image.num_channels == len(mode) - 1
    assert [verdict.code for verdict in image.metadata.verdicts] == ["alpha-dropped"]
    assert "opaque everywhere was left out" in image.metadata.notes[0]


def test_alpha_that_varies_is_refused(tmp_path):
    rgba = np.dstack([GREY, GREY, GREY, GREY])
    with pytest.raises(ImageFormatError, match="expected an opaque picture, but its alpha channel varies"):
        read_image(saved(tmp_path / "a.png", Pillow.fromarray(rgba)))


def test_a_palette_is_colours_for_an_image_and_numbers_for_labels(tmp_path):
    picture = Pillow.fromarray(GREY % 3).convert("P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    path = saved(tmp_path / "a.png", picture)
    image = read_image(path)
    assert image.array[:, 0, 1].tolist() == [255, 0, 0]
    assert any("palette" in note for note in image.metadata.notes)
    np.testing.assert_array_equal(read_label_map(path).array, GREY % 3)


def test_one_bit_masks_are_zero_and_one(tmp_path):
    path = saved(tmp_path / "a.png", Pillow.fromarray(GREY > 20))
    label_map = read_label_map(path)
    assert label_map.array.dtype == np.uint8
    np.testing.assert_array_equal(label_map.array, GREY > 20)


def test_a_turned_photograph_is_turned_back_with_a_note(tmp_path):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter clockwise
    path = saved(tmp_path / "a.png", Pillow.fromarray(GREY), exif=exif)
    image = read_image(path)
    np.testing.assert_array_equal(image.array[0], np.rot90(GREY, k=-1))
    assert any("EXIF" in note for note in image.metadata.notes)


def test_jpeg_is_read(tmp_path):
    image = read_image(saved(tmp_path / "a.jpg", Pillow.fromarray(np.full((6, 8, 3), 90, np.uint8))))
    assert image.array.shape == (3, 6, 8)
    assert abs(int(image.array.mean()) - 90) <= 1


def test_print_colours_are_refused(tmp_path):
    path = saved(tmp_path / "a.jpg", Pillow.new("CMYK", (8, 6)))
    with pytest.raises(ImageFormatError, match="expected a grey or RGB picture, got colour mode CMYK"):
        read_image(path)


def test_another_format_under_the_name_png_is_refused(tmp_path):
    Pillow.fromarray(GREY).save(tmp_path / "a.png", format="GIF")
    with pytest.raises(ImageFormatError, match="expected a PNG or JPEG image"):
        read_image(tmp_path / "a.png")


def test_axes_other_than_a_pictures_are_refused(tmp_path):
    with pytest.raises(InputError, match="a picture has the axes YX"):
        read_image(saved(tmp_path / "a.png", Pillow.fromarray(GREY)), axes="ZYX")


def test_a_decompression_bomb_is_refused(tmp_path):
    Pillow.new("1", (20000, 20000)).save(tmp_path / "a.png")
    with pytest.raises(ImageFormatError, match=r"would become 381 MiB.*compression-bomb"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_every_exif_orientation_is_turned_as_pillow_turns_it_for_images_and_masks_alike(tmp_path, orientation, suffix):
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a{suffix}", Pillow.fromarray(GREY), exif=exif)
    with Pillow.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    image, mask = read_image(path), read_label_map(path)
    np.testing.assert_array_equal(image.array[0], expected)
    np.testing.assert_array_equal(mask.array, expected)
    assert PngReader().header(path, ReadRequest()).shape == image.array.shape
    assert ("turned" in codes(image)) == (orientation != 1)
    assert ("turned" in codes(mask)) == (orientation != 1)


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_16_bits_are_kept(tmp_path, channels):
    array = np.random.default_rng(1).integers(0, 65536, (6, 8, channels), dtype=np.uint16)
    if channels in {2, 4}:
        array[..., -1] = 65535
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    image = read_image(tmp_path / "a.png")
    expected = array if channels == 3 else array[..., :-1]
    assert image.array.dtype == np.uint16
    np.testing.assert_array_equal(image.array, expected.transpose(2, 0, 1))
    assert PngReader().header(tmp_path / "a.png", ReadRequest()).shape == image.array.shape


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_numbers_not_brightness(tmp_path, bits):
    numbers = GREY % 2**bits
    packed = b"".join(b"\0" + packed_row(row, bits) for row in numbers)
    header = struct.pack(">IIBBBBB", 8, 6, bits, 0, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png_of((b"IHDR", header), (b"IDAT", zlib.compress(packed)), (b"IEND", b"")))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").array[0], numbers)
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png").array, numbers)


def packed_row(row, bits):
    text = "".join(format(int(number), f"0{bits}b") for number in row)
    return bytes(int(text[start : start + 8], 2) for start in range(0, len(text), 8))


def png_of(*chunks):
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_alpha_that_is_constant_but_not_opaque_is_dropped_too(tmp_path):
    image = read_image(saved(tmp_path / "a.png", Pillow.fromarray(np.dstack([GREY, GREY, GREY, GREY * 0 + 9]))))
    np.testing.assert_array_equal(image.array, [GREY, GREY, GREY])
    assert codes(image) == ["alpha-dropped"]


def test_a_mask_in_colours_is_refused_with_or_without_alpha(tmp_path):
    path = saved(tmp_path / "a.png", Pillow.fromarray(GREY).convert("RGBA"))
    with pytest.raises(LabelError, match="one number a voxel, got 3 channels"):
        read_label_map(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_text_under_the_name_of_a_picture_is_refused_with_a_code(tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_text("Patient: somebody\n" * 30)
    with pytest.raises(RefusedImageError, match="first bytes are those of neither") as caught:
        read_image(tmp_path / f"a{suffix}")
    assert caught.value.verdicts[0].code == "not-a-picture"
    assert "somebody" not in str(caught.value)


@pytest.mark.parametrize("reading", [read_image, read_label_map])
def test_a_header_that_states_more_than_the_file_can_hold_is_refused_before_it_is_allocated(tmp_path, reading):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png_of((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")))
    with within_budget(Budget(2**40)), pytest.raises(RefusedImageError, match=r"60000 x 60000 pixels.*too small"):
        reading(tmp_path / "a.png")


def test_a_large_honest_picture_is_left_to_the_budget(tmp_path):
    path = saved(tmp_path / "a.png", Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400), np.uint8)))
    with within_budget(Budget(300 * 400 * 2)):
        assert read_image(path).array.shape == (1, 300, 400)
    with within_budget(Budget(300 * 400 * 2 - 1)), pytest.raises(RefusedImageError, match="over-budget"):
        read_image(path)


def test_the_header_is_read_without_decoding_the_pixels(tmp_path):
    path = saved(tmp_path / "a.png", Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert PngReader().header(path, ReadRequest()).shape == (1, 90, 90)
    with pytest.raises(ImageFormatError):
        read_image(path)


def codes(item):
    return [verdict.code for verdict in item.metadata.verdicts]


@pytest.mark.parametrize("suffix", ["mha", "nrrd", "nii.gz"])
def test_pixels_of_other_formats_keep_their_order(tmp_path, suffix):
    # All of these keep y growing downwards as the array does; in RAS their axes run backwards.
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.5, 2.0))
    image.SetOrigin((3.0, 4.0))
    sitk.WriteImage(image, str(tmp_path / f"a.{suffix}"))
    stored = read_image(tmp_path / f"a.{suffix}")
    write_image(stored, tmp_path / "a.png")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.png"))), array)
    back = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(back.affine.apply([1, 2]), stored.affine.apply([2, 1]))
    np.testing.assert_allclose(back.affine.apply([0, 0]), [-3, -4])
