"""Each edit on examples small enough to derive by hand."""

import numpy as np
import pytest
from medseg_napari.review import AlgorithmType, ObjectState, Review

from medseg.errors import InputError


def picture(*rows):
    """Labels from rows of digits."""
    return np.array([[int(digit) for digit in row] for row in rows], np.uint16)


def rows_of(labels):
    return ["".join(str(value) for value in row) for row in labels]


def test_a_line_gives_the_smaller_side_a_new_id():
    labels = picture("11111", "11111")
    review = Review(labels)
    assert review.split_by_line(1, ((0, 2.5), (1, 2.5))) == (1, 2)
    assert rows_of(labels) == ["11122", "11122"]


def test_a_slanted_line_keeps_what_lies_on_it_on_one_side():
    labels = picture("111", "111", "111")
    Review(labels).split_by_line(1, ((0, 0), (2, 2)))
    assert rows_of(labels) in (["122", "112", "111"], ["111", "211", "221"])


def test_a_line_divides_all_slices_or_only_its_own():
    whole = np.ones((3, 1, 5), np.uint16)
    Review(whole).split_by_line(1, ((1, 0, 1.5), (1, 1, 1.5)))
    assert rows_of(whole[:, 0]) == ["22111"] * 3
    one = np.ones((3, 1, 5), np.uint16)
    Review(one).split_by_line(1, ((1, 0, 1.5), (1, 1, 1.5)), only_slice=True)
    assert rows_of(one[:, 0]) == ["11111", "22111", "11111"]
    sagittal = np.ones((5, 1, 3), np.uint16)
    Review(sagittal).split_by_line(1, ((1.5, 0, 0), (1.5, 1, 0)), slice_axis=2)
    assert rows_of(sagittal[:, 0]) == ["222", "222", "111", "111", "111"]


@pytest.mark.parametrize(
    ("line", "message"),
    [(((0, 9), (1, 9)), "a line across object 1, got one beside it"), (((0, 1), (0, 1)), "two different points")],
)
def test_a_line_that_divides_nothing_is_refused(line, message):
    review = Review(picture("111", "111"))
    with pytest.raises(InputError, match=message):
        review.split_by_line(1, line)
    assert not review.can_undo


def test_seeds_divide_a_dumbbell_at_its_neck():
    labels = picture("0000000", "0110110", "0111110", "0110110", "0000000")
    review = Review(labels, spacing_mm=(1.0, 1.0))
    review.split_by_seeds(1, [(2, 1), (2, 5)])
    assert rows_of(labels[:, [1, 2, 4, 5]])[1:4] in (["1122"] * 3, ["2211"] * 3)


def test_a_piece_without_a_seed_keeps_the_id():
    labels = picture("1111011")
    Review(labels).split_by_seeds(1, [(0, 0), (0, 3)])
    assert rows_of(labels) == ["1122011"]


def test_growing_takes_background_only_and_skips_axes_with_longer_voxels():
    labels = np.zeros((3, 3, 4), np.uint16)
    labels[1, 1, 1], labels[1, 1, 2] = 1, 5
    review = Review(labels, spacing_mm=(2.5, 0.7, 0.7))
    review.grow(1)
    assert rows_of(labels[1]) == ["0100", "1150", "0100"]
    assert not labels[[0, 2]].any()
    assert review.audit.objects[1].edits[0].voxels == 3


def test_growing_by_a_distance_in_mm_reaches_as_far_along_every_axis():
    labels = np.zeros((3, 7, 7), np.uint16)
    labels[1, 3, 3] = 1
    Review(labels, spacing_mm=(2.0, 1.0, 1.0)).grow(1, distance_mm=2.0)
    assert rows_of(labels[1]) == ["0000000", "0001000", "0011100", "0111110", "0011100", "0001000", "0000000"]
    assert np.argwhere(labels[0]).tolist() == [[3, 3]]


def test_shrinking_gives_up_the_rim_but_not_at_the_arrays_face():
    labels = picture("11110", "11110", "11110", "00000")
    Review(labels, spacing_mm=(1.0, 1.0)).shrink(1)
    assert rows_of(labels) == ["11100", "11100", "00000", "00000"]
    wide = picture("000000", "011110", "011110", "000000")
    Review(wide, spacing_mm=(2.0, 1.0)).shrink(1)
    assert rows_of(wide) == ["000000", "001100", "001100", "000000"]


def test_an_object_that_shrinks_to_nothing_is_removed_and_comes_back():
    labels = picture("000", "010", "000")
    review = Review(labels)
    assert review.shrink(1) == ()
    assert review.table.ids == ()
    assert review.audit.objects[1].state is ObjectState.REMOVED
    review.undo()
    assert review.table.ids == (1,)
    assert review.table[1].measured.centre == (1.0, 1.0)


