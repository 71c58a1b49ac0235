"""The network of ISBI 2012, window by window and fully convolutional: same logits, process time on one thread."""

import torch
from timing import smallest_times

from medseg.models import SegmentationNetwork, build_model
from medseg.models.sliding_window_cnn import WINDOW

MEASURED = (8, 16, 32)
"""Edges of the output, in pixels, for which both ways are timed."""
SLICE = 512
"""Edge of a slice of ISBI 2012; window by window it is only estimated."""
BATCH = 64
TOLERANCE = 1e-4


def main() -> None:
    torch.set_num_threads(1)
    network = build_model(
        "sliding_window_cnn", in_channels=1, num_classes=2, generator=torch.Generator().manual_seed(0)
    )
    network.eval()
    print("logits of the paper's network (48 maps, window 95), one thread")
    print(f"{'output':>11} {'windows':>8} {'patchwise':>12} {'convolutional':>14} {'ratio':>7} {'difference':>11}")
    seconds_per_window = 0.0
    for edge in MEASURED:
        image = _image(edge)
        difference = float((_patchwise(network, image) - _dense(network, image)).abs().max())
        if difference > TOLERANCE:
            message = f"logits differ by {difference:.1e}; a speed without the same answer says nothing"
            raise SystemExit(message)
        times = smallest_times(
            {
                "patchwise": lambda image=image: _patchwise(network, image),
                "dense": lambda image=image: _dense(network, image),
            },
            rounds=2,
        )
        seconds_per_window = times["patchwise"] / edge**2
        _print_row(edge, times["patchwise"], times["dense"], remark=f"{difference:11.1e}")
    whole = _image(SLICE)
    times = smallest_times({"dense": lambda: _dense(network, whole)}, rounds=1)
    _print_row(SLICE, seconds_per_window * SLICE**2, times["dense"], remark="  estimated from the windows above")


def _image(edge: int) -> torch.Tensor:
    size = edge + WINDOW - 1
    return torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def _dense(network: SegmentationNetwork, image: torch.Tensor) -> torch.Tensor:
    return network(image)


@torch.inference_mode()
def _patchwise(network: SegmentationNetwork, image: torch.Tensor) -> torch.Tensor:
    windows = image[0].unfold(1, WINDOW, 1).unfold(2, WINDOW, 1)
    channels, height, width = windows.shape[:3]
    rows = windows.permute(1, 2, 0, 3, 4).reshape(-1, channels, WINDOW, WINDOW)
    logits = torch.cat([network.classify_patches(batch) for batch in rows.split(BATCH)])
    return logits.T.reshape(1, -1, height, width)


def _print_row(edge: int, patchwise: float, dense: float, *, remark: str) -> None:
    row = f"{f'{edge} x {edge}':>11} {edge**2:8d} {patchwise:10.2f} s {dense:12.2f} s {patchwise / dense:7.1f}"
    print(f"{row} {remark}")


if __name__ == "__main__":
    main()
