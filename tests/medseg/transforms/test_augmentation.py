import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import ndimage

from medseg.config import Augmentation, PercentileIntensity, TransformsConfig
from medseg.transforms import build_augmentation
from medseg.transforms.augmentation import RandomBlur, RandomContrast, RandomNoise, with_gamma

ALWAYS = Augmentation(
    affine_probability=1,
    elastic_probability=1,
    noise_probability=1,
    blur_probability=1,
    contrast_probability=1,
)
NEVER = Augmentation(
    flip_probability=0,
    rotate90_probability=0,
    affine_probability=0,
    elastic_probability=0,
    noise_probability=0,
    blur_probability=0,
    contrast_probability=0,
)


def config(patch_size, augmentation):
    return TransformsConfig(
        pipeline="microscopy", patch_size=patch_size, intensity=PercentileIntensity(), augmentation=augmentation
    )


def sample(shape, *, channels=1):
    rng = np.random.default_rng(5)
    classes = (ndimage.gaussian_filter(rng.standard_normal(shape), 3) > 0).astype(np.uint8)
    return {
        "image": torch.from_numpy(rng.random((channels, *shape), dtype=np.float32)),
        "label": torch.from_numpy(classes[None]),
        "weights": torch.from_numpy(rng.random((1, *shape), dtype=np.float32)),
    }


def digest(patches):
    content = b"".join(patch[key].numpy().tobytes() for patch in patches for key in sorted(patch))
    return hashlib.sha256(content).hexdigest()


def digest_of_seeds(patch_size, shape):
    augmentation = build_augmentation(config(patch_size, ALWAYS))
    patches = []
    for seed in range(3):
        augmentation.set_random_state(seed=seed)
        patches.append(augmentation(sample(shape)))
    return digest(patches)


@pytest.mark.parametrize(("shape", "patch"), [((50, 61), (32, 24)), ((20, 21), (32, 32)), ((30, 31, 9), (16, 24, 8))])
def test_patch_has_the_asked_size_and_types(shape, patch):
    augmentation = build_augmentation(config(patch, ALWAYS))
    for seed in range(4):
        augmentation.set_random_state(seed=seed)
        result = augmentation(sample(shape, channels=2))
        assert set(result) == {"image", "label", "weights"}
        assert (tuple(result["image"].shape), result["image"].dtype) == ((2, *patch), torch.float32)
        assert (tuple(result["label"].shape), result["label"].dtype) == (patch, torch.int64)
        assert (tuple(result["weights"].shape), result["weights"].dtype) == (patch, torch.float32)
        assert all(type(value) is torch.Tensor and value.is_contiguous() for value in result.values())


@pytest.mark.parametrize(("shape", "patch"), [((50, 61), (32, 24)), ((30, 31, 9), (16, 24, 8))])
def test_same_seed_gives_the_same_bytes_and_another_seed_others(shape, patch):
    augmentation = build_augmentation(config(patch, ALWAYS))
    digests = []
    for seed in (1, 1, 2):
        augmentation.set_random_state(seed=seed)
        digests.append(digest([augmentation(sample(shape))]))
    assert digests[0] == digests[1] != digests[2]


def test_same_seed_gives_the_same_bytes_in_another_process_with_more_threads():
    code = (
        f"import sys, torch; torch.set_num_threads(2); sys.path.insert(0, {str(__file__.rsplit('/', 1)[0])!r})\n"
        "import test_augmentation as module\n"
        "print(module.digest_of_seeds((200, 211), (256, 256)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[-1] == digest_of_seeds((200, 211), (256, 256))


def test_global_random_state_is_neither_read_nor_changed():
    augmentation = build_augmentation(config((16, 16), ALWAYS))
    augmentation.set_random_state(seed=0)
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    augmentation(sample((40, 40)))
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("augmentation", [ALWAYS, NEVER])
def test_cached_sample_is_left_as_it_was(augmentation):
    given = sample((32, 32))
    before = digest([given])
    step = build_augmentation(config((32, 32), augmentation))
    step.set_random_state(seed=0)
    result = step(given)
    result["image"] += 1
    result["weights"] += 1
    assert digest([given]) == before


def test_everything_switched_off_returns_the_image_itself():
    given = sample((32, 32))
    result = build_augmentation(config((32, 32), NEVER))(given)
    assert torch.equal(result["image"], given["image"])
    assert torch.equal(result["label"], given["label"][0].long())


def test_gamma_keeps_the_extremes_and_bends_between_them():
    image = np.array([1.0, 1.5, 2.0], dtype=np.float32)
    # (0, 0.5, 1) to the power of 2 is (0, 0.25, 1).
    np.testing.assert_allclose(with_gamma(image, 2.0), [1.0, 1.25, 2.0], rtol=1e-6)
    np.testing.assert_array_equal(with_gamma(np.full(3, 4.0, np.float32), 2.0), [4, 4, 4])


def test_noise_has_at_most_the_asked_deviation():
    step = RandomNoise(Augmentation(noise_probability=1, noise_std=0.1))
    deviations = []
    for seed in range(20):
        step.set_random_state(seed=seed)
        deviations.append(float(step({"image": torch.zeros(1, 64, 64)})["image"].std()))
    assert 0.07 < max(deviations) < 0.105


def test_brightness_moves_the_whole_image_within_its_range():
    step = RandomContrast(Augmentation(contrast_probability=1, gamma_range=(1, 1), brightness_range=(0.2, 0.3)))
    step.set_random_state(seed=0)
    difference = step({"image": torch.tensor([[[0.0, 1.0]]])})["image"] - torch.tensor([[[0.0, 1.0]]])
    assert difference[0, 0, 0] == pytest.approx(float(difference[0, 0, 1]), abs=1e-6)
    assert 0.2 <= difference[0, 0, 0] <= 0.3


def test_blur_spreads_a_point_within_its_channel_only():
    step = RandomBlur(Augmentation(blur_probability=1, blur_sigma_voxel=2))
    step.set_random_state(seed=1)
    image = torch.zeros(2, 21, 21)
    image[0, 10, 10] = 1.0
    blurred = step({"image": image})["image"]
    assert 0 < blurred[0, 10, 10] < 1
    assert blurred[0].sum() == pytest.approx(1.0, abs=1e-5)
    assert not blurred[1].any()


def test_a_probability_is_the_share_of_changed_patches():
    step = RandomNoise(Augmentation(noise_probability=0.2, noise_std=1))
    step.set_random_state(seed=0)
    changed = sum(bool(step({"image": torch.zeros(1, 2, 2)})["image"].any()) for _ in range(1000))
    assert abs(changed - 200) < 4 * np.sqrt(1000 * 0.2 * 0.8)
