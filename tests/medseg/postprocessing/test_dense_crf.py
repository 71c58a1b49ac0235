"""The fully connected CRF against sums over all pairs written as loops, and against what paper and pencil say."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from medseg.config.dense_crf import DenseCrf
from medseg.errors import GeometryError, InputError
from medseg.postprocessing.dense_crf import refine_probabilities

CRF = DenseCrf(
    appearance_sigma_intensity=20.0,
    appearance_sigma_distance=6.0,
    appearance_weight=4.0,
    smoothness_sigma_distance=1.5,
    smoothness_weight=2.0,
    iterations=5,
)
EXACT = CRF.replace(exact=True)
SMOOTH_ONLY = CRF.replace(appearance_weight=0.0)


def _random(classes, channels, shape, *, seed=0):
    rng = np.random.default_rng(seed)
    steps = np.where(np.arange(shape[-1]) < shape[-1] // 2, 60.0, 150.0)
    image = steps + rng.normal(scale=8.0, size=(channels, *shape))
    probabilities = rng.dirichlet(np.ones(classes), size=shape)
    return np.moveaxis(probabilities, -1, 0).copy(), image


def _by_loops(probabilities, image, crf, spacing):
    """The definition, pixel by pixel: Kraehenbuehl and Koltun's algorithm 1 with Potts and all other classes summed."""
    places = list(np.ndindex(probabilities.shape[1:]))

    def kernel(one, other, sigma_distance, sigma_intensity):
        distance = sum(((a - b) * size) ** 2 for a, b, size in zip(one, other, spacing, strict=True))
        colour = sum((channel[one] - channel[other]) ** 2 for channel in image)
        return math.exp(-distance / (2 * sigma_distance**2) - colour / (2 * sigma_intensity**2))

    terms = [
        (crf.appearance_weight, crf.appearance_sigma_distance, crf.appearance_sigma_intensity),
        (crf.smoothness_weight, crf.smoothness_sigma_distance, math.inf),
    ]
    total = np.zeros((len(places), len(places)))
    for weight, sigma_distance, sigma_intensity in terms:
        rows = {p: sum(kernel(p, q, sigma_distance, sigma_intensity) for q in places) for p in places}
        for i, p in enumerate(places):
            for j, q in enumerate(places):
                if i != j:
                    total[i, j] += weight * kernel(p, q, sigma_distance, sigma_intensity) / math.sqrt(rows[p] * rows[q])
    given = np.array([probabilities[(slice(None), *place)] for place in places])
    marginals = given
    for _ in range(crf.iterations):
        messages = total @ marginals
        others = messages.sum(axis=1, keepdims=True) - messages
        marginals = given * np.exp(-others)
        marginals = marginals / marginals.sum(axis=1, keepdims=True)
    return np.moveaxis(marginals.reshape(*probabilities.shape[1:], -1), -1, 0)


@pytest.mark.parametrize(
    ("channels", "shape", "spacing"),
    [(1, (5, 6), (1.0, 1.0)), (3, (4, 5), (2.0, 0.5)), (1, (2, 3, 4), (3.0, 1.0, 0.7))],
)
def test_exact_sums_are_the_definition(channels, shape, spacing):
    probabilities, image = _random(3, channels, shape)
    expected = _by_loops(probabilities, image, CRF, spacing)
    np.testing.assert_allclose(
        refine_probabilities(probabilities, image, crf=EXACT, spacing=spacing), expected, atol=1e-9
    )
    assert np.abs(expected - probabilities).max() > 0.3


@pytest.mark.parametrize(
    ("channels", "shape", "cells_per_sigma", "worst", "mean"),
    [(1, (24, 24), None, 0.05, 2e-3), (1, (6, 10, 10), None, 0.05, 2e-3), (3, (16, 16), 3.0, 0.1, 5e-3)],
)
def test_the_grid_comes_near_the_exact_sums(channels, shape, cells_per_sigma, worst, mean):
    probabilities, image = _random(3, channels, shape)
    exact = refine_probabilities(probabilities, image, crf=EXACT)
    near = refine_probabilities(probabilities, image, crf=CRF.replace(cells_per_sigma=cells_per_sigma))
    assert np.abs(near - exact).max() < worst
    assert np.abs(near - exact).mean() < mean
    without = refine_probabilities(probabilities, image, crf=SMOOTH_ONLY)
    assert np.abs(without - exact).mean() > 10 * mean


