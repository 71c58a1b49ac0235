"""The generated blocks of tissue: lesions of the wanted share, apart, bright, and the same for the same seed."""

import numpy as np
import pytest
from scipy import ndimage

from medseg.datasets import open_dataset, read_case
from medseg.datasets.generated import make_plans
from medseg.datasets.phantoms import tissue_phantom
from medseg.errors import ConfigError, InputError

_TOUCHING = np.ones((3, 3, 3))


@pytest.fixture(scope="module")
def blocks():
    return [tissue_phantom(np.random.default_rng(seed)) for seed in range(4)]


def test_lesions_fill_the_wanted_share(blocks):
    for _, labels in blocks:
        # Ellipsoids of a few dozen voxels: which centres lie inside varies by a few of them.
        assert labels.array.mean() == pytest.approx(1e-4, rel=0.1)
    shares = [tissue_phantom(np.random.default_rng(1), lesion_fraction=share)[1].array.mean() for share in (2e-4, 1e-3)]
    assert shares == pytest.approx([2e-4, 1e-3], rel=0.1)


def test_a_block_holds_one_to_three_lesions_that_do_not_touch_its_faces(blocks):
    for _, labels in blocks:
        assert 1 <= ndimage.label(labels.array, _TOUCHING)[1] <= 3
        inside = labels.array[1:-1, 1:-1, 1:-1]
        assert inside.sum() == labels.array.sum()


def test_lesions_stand_out_of_the_tissue_but_not_of_the_vessels():
    image, labels = tissue_phantom(np.random.default_rng(3), noise_hu=0.0)
    values, lesion = image.array[0], labels.array == 1
    assert values[ndimage.binary_erosion(lesion)].mean() - np.median(values) > 50
    # Vessels: as bright as a lesion's middle, outside of lesions, in far more voxels.
    bright = (values > 100) & ~ndimage.binary_dilation(lesion, iterations=2)
    assert bright.sum() > 5 * lesion.sum()


def test_noise_has_the_wanted_strength():
    quiet, noisy = (tissue_phantom(np.random.default_rng(3), noise_hu=noise)[0].array for noise in (0.0, 15.0))
    assert np.std(noisy.astype(float) - quiet) == pytest.approx(15.0, rel=0.02)


def test_same_seed_gives_the_same_block_and_another_seed_another(blocks):
    image, labels = tissue_phantom(np.random.default_rng(2))
    assert np.array_equal(image.array, blocks[2][0].array)
    assert np.array_equal(labels.array, blocks[2][1].array)
    assert not np.array_equal(labels.array, blocks[3][1].array)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (16, 64, 64)}, r"expected three sizes of at least 32 voxels, got \(16, 64, 64\)"),
        ({"lesion_fraction": 0.0}, "expected a lesion fraction above 0 and at most 2e-3, got 0"),
    ],
)
def test_impossible_blocks_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        tissue_phantom(np.random.default_rng(0), **settings)


def test_a_block_reads_back_with_its_values(tmp_path):
    options = {"train_cases": 1, "validation_cases": 0, "shape": (48, 40, 32), "lesion_fraction": 1e-3, "seed": 5}
    image, reference = read_case(open_dataset("phantom_tissue", root=tmp_path, options=options).cases()[0])
    plan = make_plans(train=1, validation=0, test=0)[0][0]
    drawn, truth = tissue_phantom(plan.rng(5), shape=(48, 40, 32), lesion_fraction=1e-3)
    assert np.array_equal(image.array, drawn.array)
    assert np.array_equal(reference.array, truth.array)


def test_a_share_beyond_its_range_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"data\.options\.lesion_fraction"):
        open_dataset("phantom_tissue", root=tmp_path, options={"lesion_fraction": 0.1})
