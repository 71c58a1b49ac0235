import numpy as np
import pytest
from PIL import Image as Pillow

from medseg.errors import ImageFormatError, InputError
from medseg.io import read_image, read_label_map

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