def test_a_finer_grid_comes_nearer():
    probabilities, image = _random(3, 1, (24, 24))
    exact = refine_probabilities(probabilities, image, crf=EXACT)
    errors = [
        np.abs(refine_probabilities(probabilities, image, crf=CRF.replace(cells_per_sigma=cells)) - exact).mean()
        for cells in (1.0, 2.0, 4.0)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize("crf", [CRF, EXACT])
def test_permuting_the_classes_permutes_the_answer(crf):
    probabilities, image = _random(4, 1, (9, 8))
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(
        refine_probabilities(probabilities[order], image, crf=crf),
        refine_probabilities(probabilities, image, crf=crf)[order],
        atol=1e-9,
    )


def test_without_weights_the_probabilities_stay():
    probabilities, image = _random(3, 1, (9, 8))
    crf = CRF.replace(appearance_weight=0.0, smoothness_weight=0.0)
    np.testing.assert_allclose(refine_probabilities(probabilities, image, crf=crf), probabilities, atol=1e-5)


@pytest.mark.parametrize("crf", [CRF, EXACT])
def test_mirroring_and_swapping_the_axes_of_the_image_does_so_with_the_answer(crf):
    # The grid begins at the least of each feature: mirrored, its cells lie elsewhere.
    probabilities, image = _random(2, 1, (9, 8))
    refined = refine_probabilities(probabilities, image, crf=crf)
    swapped = refine_probabilities(probabilities.swapaxes(1, 2).copy(), image.swapaxes(1, 2).copy(), crf=crf)
    np.testing.assert_allclose(swapped.swapaxes(1, 2), refined, atol=1e-9)
    mirrored = refine_probabilities(probabilities[:, ::-1], image[:, ::-1], crf=crf)
    np.testing.assert_allclose(mirrored[:, ::-1], refined, atol=1e-9 if crf.exact else 0.05)


@pytest.mark.parametrize("around", [0.99, 1.01])
def test_smoothness_takes_an_island_of_one_pixel_from_the_weight_that_the_hand_finds(around):
    # Three pixels in a row, classes 0 1 0 with p = 0.8 each. With a the kernel at distance 1, a^4 is that at 2; the
    # rows' sums are 1 + 2a in the middle and 1 + a + a^4 at the ends. The ends pull the middle to class 0 by
    # w 2a (2p - 1) / sqrt((1 + 2a)(1 + a + a^4)), its own scores hold it by ln(p / (1 - p)).
    p, sigma = 0.8, 1.5
    a = math.exp(-1 / (2 * sigma**2))
    pull = 2 * a * (2 * p - 1) / math.sqrt((1 + 2 * a) * (1 + a + a**4))
    weight = around * math.log(p / (1 - p)) / pull
    crf = SMOOTH_ONLY.replace(smoothness_weight=weight, smoothness_sigma_distance=sigma, iterations=1)
    ones = np.array([[1 - p, p, 1 - p]])
    refined = refine_probabilities(np.stack([1 - ones, ones]), np.zeros((1, 1, 3)), crf=crf)
    expected = 1 / (1 + math.exp((around - 1) * math.log(p / (1 - p))))
    assert refined[1, 0, 1] == pytest.approx(expected, abs=1e-9)
    assert (refined[1, 0, 1] > 0.5) == (around < 1)


def test_on_a_constant_image_an_island_goes_and_a_straight_edge_stays():
    ones = np.full((15, 16), 0.2)
    ones[:, 8:] = 0.8
    edge = ones > 0.5
    ones[7, 3] = 0.8
    ones[4, 12] = 0.2
    refined = refine_probabilities(np.stack([1 - ones, ones]), np.zeros((1, 15, 16)), crf=SMOOTH_ONLY)
    assert np.array_equal(refined[1] > 0.5, edge)


def test_appearance_moves_an_edge_to_that_of_the_image():
    image = np.zeros((1, 12, 20))
    image[..., 10:] = 200.0
    ones = np.full((12, 20), 0.3)
    ones[:, 8:] = 0.7  # two columns too many
    refined = refine_probabilities(np.stack([1 - ones, ones]), image, crf=CRF.replace(appearance_weight=10.0))
    assert np.array_equal(refined[1] > 0.5, image[0] > 100)


def test_distances_are_in_the_unit_of_the_spacing():
    probabilities, image = _random(2, 1, (9, 8))
    doubled = CRF.replace(appearance_sigma_distance=12.0, smoothness_sigma_distance=3.0)
    np.testing.assert_allclose(
        refine_probabilities(probabilities, image, crf=doubled, spacing=(2.0, 2.0)),
        refine_probabilities(probabilities, image, crf=CRF),
        atol=1e-9,
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_answer_sums_to_one_and_is_of_the_type_of_the_question(dtype):
    probabilities, image = _random(3, 1, (9, 8))
    given = probabilities.astype(dtype)
    refined = refine_probabilities(given, image.astype(np.int16), crf=CRF)
    assert refined.dtype == (np.float64 if dtype == np.float64 else np.float32)
    np.testing.assert_allclose(refined.sum(axis=0), 1.0, atol=1e-5)
    assert np.array_equal(given, probabilities.astype(dtype))


def test_classes_smoothed_in_parts_give_the_same(monkeypatch):
    probabilities, image = _random(3, 1, (9, 8))
    whole = refine_probabilities(probabilities, image, crf=CRF)
    monkeypatch.setattr("medseg.postprocessing.bilateral_grid._VALUES_AT_ONCE", 1)
    np.testing.assert_allclose(refine_probabilities(probabilities, image, crf=CRF), whole, atol=1e-9)


def test_an_impossible_class_can_come_back():
    ones = np.ones((9, 9))
    ones[4, 4] = 0.0
    crf = SMOOTH_ONLY.replace(smoothness_weight=100.0)
    assert refine_probabilities(np.stack([1 - ones, ones]), np.zeros((1, 9, 9)), crf=crf)[1, 4, 4] > 0.5


@pytest.mark.parametrize(
    ("probabilities", "image", "spacing", "error", "message"),
    [
        (np.full((2, 4, 4), 0.5), np.zeros((4, 4)), None, GeometryError, "same two or"),
        (np.full((2, 4, 4), 0.5), np.zeros((1, 4, 5)), None, GeometryError, "same two or"),
        (np.full((2, 4), 0.5), np.zeros((1, 4)), None, GeometryError, "same two or"),
        (np.full((2, 0, 4), 0.5), np.zeros((1, 0, 4)), None, GeometryError, "same two or"),
        (np.full((2, 4, 4), 0.5), np.zeros((1, 4, 4)), (1.0,), GeometryError, "each of 2 axes"),
        (np.full((2, 4, 4), 0.5), np.zeros((1, 4, 4)), (1.0, 0.0), InputError, "above 0"),
        (np.full((2, 4, 4), 0.7), np.zeros((1, 4, 4)), None, InputError, "sum to 1"),
        (np.full((2, 4, 4), np.nan), np.zeros((1, 4, 4)), None, InputError, "sum to 1"),
        (np.stack([np.full((4, 4), -0.5), np.full((4, 4), 1.5)]), np.zeros((1, 4, 4)), None, InputError, "0 or more"),
        (np.full((2, 4, 4), 0.5), np.full((1, 4, 4), np.inf), None, InputError, "not finite"),
    ],
)
def test_what_cannot_be_refined_is_refused(probabilities, image, spacing, error, message):
    with pytest.raises(error, match=message):
        refine_probabilities(probabilities, image, crf=CRF, spacing=spacing)


def test_an_image_too_large_for_exact_sums_or_for_the_grid_is_refused():
    flat = np.full((2, 128, 65), 0.5)
    with pytest.raises(InputError, match="at most 8192 pixels, got 8320"):
        refine_probabilities(flat, np.zeros((1, 128, 65)), crf=EXACT)
    wide = np.zeros((1, 128, 65))
    wide[0, 0, 0] = 1e7
    with pytest.raises(InputError, match=r"65 x 34 x 1500002 cells.*sigmas larger"):
        refine_probabilities(flat, wide, crf=CRF)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"appearance_sigma_intensity": 0.0},
        {"appearance_sigma_intensity": 1.0, "smoothness_weight": -1.0},
        {"appearance_sigma_intensity": 1.0, "iterations": 0},
        {"appearance_sigma_intensity": 1.0, "cells_per_sigma": 0.5},
        {"appearance_sigma_intensity": 1.0, "sigma": 1.0},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        DenseCrf(**wrong)
