"""What a network costs: weights, arithmetic, time and memory of a training step.

Each network is measured in a process of its own (`python -m medseg.jobs.network_cost`), since the largest memory that
a process ever held cannot be told apart for several networks in one.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from medseg.config import TrainingRecipe
from medseg.errors import InputError
from medseg.inference.device import choose_device, choose_precision
from medseg.losses import build_loss
from medseg.models import DetectionNetwork, SegmentationNetwork, build_model
from medseg.training.objectives import ClassObjective, Objective, ObjectObjective
from medseg.training.optimisers import build_optimiser

_WARM_UP_STEPS = 1
_TIMED_STEPS = 3
_PITCH, _SIDE = 32, 20
"""Pixels from one square to the next, and of its side."""
_LAST_LINES = 3
"""Lines of a failed measurement's traceback that go into the message."""


@dataclass(frozen=True)
class NetworkCost:
    """What a network costs with the patches and batches of its recipe.

    Attributes:
        parameters: trainable weights.
        gflops: 1e9 floating-point operations of one forward pass of one patch, a multiply-add counted as two; None
            for networks that find objects, where they depend on how many there are.
        step_seconds: median time of a training step (forward, loss, backward, update), without reading data.
        peak_memory_bytes: on a CPU by how much the process grew at most while training; on CUDA the most that was
            allocated; None where the system does not tell.
    """

    parameters: int
    gflops: float | None
    step_seconds: float
    peak_memory_bytes: int | None


def measure_apart(recipe: TrainingRecipe, *, in_channels: int, num_classes: int, device: str) -> NetworkCost:
    """`measure_cost` in a fresh process.

    Raises:
        InputError: the process failed; the message holds its last lines.
    """
    request = {
        "recipe": recipe.model_dump(mode="json"),
        "in_channels": in_channels,
        "num_classes": num_classes,
        "device": device,
    }
    done = subprocess.run(  # this very program
        [sys.executable, "-m", "medseg.jobs.network_cost"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = " ".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        message = f"measuring the cost of {recipe.model.name} failed (exit {done.returncode}): {last}"
        raise InputError(message)
    return NetworkCost(**json.loads(done.stdout.splitlines()[-1]))


def measure_cost(recipe: TrainingRecipe, *, in_channels: int, num_classes: int, device: str) -> NetworkCost:
    """The cost of the recipe's network, on random images in batches as the recipe trains it.

    The labels are random as well, and squares on a grid for a network that finds objects.

    Raises:
        MedsegError: the network or the loss cannot be built, or does not take the patch size.
    """
    torch_device = choose_device(device)
    before = _peak_process_bytes()
    patch = recipe.transforms.patch_size
    network = build_model(
        recipe.model.name,
        in_channels=in_channels,
        num_classes=num_classes,
        spatial_dims=len(patch),
        **recipe.model.options,
    ).to(torch_device)
    generator = torch.Generator().manual_seed(recipe.training.seed)
    count = recipe.training.batch_size
    images = torch.randn(count, in_channels, *patch, generator=generator).to(torch_device)
    objective: Objective
    if isinstance(network, DetectionNetwork):
        labels = _squares(patch, num_classes=num_classes).expand(count, *patch)
        gflops, objective = None, ObjectObjective(network)
    else:
        labels = torch.randint(num_classes, (count, *patch), generator=generator)
        gflops, objective = _forward_gflops(network, images[:1]), _class_objective(recipe, num_classes=num_classes)
    batch = {"image": images, "label": labels.to(torch_device)}
    step_seconds = _step_seconds(network, recipe, objective.to(torch_device), batch, device=torch_device)
    if torch_device.type == "cuda":
        peak: int | None = torch.cuda.max_memory_allocated(torch_device)
    else:
        after = _peak_process_bytes()
        peak = None if before is None or after is None else after - before
    parameters = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    return NetworkCost(parameters, gflops, step_seconds, peak)


def _forward_gflops(network: SegmentationNetwork, image: torch.Tensor) -> float:
    counter = FlopCounterMode(display=False)
    network.eval()
    with torch.no_grad(), counter:
        network(image)
    return counter.get_total_flops() / 1e9


def _squares(shape: Sequence[int], *, num_classes: int) -> torch.Tensor:
    """Codes of objects (`medseg.transforms.object_codes`), one on each place of a grid, the classes in turn."""
    places = torch.meshgrid(*(torch.arange(size) for size in shape), indexing="ij")
    inside = torch.stack([place % _PITCH < _SIDE for place in places]).all(dim=0)
    columns = -(-shape[1] // _PITCH)
    number = places[0] // _PITCH * columns + places[1] // _PITCH + 1
    return torch.where(inside, number * num_classes + 1 + number % (num_classes - 1), 0)


def _class_objective(recipe: TrainingRecipe, *, num_classes: int) -> ClassObjective:
    return ClassObjective(
        build_loss(
            recipe.loss.name,
            num_classes=num_classes,
            # The random labels have every class equally often.
            class_counts=lambda: np.ones((1, num_classes)),
            **recipe.loss.options,
        )
    )


def _step_seconds(
    network: SegmentationNetwork | DetectionNetwork,
    recipe: TrainingRecipe,
    objective: Objective,
    batch: dict[str, torch.Tensor],
    *,
    device: torch.device,
) -> float:
    network.train()
    optimiser = build_optimiser(recipe.training.optimiser, network)
    has_bf16 = choose_precision(device, recipe.training.precision) == "bf16"
    times = []
    for _ in range(_WARM_UP_STEPS + _TIMED_STEPS):
        started = time.perf_counter()
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bf16):
            value = objective(network, batch).total
        value.backward()
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[_WARM_UP_STEPS:])


def _peak_process_bytes() -> int | None:
    """The most memory that this process has held so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux its figure begins with that of the process which started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _main() -> None:
    request: dict[str, Any] = json.load(sys.stdin)
    recipe = TrainingRecipe.model_validate(request.pop("recipe"))
    sys.stdout.write(json.dumps(asdict(measure_cost(recipe, **request))) + "\n")


if __name__ == "__main__":
    _main()
