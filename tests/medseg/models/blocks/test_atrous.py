"""The atrous pyramid against torchvision's."""

import pytest
import torch
from torchvision.models.segmentation.deeplabv3 import ASPP

from medseg.models.blocks.atrous import RATES, AtrousPyramid


@pytest.mark.parametrize("output_stride", [8, 16])
def test_the_pyramid_computes_what_torchvision_computes(output_stride):
    theirs = ASPP(6, list(RATES[output_stride]), 10).eval()
    ours = AtrousPyramid(6, 10, rates=RATES[output_stride]).eval()
    # Both list the 1-wide branch, the dilated ones, the mean of the image and what joins them.
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    features = torch.rand(2, 6, 19, 23)
    with torch.no_grad():
        torch.testing.assert_close(ours(features), theirs(features))


def test_the_fields_of_view_are_the_same_in_pixels_for_both_strides():
    assert [rate * 16 for rate in RATES[16]] == [rate * 8 for rate in RATES[8]]
