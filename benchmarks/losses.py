"""dice_focal of 25 classes at 64^3, forward and backward, against cross-entropy and MONAI: time, memory, gradients.

Process time on one thread, rounds interleaved; memory is the peak above what was there before, each loss in a process
of its own. MONAI's sum is DiceLoss + 25 times FocalLoss(use_softmax), for that is what ours means: MONAI's focal loss
averages over classes too. `--goals` ends with an error where goals are missed.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from monai.losses import DiceLoss, FocalLoss
from timing import print_ratios, smallest_times
from torch import Tensor, nn

from medseg.losses import build_loss
from medseg.losses.voxel_batch import VoxelBatch

NUM_CLASSES = 25
SPATIAL_SHAPE = (64, 64, 64)
LOGITS_BYTES = 4 * NUM_CLASSES * 64**3
TIME_GOALS = {"cross-entropy (torch)": 1.4, "MONAI Dice + focal": 1 / 5}
"""Peer -> the largest part of its time that dice_focal may take."""
MEMORY_GOAL = 3.4
"""Peak of dice_focal in sizes of the logits."""
_PEAK, _NOW = "VmHWM", "VmRSS"

Loss = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goals", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak-of", choices=sorted(losses()))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak_of is not None:
        sys.stdout.write(f"{peak_bytes(losses()[arguments.peak_of])}\n")
        return
    check_equal()
    missed = compare_times(arguments.rounds) + compare_memory()
    if arguments.goals and missed:
        message = f"goals missed: {', '.join(missed)}"
        raise SystemExit(message)


def losses() -> dict[str, Loss]:
    dice, focal = DiceLoss(softmax=True, to_onehot_y=True, batch=True), FocalLoss(use_softmax=True, to_onehot_y=True)
    plain = build_loss("dice_focal", num_classes=NUM_CLASSES)
    plain.batch_type = VoxelBatch

    def monai(logits: Tensor, target: Tensor) -> Tensor:
        with_channel = target.unsqueeze(1)
        return dice(logits, with_channel) + NUM_CLASSES * focal(logits, with_channel)

    return {
        "dice_focal": build_loss("dice_focal", num_classes=NUM_CLASSES),
        "cross-entropy (torch)": nn.functional.cross_entropy,
        "cross_entropy": build_loss("cross_entropy", num_classes=NUM_CLASSES),
        "dice_focal by autograd": plain,
        "MONAI Dice + focal": monai,
    }


def data(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Logits that lean towards the reference, as in the middle of a training."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(0, NUM_CLASSES, (1, *SPATIAL_SHAPE), generator=generator)
    logits = 2 * torch.randn(1, NUM_CLASSES, *SPATIAL_SHAPE, generator=generator)
    return logits.scatter_add_(1, target.unsqueeze(1), torch.full((1, 1, *SPATIAL_SHAPE), 3.0)).to(dtype), target


def step(loss: Loss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.detach().requires_grad_()
    value = loss(leaf, target)
    value.backward()
    return value.detach(), leaf.grad


def check_equal() -> None:
    """Gradients of the three ways differ by at most 1e-5 of their largest entry."""
    (logits, target), found = data(), losses()
    value, gradient = step(found["dice_focal"], logits, target)
    for name in ("dice_focal by autograd", "MONAI Dice + focal"):
        expected, expected_gradient = step(found[name], logits, target)
        apart = float((gradient - expected_gradient).abs().max() / expected_gradient.abs().max())
        print(f"{name}: value {float(expected):.7f} (ours {float(value):.7f}), gradients {apart:.1e} apart")
        if apart > 1e-5 or abs(float(value - expected)) > 1e-5 * float(expected):
            message = f"dice_focal and {name} differ; a speed without the same answer says nothing"
            raise SystemExit(message)


def compare_times(rounds: int) -> list[str]:
    logits, target = data()
    candidates = {name: lambda loss=loss: step(loss, logits, target) for name, loss in losses().items()}
    times = smallest_times(candidates, rounds=rounds)
    print_ratios(f"forward and backward, {NUM_CLASSES} classes at 64^3", times, against="dice_focal")
    return [f"time of {peer}" for peer, part in TIME_GOALS.items() if times["dice_focal"] > part * times[peer]]


def compare_memory() -> list[str]:
    print(f"peak above logits and target, in sizes of the logits ({LOGITS_BYTES / 2**20:.0f} MiB)")
    peaks = {}
    for name in losses():
        command = [sys.executable, __file__, "--peak-of", name]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks[name] = int(found.stdout) / LOGITS_BYTES
        print(f"  {name:30s} x {peaks[name]:.2f}")
    return ["memory"] if peaks["dice_focal"] > MEMORY_GOAL else []


def peak_bytes(loss: Loss) -> int:
    """Most memory that a step takes beyond logits and target, the gradient included; Linux only."""
    small, small_target = torch.randn(1, NUM_CLASSES, 8, 8, 8), torch.zeros(1, 8, 8, 8, dtype=torch.long)
    step(loss, small, small_target)
    logits, target = data()
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory(_NOW)
    step(loss, logits, target)
    return _memory(_PEAK) - before


def _memory(kind: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(kind))


if __name__ == "__main__":
    main()
