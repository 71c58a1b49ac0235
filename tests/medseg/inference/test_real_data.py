"""On real files the result lies where the image lies."""

import numpy as np
import pytest

from medseg.config import TransformsConfig, WindowIntensity
from medseg.io import read_image


@pytest.mark.real_data
def test_a_ct_thresholded_in_another_axis_order_comes_back_on_its_own_grid(make_predictor, data_dir):
    image = read_image(data_dir / "ct" / "totalseg_example_sm" / "image.nii.gz")
    transforms = TransformsConfig(
        pipeline="ct",
        patch_size=(64, 64, 32),
        intensity=WindowIntensity(lower=-600.0, upper=0.0),
        orientation="PIL",
    )
    prediction = make_predictor(3, transforms=transforms).predict(image)
    # the middle of the window, -300 HU, becomes one half
    assert np.array_equal(prediction.label_map.array, image.array[0] > -300.0)
    assert prediction.label_map.affine == image.affine
    body = max(prediction.objects, key=lambda row: row.voxels)
    assert body.volume_ml == pytest.approx(body.voxels * np.prod(image.spacing_mm) / 1000.0, rel=1e-6)
    assert body.mean_intensity > -300.0


@pytest.mark.real_data
def test_a_microscopy_stack_is_segmented_slice_by_slice(make_predictor, data_dir):
    image = read_image(data_dir / "isbi2012" / "test-volume.tif")
    few = image.replace(array=image.array[:, :3])
    transforms = TransformsConfig(
        pipeline="microscopy", patch_size=(256, 256), intensity=WindowIntensity(lower=0.0, upper=255.0)
    )
    prediction = make_predictor(transforms=transforms).predict(few)
    assert prediction.label_map.axes == "ZYX"
    assert np.array_equal(prediction.label_map.array, few.array[0] > 127.5)
