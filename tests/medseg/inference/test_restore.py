"""From the network's grid back to the image's."""

import numpy as np
import pytest
import torch

from medseg.config import BoundaryClosing, InferenceConfig
from medseg.geometry import Affine, Grid, WorldFrame
from medseg.geometry.orientation import AxisReordering
from medseg.inference.restore import answer, reordering_between, restore


def grid(shape, spacing, **more) -> Grid:
    return Grid(shape, Affine.from_spacing(spacing, frame=WorldFrame.RAS, **more))


def test_a_flip_and_a_swap_are_found_and_nothing_is_interpolated():
    image = grid((4, 6, 8), (1.0, 2.0, 3.0))
    reordering = AxisReordering((2, 0, 1), (True, False, True))
    assert reordering_between(image, reordering.apply_to_grid(image)) == reordering


def test_a_shift_by_half_a_voxel_is_no_reordering():
    assert reordering_between(grid((4, 4), (1.0, 1.0)), grid((4, 4), (1.0, 1.0), origin_mm=(0.5, 0.0))) is None


def test_other_spacings_are_no_reordering():
    assert reordering_between(grid((4, 4), (1.0, 1.0)), grid((4, 4), (1.0, 1.1))) is None


def test_interpolated_probabilities_are_those_of_scipy():
    from scipy.ndimage import map_coordinates

    rng = np.random.default_rng(2)
    logits = torch.from_numpy(rng.normal(size=(3, 6, 7)).astype(np.float32))
    source, target = grid((6, 7), (2.0, 3.0), origin_mm=(1.0, 1.0)), grid((9, 14), (1.1, 1.2), origin_mm=(2.0, 2.0))
    probabilities = torch.softmax(logits, 0).numpy()
    restored = restore(logits.clone(), source=source, target=target, with_probabilities=True)
    places = source.affine.apply_inverse(
        target.affine.apply(np.stack(np.meshgrid(np.arange(9), np.arange(14), indexing="ij"), -1))
    )
    expected = np.stack(
        [map_coordinates(p, np.moveaxis(places, -1, 0), order=1, mode="nearest") for p in probabilities]
    )
    assert np.allclose(restored.probabilities, expected, atol=1e-5)
    assert np.array_equal(restored.class_indices, expected.argmax(0))
    assert np.allclose(restored.confidence, expected.max(0), atol=1e-5)


def test_equal_probabilities_give_the_lower_class():
    same = grid((3, 3), (1.0, 1.0))
    other = grid((6, 6), (0.5, 0.5))
    for target in (same, other):
        restored = restore(torch.zeros(4, 3, 3), source=same, target=target, with_probabilities=False)
        assert not restored.class_indices.any()
        assert np.allclose(restored.confidence, 0.25)


@pytest.mark.parametrize(("classes", "kind"), [(256, np.uint8), (300, np.uint16)])
def test_hundreds_of_classes_keep_their_indices(classes, kind):
    logits = torch.randn(classes, 7, 9, generator=torch.Generator().manual_seed(1))
    same, coarser = grid((7, 9), (1.0, 1.0)), grid((3, 4), (2.0, 2.0))
    restored = restore(logits.clone(), source=same, target=same, with_probabilities=False)
    assert restored.class_indices.dtype == kind
    assert np.array_equal(restored.class_indices, logits.argmax(0))
    assert restore(logits, source=same, target=coarser, with_probabilities=False).class_indices.dtype == kind


def _wall_with_a_gap() -> torch.Tensor:
    """Logits of a wall down the middle of 9 x 9 voxels; at its middle it is held for no wall, by a little."""
    wall = torch.full((9, 9), -4.0)
    wall[:, 4] = 4.0
    wall[4, 4] = -0.5
    return torch.stack([torch.zeros(9, 9), wall])


def test_a_package_that_closes_boundaries_parts_the_two_sides_of_a_wall():
    same = grid((9, 9), (1.0, 1.0))
    closing = InferenceConfig(close_boundaries=BoundaryClosing(class_index=1, smoothing_voxel=0.0, depth=0.2))
    closed = answer(_wall_with_a_gap(), source=same, target=same, inference=closing, with_probabilities=False)
    plain = answer(_wall_with_a_gap(), source=same, target=same, inference=InferenceConfig(), with_probabilities=True)
    assert plain.class_indices[:, 4].tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1]
    assert closed.class_indices[:, 4].tolist() == [1] * 9
    assert closed.class_indices.sum() == 9
    assert closed.probabilities is None


def test_the_confidence_on_a_closed_gap_is_the_one_of_the_boundary():
    same = grid((9, 9), (1.0, 1.0))
    closing = InferenceConfig(close_boundaries=BoundaryClosing(class_index=1, smoothing_voxel=0.0, depth=0.2))
    closed = answer(_wall_with_a_gap(), source=same, target=same, inference=closing, with_probabilities=False)
    assert closed.confidence[4, 4] == pytest.approx(1 / (1 + np.exp(0.5)), abs=1e-6)


@pytest.mark.parametrize("target", [grid((9, 9), (1.0, 1.0)), grid((12, 13), (0.8, 0.7))])
@pytest.mark.parametrize("closing", [None, BoundaryClosing(class_index=1, smoothing_voxel=0.0, depth=0.2)])
@pytest.mark.parametrize("temperature", [0.4, 2.5])
def test_a_temperature_changes_probabilities_but_no_label(target, closing, temperature):
    same = grid((9, 9), (1.0, 1.0))
    logits = torch.randn(3, 9, 9, generator=torch.Generator().manual_seed(5)) * 3
    plain, calibrated, without = (
        answer(logits.clone(), source=same, target=target, inference=settings, with_probabilities=keep)
        for settings, keep in (
            (InferenceConfig(close_boundaries=closing), True),
            (InferenceConfig(close_boundaries=closing, temperature=temperature), True),
            (InferenceConfig(close_boundaries=closing, temperature=temperature), False),
        )
    )
    assert np.array_equal(calibrated.class_indices, plain.class_indices)
    assert np.array_equal(without.class_indices, plain.class_indices)
    assert calibrated.probabilities.sum(0) == pytest.approx(1, abs=1e-5)
    assert calibrated.probabilities.dtype == calibrated.confidence.dtype == np.float32
    assert np.abs(calibrated.probabilities - plain.probabilities).max() > 0.05
    assert np.array_equal(without.confidence, calibrated.confidence)
    assert without.probabilities is None
    chosen = np.take_along_axis(calibrated.probabilities, plain.class_indices[np.newaxis].astype(int), axis=0)[0]
    assert np.array_equal(calibrated.confidence, chosen)


def test_without_interpolation_a_temperature_divides_the_logits():
    same = grid((9, 9), (1.0, 1.0))
    logits = torch.randn(3, 9, 9, generator=torch.Generator().manual_seed(6)) * 3
    found = answer(
        logits.clone(), source=same, target=same, inference=InferenceConfig(temperature=2.0), with_probabilities=True
    )
    assert found.probabilities == pytest.approx(torch.softmax(logits / 2, 0).numpy(), abs=1e-6)
