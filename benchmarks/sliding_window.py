"""Our sliding window against MONAI's and against the bare forward passes: process time on one thread, logits equal."""

import torch
from monai.inferers import SlidingWindowInferer
from timing import print_ratios, smallest_times

from medseg.inference import sliding_window_logits
from medseg.models import build_model

SHAPE = (96, 96, 96)
TILE = (64, 64, 64)
TILES = 8
"""Tiles of 64 with half overlap in 96: two along each axis."""


def main() -> None:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    options = {"spatial_dims": 3, "width": 16, "depth": 4}
    network = build_model("unet", in_channels=1, num_classes=4, generator=generator, **options).eval()
    image = torch.randn(1, *SHAPE, generator=generator)
    inferer = SlidingWindowInferer(TILE, sw_batch_size=1, overlap=0.5, mode="gaussian")
    cpu = torch.device("cpu")

    def bare() -> None:
        tile = image[None, :, :64, :64, :64]
        with torch.inference_mode():
            for _ in range(TILES):
                network(tile)

    def ours(precision: str = "fp32") -> torch.Tensor:
        return sliding_window_logits(
            network, image, tile_size=TILE, overlap_fraction=0.5, device=cpu, precision=precision
        )

    def monai() -> torch.Tensor:
        with torch.inference_mode():
            return inferer(image[None], network)[0]

    difference = float((ours() - monai()).abs().max())
    if difference > 1e-4:
        message = f"logits differ from MONAI's by {difference:.1e}; a speed without the same answer says nothing"
        raise SystemExit(message)
    times = smallest_times(
        {"bare forward passes": bare, "medseg": ours, "MONAI": monai, "medseg, bf16": lambda: ours("bf16")}, rounds=3
    )
    print_ratios("sliding window, 96^3 in tiles of 64^3, 4 classes", times, against="bare forward passes")


if __name__ == "__main__":
    main()
