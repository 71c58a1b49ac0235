"""Where the cells of a coarse grid lie in the image."""

import pytest
import torch
from torch.nn import functional as F

from medseg.models.blocks.alignment import any_size_above, upsample_aligned


def test_cell_i_lies_on_pixel_stride_times_i_and_the_last_one_is_repeated():
    cells = torch.tensor([0.0, 4.0, 2.0]).view(1, 1, 1, 3)
    fine = upsample_aligned(cells, stride=4, size=(2, 12))
    expected = torch.tensor([0.0, 1, 2, 3, 4, 3.5, 3, 2.5, 2, 2, 2, 2])
    torch.testing.assert_close(fine, expected.expand(1, 1, 2, 12))


def test_for_the_papers_sizes_it_interpolates_between_corners():
    cells = torch.rand(2, 3, 5, 6)
    theirs = F.interpolate(cells, size=(33, 41), mode="bilinear", align_corners=True)
    torch.testing.assert_close(upsample_aligned(cells, stride=8, size=(33, 41)), theirs)


def test_a_tile_agrees_with_the_whole():
    cells = torch.rand(1, 1, 6, 6)
    whole, tile = (upsample_aligned(part, stride=8, size=(41, 41)) for part in (cells, cells[..., 2:, 2:]))
    torch.testing.assert_close(tile[..., :25, :25], whole[..., 16:, 16:])


@pytest.mark.parametrize(("size", "allowed"), [(1, 17), (17, 17), (18, 18), (101, 101)])
def test_any_size_is_allowed_that_leaves_two_cells(size, allowed):
    assert any_size_above(16).at_least((size, 500)) == (allowed, 500)
