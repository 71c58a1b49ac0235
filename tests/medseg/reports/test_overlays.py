import itertools

import numpy as np
import pytest
from cases.dicom import SeriesCase
from PIL import Image as PillowImage

from medseg.errors import GeometryError, InputError, StorageError
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg.io import read_image
from medseg.reports import write_overlay
from medseg.reports.layers import content, error_layers, grey_levels, label_layers, painted, zoom_box
from medseg.reports.plane import choose_plane

LESIONS = LabelTable.from_names(("background", "lesion"))


def affine(spacing_mm):
    return Affine.from_spacing(spacing_mm, frame=WorldFrame.RAS)


def lesion_map(array, place, axes):
    return LabelMap(np.asarray(array, np.uint8), place, axes, LESIONS)


def in_other_order(array, place, permutation, flips):
    """The same voxels at the same places, stored in another order and direction."""
    index_map = np.zeros((4, 4))
    index_map[3, 3] = 1
    for new, old in enumerate(permutation):
        index_map[old, new] = -1 if flips[new] else 1
        index_map[old, 3] += array.shape[old] - 1 if flips[new] else 0
    stored = np.transpose(array, permutation)
    stored = np.flip(stored, [axis for axis, flip in enumerate(flips) if flip])
    return stored, place.after_index_map(index_map)


def test_right_of_the_patient_is_left_in_the_picture_and_front_is_up():
    volume = np.zeros((5, 6, 3), np.uint8)
    volume[4, 5, 1] = 1  # RAS: most right and most anterior corner, middle slice
    plane = choose_plane(Grid(volume.shape, affine((1, 1, 3))), axes="XYZ", reference=volume)
    assert plane.letters == ("R", "L", "A", "P")
    assert np.argwhere(plane.cut(volume)).tolist() == [[0, 0]]


