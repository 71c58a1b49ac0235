"""Rows of the table: sizes and places by hand, and only touched objects measured again."""

import numpy as np
import pytest
from medseg_napari.review import Review


def volume():
    labels = np.zeros((4, 6, 8), np.uint16)
    labels[1, 2, 2:4] = 3
    labels[2, 1:4, 2:6] = 3
    return labels


def test_a_row_holds_sizes_in_mm_and_places_in_the_array():
    labels = volume()
    image = np.where(labels == 3, 40.0, -1000.0)
    image[1, 2, 2] = 54.0
    confidence = np.where(labels == 3, 0.5, 0.0)
    row = Review(labels, spacing_mm=(2.0, 1.0, 1.0), image=image, confidence=confidence).table[3]
    measured = row.measured
    assert measured.voxels == 14
    assert measured.volume_ml == pytest.approx(14 * 2.0 / 1000)
    assert measured.area_mm2 is None
    assert measured.mean_value == pytest.approx((13 * 40 + 54) / 14)
    assert row.confidence == pytest.approx(0.5)
    assert measured.box == (slice(1, 3), slice(1, 4), slice(2, 6))
    assert measured.largest_slice == 2
    assert measured.centre == pytest.approx(((2 * 1 + 12 * 2) / 14, 2.0, (2 * 2.5 + 12 * 3.5) / 14))
    # A rectangle of 3 x 4 mm in slice 2: the diagonal is 5.
    assert measured.diameters.longest_mm == pytest.approx(5.0)
    assert measured.diameters.slice_index == 2
    assert sorted(measured.diameters.longest_ends_voxel) in (
        [(2, 0.5, 1.5), (2, 3.5, 5.5)],
        [(2, 0.5, 5.5), (2, 3.5, 1.5)],
    )


def test_a_picture_has_an_area_and_without_a_voxel_size_there_are_no_millimetres():
    labels = volume()[2]
    row = Review(labels, spacing_mm=(0.5, 0.5)).table[3].measured
    assert (row.area_mm2, row.volume_ml, row.largest_slice) == (12 * 0.25, None, 0)
    assert sorted(row.diameters.longest_ends_voxel) in ([(0.5, 1.5), (3.5, 5.5)], [(0.5, 5.5), (3.5, 1.5)])
    unknown = Review(labels).table[3].measured
    assert (unknown.area_mm2, unknown.diameters, unknown.voxels) == (None, None, 12)


def test_only_objects_that_an_edit_touched_are_measured_again():
    labels = volume()
    labels[0, 0, 0] = 1
    review = Review(labels, spacing_mm=(1.0, 1.0, 1.0))
    kept, gone = review.table[1].measured, review.table[3].measured
    review.grow(3)
    assert review.table[1].measured is kept
    assert review.table[3].measured.voxels > gone.voxels


def test_ids_far_beyond_the_number_of_voxels_take_no_table_of_that_length():
    labels = np.array([[0, 2**40, 2**40, 7]])
    review = Review(labels)
    assert review.table.ids == (7, 2**40)
    assert review.box_of(2**40) == (slice(0, 1), slice(1, 3))
