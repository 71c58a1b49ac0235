"""The order of voxels and channels in memory."""

import pytest
import torch

from medseg.models.blocks.dimensions import to_channels_last


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("spatial", [(4, 5), (4, 5, 6)])
def test_channels_come_last_even_if_there_is_one(channels, spatial):
    images = torch.rand(2, channels, *spatial)
    reordered = to_channels_last(images)
    assert torch.equal(reordered, images)
    # The last spatial axis steps over a voxel's channels, the channel axis from one to the next.
    assert reordered.stride(-1) == channels
    assert reordered.stride(1) == 1


def test_devices_that_are_not_known_to_gain_keep_their_order():
    images = torch.empty(1, 3, 4, 4, device="meta")
    assert to_channels_last(images) is images
