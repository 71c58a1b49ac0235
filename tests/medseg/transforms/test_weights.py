import math

import numpy as np
import pytest

from medseg.config import BorderWeights
from medseg.errors import ConfigError
from medseg.geometry import Affine, WorldFrame
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.transforms.weights import AddBorderWeights, border_weights, class_balance_weights, separate_objects

TABLE = LabelTable.from_names(["cell", "membrane"])


def brute_force(objects, *, w0, sigma):
    """Equation 2 of the U-Net paper, written out pixel by pixel and object by object."""
    numbers = [number for number in np.unique(objects) if number != 0]
    places = {number: np.argwhere(objects == number) for number in numbers}
    result = np.zeros(objects.shape)
    for index in np.ndindex(objects.shape):
        distances = sorted(min(math.dist(index, place) for place in places[number].tolist()) for number in numbers)
        if len(distances) >= 2:
            result[index] = w0 * math.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))
    return result


def label_map(array, *, kind=LabelKind.SEMANTIC, table=TABLE):
    affine = Affine.from_spacing([1.0] * array.ndim, frame=WorldFrame.RAS)
    return LabelMap(array, affine, "ZYX"[-array.ndim :], table, kind)


def test_pixel_between_two_objects_weighs_by_the_sum_of_both_distances():
    objects = np.zeros((1, 7), dtype=int)
    objects[0, 0], objects[0, 4] = 1, 2
    weights = border_weights(objects, w0=10, sigma_voxel=5)
    # Pixel 1: 1 to the left object, 3 to the right one; pixel 6: 2 to the right one, 6 to the left one.
    assert weights[0, 1] == pytest.approx(10 * math.exp(-(4**2) / 50), rel=1e-6)
    assert weights[0, 6] == pytest.approx(10 * math.exp(-(8**2) / 50), rel=1e-6)
    # Inside an object the distance to it is 0.
    assert weights[0, 4] == pytest.approx(10 * math.exp(-(4**2) / 50), rel=1e-6)


def test_two_touching_objects_weigh_nearly_w0_at_their_border():
    objects = np.array([[1, 1, 2, 2]])
    assert border_weights(objects, w0=10, sigma_voxel=5)[0, 1] == pytest.approx(10 * math.exp(-1 / 50), rel=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_objects_have_no_border_weight(count):
    objects = np.zeros((9, 9), dtype=int)
    objects[2:4, 2:4] = count
    assert not border_weights(objects, w0=10, sigma_voxel=5).any()


@pytest.mark.parametrize("shape", [(23, 31), (7, 11, 9), (60, 41)])
def test_border_weights_equal_the_equation_computed_pixel_by_pixel(shape):
    rng = np.random.default_rng(7)
    objects = np.zeros(shape, dtype=np.int32)
    for number in range(1, 6):
        corner = [int(rng.integers(0, size - 2)) for size in shape]
        objects[tuple(slice(start, start + int(rng.integers(1, 6))) for start in corner)] = number
    weights = border_weights(objects, w0=10, sigma_voxel=2.0)
    np.testing.assert_allclose(weights, brute_force(objects, w0=10, sigma=2.0), atol=1.1e-3)


def test_missing_object_numbers_do_not_matter():
    objects = np.array([[1, 0, 0, 7]])
    renumbered = np.array([[1, 0, 0, 2]])
    np.testing.assert_array_equal(
        border_weights(objects, w0=10, sigma_voxel=5), border_weights(renumbered, w0=10, sigma_voxel=5)
    )


def test_class_weights_make_classes_weigh_the_same_together_and_the_mean_voxel_1():
    classes = np.array([0] * 6 + [1] * 2)
    weights = class_balance_weights(classes, num_classes=3)
    # 8 voxels, 2 classes present: 8 / (2 * 6) and 8 / (2 * 2); the third class does not occur.
    np.testing.assert_allclose(weights, [8 / 12, 2.0, 0.0])
    assert weights[classes].mean() == pytest.approx(1.0)


def test_rare_class_weighs_no_more_than_ten():
    classes = np.zeros(10_000, dtype=int)
    classes[0] = 1
    assert class_balance_weights(classes, num_classes=2)[1] == 10.0


def test_regions_that_touch_at_a_corner_only_are_two_objects():
    # A membrane of one pixel runs along the diagonal.
    array = np.array([[1, 0], [0, 1]], dtype=np.uint8)
    assert set(separate_objects(label_map(array), object_class=0).ravel()) == {0, 1, 2}


def test_instances_that_touch_stay_apart():
    array = np.array([[4, 9]], dtype=np.uint8)
    instances = label_map(array, kind=LabelKind.INSTANCES, table=LabelTable.from_names(["background", "cell"]))
    np.testing.assert_array_equal(separate_objects(instances, object_class=1), array)


def test_weight_map_is_class_weight_plus_border_weight():
    array = np.array([[0, 0, 0, 1, 0]], dtype=np.uint8)
    settings = BorderWeights(w0=10, sigma_voxel=5, object_class=0)
    weights = AddBorderWeights(settings)({"label": label_map(array)})["weights"]
    assert weights.array.shape == (1, 1, 5)
    # Class weights 5 / (2 * 4) and 5 / (2 * 1); pixel 3 lies 1 from each object; pixel 0 lies 0 and 4 from them.
    assert weights.array[0, 0, 3] == pytest.approx(2.5 + 10 * math.exp(-4 / 50), rel=1e-5)
    assert weights.array[0, 0, 0] == pytest.approx(0.625 + 10 * math.exp(-16 / 50), rel=1e-5)


def test_object_class_outside_the_table_is_refused_with_its_path():
    step = AddBorderWeights(BorderWeights(object_class=5))
    with pytest.raises(ConfigError, match=r"border_weights.object_class: expected a class index below 2, got 5"):
        step({"label": label_map(np.zeros((3, 3), dtype=np.uint8))})
