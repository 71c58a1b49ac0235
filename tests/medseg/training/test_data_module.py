import hashlib

import numpy as np
import pytest
import torch

from medseg.config import Augmentation, BorderWeights, PercentileIntensity, TransformsConfig
from medseg.datasets.case import Case
from medseg.errors import ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, LabelMap, LabelTable
from medseg.training.data_module import (
    PatchDataset,
    StepSampler,
    build_train_loader,
    prepare_case,
    prepare_training_cases,
)
from medseg.transforms import build_preparation

TABLE = LabelTable.from_names(["background", "cell"])
CONFIG = TransformsConfig(
    pipeline="microscopy",
    patch_size=(32, 24),
    intensity=PercentileIntensity(),
    border_weights=BorderWeights(),
    augmentation=Augmentation(affine_probability=0.5, elastic_probability=0.5, noise_probability=0.5),
)


def memory_case(number, *, reference=True):
    """A case that lies in memory."""
    rng = np.random.default_rng(number)
    affine = Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS)
    array = rng.random((1, 50 + number, 40))
    label = np.zeros(array.shape[1:], np.uint8)
    label[10:20, 10:20] = label[25:35, 12:30] = 1
    label_map = LabelMap(label, affine, "YX", TABLE)
    return Case(f"case_{number}", f"case_{number}", Image(array, affine, "CYX"), label_map if reference else None)


def dataset(count=3, seed=11):
    return PatchDataset(prepare_training_cases([memory_case(i) for i in range(count)], CONFIG), CONFIG, seed=seed)


def digest(item):
    return hashlib.sha256(b"".join(item[key].numpy().tobytes() for key in sorted(item))).hexdigest()


def batches(*, num_workers=0, start_step=0, steps=4, seed=11):
    loader = build_train_loader(
        dataset(seed=seed), batch_size=3, start_step=start_step, steps=steps, num_workers=num_workers
    )
    return [digest(batch) for batch in loader]


def test_batch_has_the_promised_shapes_and_types():
    loader = build_train_loader(dataset(), batch_size=2, start_step=0, steps=1)
    assert len(loader) == 1
    (batch,) = loader
    assert {key: (tuple(value.shape), value.dtype) for key, value in batch.items()} == {
        "image": ((2, 1, 32, 24), torch.float32),
        "label": ((2, 32, 24), torch.int64),
        "weights": ((2, 32, 24), torch.float32),
    }
    assert all(type(value) is torch.Tensor for value in batch.values())


def test_item_depends_on_seed_and_number_alone():
    first, second = dataset(), dataset()
    second[40], second[3]  # drawn before, in another order
    assert digest(first[7]) == digest(second[7]) == digest(second[7])
    assert digest(first[7]) != digest(first[8])
    assert digest(first[7]) != digest(dataset(seed=12)[7])


def test_same_batches_with_and_without_worker_processes():
    assert batches(num_workers=2) == batches(num_workers=0)


def test_resumed_training_sees_what_the_unbroken_one_would_have_seen():
    assert batches(start_step=2, steps=3) == batches(steps=5)[2:]


def test_loader_leaves_torchs_global_random_state_alone():
    before = torch.get_rng_state()
    list(build_train_loader(dataset(), batch_size=1, start_step=0, steps=2))
    assert torch.equal(torch.get_rng_state(), before)


def test_each_round_shows_every_case_once_in_changing_order():
    patches = dataset(count=5)
    rounds = [[patches.case_number(turn * 5 + place) for place in range(5)] for turn in range(20)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in rounds)
    assert len({tuple(order) for order in rounds}) > 10


def test_item_comes_from_the_case_that_it_names():
    # One case is all foreground, the other has none: the patch tells which one it is of.
    affine = Affine.from_spacing([1.0, 1.0], frame=WorldFrame.RAS)
    config = CONFIG.replace(border_weights=None)
    image = Image(np.random.default_rng(0).random((1, 40, 40)), affine, "CYX")
    prepare = build_preparation(config, training=True)
    cases = [
        prepare({"image": image, "label": LabelMap(np.full((40, 40), value, np.uint8), affine, "YX", TABLE)})
        for value in (0, 1)
    ]
    patches = PatchDataset(cases, config, seed=0)
    for index in range(10):
        assert patches[index]["label"].unique().tolist() == [patches.case_number(index)]


def test_sampler_counts_samples_from_the_beginning_of_the_training():
    sampler = StepSampler(batch_size=4, start_step=10, steps=2)
    assert list(sampler) == [40, 41, 42, 43, 44, 45, 46, 47]
    assert len(sampler) == 8


def test_progress_is_told_after_each_case():
    told = []
    prepare_training_cases(
        [memory_case(0), memory_case(1)],
        CONFIG,
        progress=lambda done, total, case_id: told.append((done, total, case_id)),
    )
    assert told == [(1, 2, "case_0"), (2, 2, "case_1")]


def test_prepared_case_is_whole_and_named():
    prepared = prepare_case(memory_case(2), CONFIG)
    assert prepared["case_id"] == "case_2"
    assert tuple(prepared["image"].shape) == tuple(prepared["label"].shape) == (1, 52, 40)
    assert "weights" not in prepared
    assert "label" not in prepare_case(memory_case(2, reference=False), CONFIG)


def test_case_without_reference_cannot_train():
    with pytest.raises(InputError, match=r"case 'case_0': expected a label map to train on, got none\. Take it out"):
        prepare_training_cases([memory_case(0, reference=False)], CONFIG)


def test_no_case_at_all_is_refused():
    with pytest.raises(InputError, match=r"expected at least one case, got none\. Check the data set's training split"):
        PatchDataset([], CONFIG, seed=0)


def test_broken_case_is_refused_as_one_of_our_errors():
    case = memory_case(0)
    case.image.array[0, 0, 0] = np.nan
    with pytest.raises(ImageFormatError, match="expected finite voxel values, got 1 of 2000"):
        prepare_case(case, CONFIG)
