"""The generated microscopy: exact, countable, and the same for the same seed."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from medseg.datasets.phantoms import cell_mask, cells_phantom
from medseg.errors import InputError

_DIGEST = """
import hashlib, numpy as np
from medseg.datasets.phantoms import cells_phantom
image, cells = cells_phantom(np.random.default_rng(7), shape=(96, 128))
print(hashlib.sha256(image.array.tobytes() + cells.array.tobytes()).hexdigest())
"""


def test_same_seed_gives_the_same_bytes_in_another_process():
    image, cells = cells_phantom(np.random.default_rng(7), shape=(96, 128))
    here = hashlib.sha256(image.array.tobytes() + cells.array.tobytes()).hexdigest()
    there = subprocess.run([sys.executable, "-c", _DIGEST], capture_output=True, text=True, check=True).stdout.strip()
    assert here == there


def test_other_seeds_give_other_pictures():
    first, _ = cells_phantom(np.random.default_rng(1))
    second, _ = cells_phantom(np.random.default_rng(2))
    assert (first.array != second.array).mean() > 0.9


@pytest.mark.parametrize("seed", range(6))
def test_cells_can_be_counted_again_from_the_mask(seed):
    _, cells = cells_phantom(np.random.default_rng(seed))
    mask = cell_mask(cells)
    for structure in (None, np.ones((3, 3))):
        pieces, count = ndimage.label(mask.array, structure)
        assert count == cells.array.max()
        owners = {(int(pieces[at]), int(cells.array[at])) for at in zip(*np.nonzero(mask.array), strict=True)}
        assert len(owners) == count


@pytest.mark.parametrize("seed", range(3))
def test_many_cells_touch(seed):
    _, cells = cells_phantom(np.random.default_rng(seed))
    right, left = cells.array[:, 1:], cells.array[:, :-1]
    touching = (right != left) & (right > 0) & (left > 0)
    pairs = {tuple(sorted(pair)) for pair in zip(right[touching].tolist(), left[touching].tolist(), strict=True)}
    assert len(pairs) >= 10


def test_numbers_of_cells_have_no_gaps():
    _, cells = cells_phantom(np.random.default_rng(3))
    values = np.unique(cells.array)
    assert values.tolist() == list(range(values.size))


def test_light_is_uneven_and_cells_are_brighter_than_what_is_around_them():
    image, cells = cells_phantom(np.random.default_rng(4), noise=0.0)
    inside = ndimage.binary_erosion(cells.array > 0, iterations=2)
    outside = ~ndimage.binary_dilation(cells.array > 0, iterations=6)
    values = image.array[0].astype(float)
    assert values[inside].mean() > 2 * values[outside].mean()
    assert np.percentile(values[outside], 95) > 1.1 * np.percentile(values[outside], 5)


def test_noise_grows_with_its_strength():
    clean, _ = cells_phantom(np.random.default_rng(5), noise=0.0)
    noisy, _ = cells_phantom(np.random.default_rng(5), noise=1.0)
    noisier, _ = cells_phantom(np.random.default_rng(5), noise=2.0)
    unsaturated = (clean.array > 400) & (clean.array < 2000)
    spread = [(picture.array.astype(float) - clean.array)[unsaturated].std() for picture in (noisy, noisier)]
    assert spread[1] == pytest.approx(2 * spread[0], rel=0.05)


def test_a_picture_without_cells_is_all_background():
    _, cells = cells_phantom(np.random.default_rng(0), coverage=0.0)
    assert not cells.array.any()
    assert not cell_mask(cells).array.any()


def test_half_a_micrometre_a_pixel_and_rows_are_y():
    image, cells = cells_phantom(np.random.default_rng(0), shape=(64, 96))
    assert image.array.shape == (1, 64, 96)
    assert image.spacing_mm == pytest.approx((5e-4, 5e-4))
    assert image.affine.apply([10, 0]) == pytest.approx([0.0, 5e-3])  # ten rows down is 5 um along y
    assert cells.grid.is_same_as(image.grid)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (16, 64)}, r"two sizes of at least 32 pixels, got \(16, 64\)"),
        ({"coverage": 0.9}, "coverage of 0 to 0.8, got 0.9"),
        ({"mean_radius_voxel": 2.0}, "mean radius of 4 to 64 pixels, got 2"),
    ],
)
def test_impossible_pictures_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        cells_phantom(np.random.default_rng(0), **arguments)
