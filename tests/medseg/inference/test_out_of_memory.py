"""A device without memory costs time and not the result; the result says what was done.

The device "meta" stands for one that is full: it takes tensors and has no memory at all for their values.
"""

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from medseg.errors import OutOfMemoryError
from medseg.inference import sliding_window_logits
from medseg.inference.workplace import Workplace, copy_on_cpu, is_out_of_memory, moved_to

FULL = torch.device("meta")
CPU = torch.device("cpu")
TOO_MANY = 2**60


class Convolution(nn.Module):
    """Two classes by one convolution; answers only where there is memory."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 3, padding=1)
        self.register_buffer("shift", torch.tensor(0.25))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.device != CPU:
            message = "Tried to allocate 20.00 MiB."
            raise torch.OutOfMemoryError(message)
        return self.layer(images) + self.shift


class FullNow(nn.Module):
    """Answers with what it gets, save in the passes whose numbers are named: there it asks for an exabyte."""

    def __init__(self, *passes: int) -> None:
        super().__init__()
        self.passes = passes
        self.number = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.number += 1
        if self.number in self.passes:
            torch.empty(TOO_MANY)
        return torch.cat([-images, images], dim=1)


class FullAlways(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.empty(TOO_MANY) + images


class FullElsewhere(nn.Module):
    """A threshold at one half that needs the CPU."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.device != CPU:
            message = "MPS backend out of memory (MPS allocated: 18.04 GB, other allocations: 1.00 GB)."
            raise RuntimeError(message)
        return torch.cat([0.5 - images, images - 0.5], dim=1)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(7))


def logits(network: nn.Module, image: torch.Tensor, device: torch.device, **more) -> torch.Tensor:
    settings = {"tile_size": (16, 16), "overlap_fraction": 0.5, "device": device, "precision": "fp32"}
    return sliding_window_logits(network, image, **{**settings, **more})


@pytest.mark.parametrize("mirror", [False, True])
def test_a_full_device_gives_the_answer_of_the_cpu(mirror):
    network, image = Convolution().eval(), noise(1, 40, 33)
    found, expected = (logits(network, image, device, mirror=mirror) for device in (FULL, CPU))
    assert (found - expected).abs().max() <= 1e-6


def test_memory_that_comes_back_is_used_and_the_window_not_lost():
    network, image = FullNow(2), noise(1, 40, 33)
    assert torch.allclose(logits(network, image, CPU), torch.cat([-image, image]), atol=1e-6)


def test_a_cpu_without_memory_is_one_line_with_the_size_of_the_window():
    with pytest.raises(OutOfMemoryError, match=r"^not enough memory on the CPU for a window of 16 x 16 voxels\. .*\.$"):
        logits(FullAlways(), noise(1, 40, 33), CPU)


def test_an_error_of_another_kind_is_not_taken_for_want_of_memory():
    with pytest.raises(RuntimeError, match="expected input"):
        logits(nn.Conv2d(3, 2, 3, padding=1), noise(1, 16, 16), CPU)


def test_the_tensors_of_a_failed_pass_are_free_before_the_next_attempt():
    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.earlier: list[weakref.ref] = []
            self.alive: list[bool] = []

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            gc.disable()
            self.alive += [one() is not None for one in self.earlier]
            hidden = images * 2
            self.earlier.append(weakref.ref(hidden))
            if len(self.earlier) < 2:
                torch.empty(TOO_MANY)
            return hidden

    network = Watched()
    try:
        Workplace(network, device=CPU, precision="fp32").answer(noise(1, 1, 8, 8), lambda net, source: net(source))
    finally:
        gc.enable()
    assert network.alive == [False]


def test_a_prediction_says_what_was_done_and_is_the_same(make_predictor, make_image):
    image = make_image(np.random.default_rng(3).random((40, 33)).astype(np.float32))
    predictor = make_predictor(network=FullElsewhere())
    plain = predictor.predict(image)
    predictor.device = FULL
    for _ in range(2):  # the device is tried again for the next image
        prediction = predictor.predict(image)
        assert np.array_equal(prediction.label_map.array, plain.label_map.array)
        assert prediction.fallbacks == (
            "the device meta ran out of memory; what was kept in reserve was given back.",
            "the device meta ran out of memory again; the rest was computed on the CPU.",
        )
        assert set(prediction.fallbacks) <= set(prediction.label_map.metadata.notes)
    assert plain.fallbacks == ()


def test_a_stack_of_slices_steps_down_once_and_not_at_each_slice(make_predictor, make_image):
    image = make_image(np.random.default_rng(3).random((5, 20, 20)).astype(np.float32), axes="CZYX")
    predictor = make_predictor(network=FullElsewhere())
    plain = predictor.predict(image)
    predictor.device = FULL
    prediction = predictor.predict(image)
    assert np.array_equal(prediction.label_map.array, plain.label_map.array)
    assert len(prediction.fallbacks) == 2


def test_an_image_that_does_not_fit_is_one_line(make_predictor, make_image):
    with pytest.raises(OutOfMemoryError, match=r"not enough memory on the CPU for a window of 16 x 16 voxels"):
        make_predictor(network=FullAlways()).predict(make_image(np.zeros((20, 20), np.float32)))


def test_a_network_that_does_not_fit_onto_the_device_stays_on_the_cpu():
    class Heavy(nn.Conv2d):
        def to(self, device, *args, **kwargs):
            if torch.device(device) != CPU:
                message = "CUDA out of memory. Tried to allocate 2.00 GiB."
                raise torch.OutOfMemoryError(message)
            return super().to(device, *args, **kwargs)

    device, fallbacks = moved_to(Heavy(1, 1, 1), FULL)
    assert device == CPU
    assert fallbacks == ("the device meta has no memory for the network; the CPU was taken.",)


def test_the_copy_on_the_cpu_shares_weights_as_the_network_does_and_leaves_it_alone():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].weight = network[0].weight
    before = [parameter.clone() for parameter in network.parameters()]
    copied = copy_on_cpu(network)
    assert copied[1].weight is copied[0].weight
    assert copied[0].weight is not network[0].weight
    assert all(torch.equal(one, other) for one, other in zip(copied.parameters(), before, strict=True))
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("shape '[2]' is invalid for input of size 3"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_which_errors_are_want_of_memory(error, expected):
    assert is_out_of_memory(error) is expected