@pytest.mark.parametrize("permutation", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_all_48_orientations_of_one_volume_give_one_picture(permutation, flips):
    rng = np.random.default_rng(1)
    volume = rng.integers(0, 200, (4, 5, 6))
    place = affine((0.7, 0.9, 2.0))
    marked = np.zeros_like(volume)
    marked[1:3, 2, 4] = 1
    wanted = choose_plane(Grid(volume.shape, place), axes="XYZ", reference=marked)
    stored, moved = in_other_order(volume, place, permutation, flips)
    stored_mark, _ = in_other_order(marked, place, permutation, flips)
    found = choose_plane(Grid(stored.shape, moved), axes="XYZ", reference=stored_mark)
    assert np.array_equal(found.cut(stored), wanted.cut(volume))
    assert found.letters == wanted.letters
    assert found.pixel_aspect == pytest.approx(0.9 / 0.7)


def test_thick_sagittal_slices_are_shown_as_acquired():
    grid = Grid((8, 20, 20), affine((5, 1, 1)))
    plane = choose_plane(grid, axes="XYZ")
    assert plane.through == 0
    assert plane.letters == ("A", "P", "S", "I")
    assert plane.caption.startswith("sagittal slice 4 of 0-7, the middle one")


def test_the_slice_with_most_wrong_voxels_is_shown():
    reference = np.zeros((4, 4, 5), np.uint8)
    prediction = reference.copy()
    reference[:, :, 1] = prediction[:, :, 1] = 1
    prediction[0, 0, 3] = 1
    grid = Grid(reference.shape, affine((1, 1, 1)))
    plane = choose_plane(grid, axes="XYZ", reference=reference, prediction=prediction)
    assert (plane.number, plane.caption) == (3, "axial slice 3 of 0-4, the one with most wrong voxels")
    perfect = choose_plane(grid, axes="XYZ", reference=reference, prediction=reference)
    assert (perfect.number, perfect.caption) == (1, "axial slice 1 of 0-4, the one with most foreground")


def test_a_stack_of_slices_is_shown_as_stored_and_without_letters():
    stack = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    plane = choose_plane(Grid(stack.shape, affine((50, 4, 4))), axes="ZYX")
    assert plane.letters is None
    assert np.array_equal(plane.cut(stack), stack[1])


def test_a_flat_image_keeps_its_rows():
    array = np.arange(6).reshape(2, 3)
    assert np.array_equal(choose_plane(Grid((2, 3), affine((1, 1))), axes="YX").cut(array), array)
    assert np.array_equal(choose_plane(Grid((2, 3), affine((1, 1))), axes="XY").cut(array), array.T)


def test_errors_are_told_apart():
    layers = error_layers(np.array([[0, 1, 1, 2]]), np.array([[1, 1, 0, 1]]))
    names = {layer.name.split()[0]: layer.mask.ravel().tolist() for layer in layers}
    assert names == {
        "found": [False, True, False, False],
        "missed": [False, False, True, False],
        "extra": [True, False, False, False],
        "other": [False, False, False, True],
    }


def test_values_outside_the_table_are_painted_and_named():
    layers = label_layers(np.array([[0, 1, 9]]), LESIONS)
    assert [layer.name for layer in layers] == ["lesion", "not in the class table"]


def test_ct_is_shown_in_a_soft_tissue_window_and_constant_images_in_grey():
    hu = grey_levels(np.array([[-1000.0, -160.0, 40.0, 240.0, 3000.0]]), value_unit="HU")
    assert hu.ravel().tolist() == pytest.approx([0, 0, 0.5, 1, 1])
    assert (grey_levels(np.full((2, 2), 7), value_unit=None) == 0.5).all()
    assert (grey_levels(np.full((2, 2), np.nan), value_unit=None) == 0).all()


def test_one_bright_pixel_does_not_darken_the_picture():
    plane = np.tile(np.arange(100.0), (100, 1))
    plane[0, 0] = 1e6
    assert grey_levels(plane, value_unit=None)[50, 50] == pytest.approx(0.5, abs=0.02)


def test_a_small_finding_is_enlarged_and_a_large_one_is_not():
    mask = np.zeros((100, 100), bool)
    mask[70:73, 20:24] = True
    box = zoom_box([mask], pixel_aspect=1.0)
    assert box is not None
    assert box.top <= 70
    assert box.bottom >= 73
    assert box.left <= 20
    assert box.right >= 24
    assert box.bottom - box.top == box.right - box.left == 12
    mask[10:60, 10:60] = True
    assert zoom_box([mask], pixel_aspect=1.0) is None
    assert zoom_box([], pixel_aspect=1.0) is None


def test_the_box_stays_within_the_picture():
    mask = np.zeros((60, 60), bool)
    mask[0, 59] = True
    box = zoom_box([mask], pixel_aspect=2.0)
    assert (box.top, box.right) == (0, 60)
    assert box.bottom - box.top == 6  # square to the eye: 12 columns, 6 rows of double height


def test_air_around_a_body_is_cut_off_but_never_a_mask():
    grey = np.zeros((100, 100), np.float32)
    grey[40:60, 40:60] = 0.5
    assert content(grey, []) == (slice(37, 63), slice(37, 63))
    mask = np.zeros((100, 100), bool)
    mask[5, 50] = True
    assert content(grey, [mask])[0] == slice(2, 63)


def size_of(path):
    with PillowImage.open(path) as picture:
        assert picture.format == "PNG"
        return picture.size


def test_absent_maps_leave_their_panels_out(tmp_path):
    image = Image(np.random.default_rng(0).random((1, 20, 20)), affine((1, 1)), "CYX")
    reference = lesion_map(np.eye(20), image.affine, "YX")
    widths = []
    for name, maps in {"image": {}, "one": {"prediction": reference}}.items():
        write_overlay(tmp_path / f"{name}.png", image=image, title=name, **maps)
        widths.append(size_of(tmp_path / f"{name}.png")[0])
    write_overlay(tmp_path / "all.png", image=image, reference=reference, prediction=reference)
    widths.append(size_of(tmp_path / "all.png")[0])
    assert widths[1] / widths[0] == pytest.approx(2, abs=0.1)
    assert widths[2] / widths[0] == pytest.approx(4, abs=0.2)


def test_pixels_twice_as_high_make_the_picture_twice_as_high(tmp_path):
    heights = []
    for spacing in (0.5, 1.0):
        image = Image(np.random.default_rng(0).random((1, 20, 20)), affine((spacing, 1)), "CYX")
        write_overlay(tmp_path / "one.png", image=image)
        heights.append(size_of(tmp_path / "one.png")[1])
    # 20 panels' pixels at 150 dpi: 3.42 inch wide, 1.71 or 3.42 high, beside the same margins.
    assert heights[1] - heights[0] == pytest.approx(1.71 * 150, abs=2)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    rng = np.random.default_rng(0)
    image = Image(rng.random((1, 16, 16, 6)), affine((1, 1, 1)), "CXYZ", ImageMetadata(value_unit="HU"))
    reference = lesion_map(rng.random((16, 16, 6)) > 0.99, image.affine, "XYZ")
    for name in ("first", "second"):
        write_overlay(tmp_path / f"{name}.png", image=image, reference=reference, prediction=reference, title="a")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_a_map_of_another_size_is_refused(tmp_path):
    image = Image(np.ones((1, 4, 4)), affine((1, 1)), "CYX")
    with pytest.raises(GeometryError, match=r"prediction of a: expected the image's size \(4, 4\), got \(5, 5\)"):
        write_overlay(
            tmp_path / "a.png", image=image, prediction=lesion_map(np.eye(5), affine((1, 1)), "YX"), title="a"
        )
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*a\.png"):
        write_overlay(tmp_path / "file" / "a.png", image=Image(np.ones((1, 4, 4)), affine((1, 1)), "CYX"))


def test_masks_are_drawn_without_an_image_and_nothing_at_all_is_refused(tmp_path):
    square = np.zeros((40, 60), np.uint8)
    square[10:30, 10:30] = 1
    mask = lesion_map(square, affine((1, 1)), "YX")
    write_overlay(tmp_path / "masks.png", reference=mask, prediction=mask)
    with PillowImage.open(tmp_path / "masks.png") as three_panels:
        width = three_panels.width
    write_overlay(tmp_path / "mask.png", prediction=mask)
    with PillowImage.open(tmp_path / "mask.png") as one_panel:
        assert width == pytest.approx(3 * one_panel.width, rel=0.03)
    with pytest.raises(InputError, match=r"expected an image or a label map to draw, got neither"):
        write_overlay(tmp_path / "none.png")


def pictured(folder, *, burned_in, seed):
    """The picture of a series of noise."""

    def change(ds, k):
        ds.BurnedInAnnotation = burned_in
        ds.PixelData = np.random.default_rng([seed, k]).integers(0, 2000, 40 * 30, dtype=np.uint16).tobytes()

    folder.mkdir()
    SeriesCase(shape=(40, 30, 3)).write(folder, change=change)
    image = read_image(folder)
    mask = lesion_map(np.zeros(image.spatial_shape), image.affine, "XYZ")
    write_overlay(folder.with_suffix(".png"), image=image, prediction=mask)
    return folder.with_suffix(".png").read_bytes()


def test_an_image_with_burned_in_text_is_not_drawn(tmp_path):
    with_text = [pictured(tmp_path / f"text{seed}", burned_in="YES", seed=seed) for seed in (1, 2)]
    without = [pictured(tmp_path / f"plain{seed}", burned_in="NO", seed=seed) for seed in (1, 2)]
    assert with_text[0] == with_text[1]
    assert without[0] != without[1]


def test_objects_are_painted_as_their_class_with_a_seam_between_those_that_touch():
    numbers = np.zeros((6, 8), np.uint16)
    numbers[1:5, 1:4], numbers[1:5, 4:7] = 17, 300
    table = LabelTable.from_names(["background", "nucleus"])
    affine = Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS)
    classes = painted(LabelMap(numbers, affine, "YX", table, LabelKind.INSTANCES))
    assert classes.kind is LabelKind.SEMANTIC
    assert ["".join(".n"[value] for value in row) for row in classes.array[1:3]] == [".nn.nnn.", ".nn.nnn."]
    (layer,) = label_layers(classes.array, table)
    assert layer.name == "nucleus"