def test_an_object_without_an_outside_neither_grows_nor_shrinks():
    review = Review(np.ones((2, 2), np.uint16))
    assert review.grow(1) == ()
    assert review.shrink(1) == ()
    assert not review.can_undo


def test_holes_are_filled_around_other_objects():
    labels = picture("111110", "100010", "102010", "111110")
    Review(labels).fill_holes(1)
    assert rows_of(labels) == ["111110", "111110", "112110", "111110"]


def test_a_gap_at_the_arrays_face_is_no_hole():
    review = Review(picture("11011", "10001", "11111"))
    assert review.fill_holes(1) == ()


def test_a_hole_within_slices_is_filled_where_asked_for():
    ring = picture("111", "101", "111")
    labels = np.stack([ring, ring])
    review = Review(labels)
    assert review.fill_holes(1) == ()
    review.fill_holes(1, slice_axis=0)
    assert labels.all()


def test_interpolation_between_a_square_of_5_and_one_of_1_gives_one_of_3():
    # Beside the middle the large one has +2 and the small one -1, at the corner +2 and -1.41, two beside +1 and -2.
    labels = np.zeros((3, 7, 7), np.uint16)
    labels[0, 1:6, 1:6] = 1
    labels[2, 3, 3] = 1
    labels[1, 3, 2] = 6
    Review(labels, spacing_mm=(5.0, 1.0, 1.0)).interpolate(1)
    assert rows_of(labels[1]) == ["0000000", "0000000", "0011100", "0061100", "0011100", "0000000", "0000000"]
    assert (labels[0].sum(), labels[2].sum()) == (25, 1)


def test_interpolation_follows_the_axis_and_leaves_outlined_slices_alone():
    labels = np.zeros((3, 3, 5), np.uint16)
    labels[:, :, 0] = labels[:, :, 4] = 1
    labels[1, 1, 2] = 1
    Review(labels).interpolate(1, slice_axis=2)
    assert labels[..., 1].any()
    assert labels[..., 2].sum() == 1
    assert labels[..., [0, 4]].all()


@pytest.mark.parametrize("labels", [picture("101"), np.ones((3, 1, 1), np.uint16)])
def test_without_an_empty_slice_there_is_nothing_to_interpolate(labels):
    with pytest.raises(InputError, match="interpolate: expected"):
        Review(labels).interpolate(1)


def test_restricting_keeps_the_bounds_and_drops_what_is_no_number():
    labels = picture("111112")
    image = np.array([[-5.0, 10.0, np.nan, 40.0, 41.0, 99.0]])
    review = Review(labels, image=image)
    review.restrict(1, low=10.0, high=40.0)
    assert rows_of(labels) == ["010102"]
    with pytest.raises(InputError, match="from low to high, got 3 to 2"):
        review.restrict(1, low=3, high=2)
    with pytest.raises(InputError, match="expected an image under the labels, got none"):
        Review(labels).restrict(1, low=3)


def test_a_superpixel_is_painted_up_to_the_edge_in_the_image_and_not_over_others():
    image = np.zeros((1, 16, 16), np.float32)
    image[0, :, 8:] = 100.0
    labels = np.zeros(image.shape, np.uint16)
    labels[0, 0, 0] = 3
    review = Review(labels, image=image)
    points = [(0, y, x) for y in range(16) for x in range(8)]
    assert review.paint_superpixels(9, [*points, (0, 99, 0)], region_voxels=4) == (9,)
    expected = np.zeros_like(labels)
    expected[0, :, :8] = 9
    expected[0, 0, 0] = 3
    assert np.array_equal(labels, expected)
    assert review.table[9].state is ObjectState.DRAWN
    assert review.audit.objects[9].algorithm_type is AlgorithmType.SEMIAUTOMATIC


def test_two_points_of_one_superpixel_paint_the_same():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(40, 40)).astype(np.float32)
    first = np.zeros(image.shape, np.uint16)
    Review(first, image=image).paint_superpixels(1, [(20, 20)])
    for point in np.argwhere(first)[::7]:
        again = np.zeros_like(first)
        Review(again, image=image).paint_superpixels(1, [tuple(point)])
        assert np.array_equal(first, again)


def test_painting_superpixels_of_no_object_is_refused():
    review = Review(np.zeros((4, 4), np.uint8), image=np.zeros((4, 4)))
    for number in (0, 256):
        with pytest.raises(InputError, match="an object and a region size from 1"):
            review.paint_superpixels(number, [(0, 0)])
