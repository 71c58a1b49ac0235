"""Tiles put together are what one pass over the whole image would give."""

import numpy as np
import pytest
import torch
from monai.inferers import SlidingWindowInferer
from torch import nn

from medseg.errors import Cancelled, InputError, ModelPackageError
from medseg.geometry.tiling import tile_slices
from medseg.inference.sliding_window import accepted_tile_size, sliding_window_logits
from medseg.models import build_model


def run(network, image, tile_size, *, overlap_fraction=0.5, precision="fp32", **more):
    return sliding_window_logits(
        network,
        image,
        tile_size=tile_size,
        overlap_fraction=overlap_fraction,
        device=torch.device("cpu"),
        precision=precision,
        **more,
    )


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


class TestIdentity:
    @pytest.mark.parametrize(
        ("shape", "tile"),
        [
            ((37, 53), (16, 16)),
            ((1, 1), (16, 16)),
            ((1, 40), (16, 8)),
            ((3, 5), (16, 16)),
            ((16, 16), (16, 16)),
            ((17, 16), (16, 16)),
            ((31, 7, 1), (8, 8, 8)),
            ((9, 10, 11), (4, 6, 8)),
        ],
    )
    @pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.75])
    def test_a_network_that_changes_nothing_gives_the_image_back(self, shape, tile, overlap):
        image = noise(2, *shape)
        result = run(nn.Identity(), image, tile, overlap_fraction=overlap)
        assert result.shape == image.shape
        assert torch.allclose(result, image, atol=1e-5)

    def test_the_image_is_not_changed(self):
        image = noise(1, 20, 20)
        before = image.clone()
        run(nn.Identity(), image, (8, 8))
        assert torch.equal(image, before)

    def test_a_meta_tensor_gives_a_plain_tensor(self):
        from monai.data import MetaTensor

        result = run(nn.Identity(), MetaTensor(noise(1, 20, 20)), (8, 8))
        assert type(result) is torch.Tensor


class TestAgainstOneWholePass:
    def test_voxels_that_each_tile_sees_with_all_surroundings_are_equal(self):
        radius = 2
        generator = torch.Generator().manual_seed(0)
        network = nn.Conv2d(1, 3, 2 * radius + 1, padding=radius)
        nn.init.normal_(network.weight, generator=generator)
        image = noise(1, 45, 61)
        tiled = run(network, image, (16, 20))
        with torch.no_grad():
            whole = network(image[None])[0]
        is_interior = np.ones((45, 61), dtype=bool)
        for tile in tile_slices((45, 61), (16, 20), overlap_fraction=0.5):
            for axis, side in enumerate(tile):
                for border, inner in ((side.start, side.start + radius), (side.stop, side.stop - radius)):
                    if 0 < border < (45, 61)[axis]:
                        cut = list(tile)
                        cut[axis] = slice(min(border, inner), max(border, inner))
                        is_interior[tuple(cut)] = False
        assert 0.2 < is_interior.mean() < 0.9
        assert torch.allclose(tiled[:, is_interior], whole[:, is_interior], atol=1e-4)

    @pytest.mark.parametrize("size", [(150, 203), (40, 40), (20, 333)])
    def test_valid_convolutions_give_the_same_as_one_pass_over_the_mirrored_image(self, size):
        network = build_model(
            "unet_2015", in_channels=1, num_classes=2, width=1, generator=torch.Generator().manual_seed(5)
        ).eval()
        image = noise(1, *size)
        tiled = run(network, image, (204, 220))
        context = network.context_voxels
        assert context == 92
        whole_size = network.input_size.input_for_output(size)
        widths = [(0, 0), *((context, full - context - own) for full, own in zip(whole_size, size, strict=True))]
        mirrored = torch.from_numpy(np.pad(image.numpy(), widths, mode="reflect"))
        with torch.no_grad():
            whole = network(mirrored[None])[0][:, : size[0], : size[1]]
        assert whole.std() > 0
        assert torch.allclose(tiled, whole, atol=1e-5 * float(whole.abs().max()) + 1e-6)

    def test_a_tile_smaller_than_the_context_grows_until_there_is_an_answer(self):
        network = build_model("unet_2015", in_channels=1, num_classes=2, width=1)
        assert accepted_tile_size(network, (16, 572)) == (204, 572)


class TestAgainstMonai:
    @pytest.mark.parametrize(
        ("dims", "shape", "tile", "overlap"),
        [
            (2, (50, 67), (16, 32), 0.5),
            (2, (33, 32), (32, 32), 0.25),
            (2, (48, 48), (16, 16), 0.0),
            (3, (17, 20, 26), (8, 16, 12), 0.5),
        ],
    )
    def test_gaussian_blending_agrees_with_monai(self, dims, shape, tile, overlap):
        network = build_model(
            "unet",
            in_channels=1,
            num_classes=3,
            spatial_dims=dims,
            width=4,
            depth=2,
            norm="instance",
            generator=torch.Generator().manual_seed(1),
        ).eval()
        image = noise(1, *shape)
        ours = run(network, image, tile, overlap_fraction=overlap)
        inferer = SlidingWindowInferer(roi_size=tile, sw_batch_size=1, overlap=overlap, mode="gaussian")
        with torch.no_grad():
            theirs = inferer(image[None], network)[0]
        assert ours.std() > 0.01
        assert torch.allclose(ours, theirs, atol=1e-4)


class TestMirroring:
    def test_the_mirrored_image_gets_the_mirrored_answer(self, unet):
        image = noise(1, 32, 32)
        plain = run(unet, image, (32, 32), mirror=True)
        mirrored = run(unet, image.flip(2), (32, 32), mirror=True)
        assert torch.allclose(mirrored, plain.flip(2), atol=1e-5)
        assert not torch.allclose(run(unet, image.flip(2), (32, 32)), run(unet, image, (32, 32)).flip(2), atol=1e-5)

    @pytest.mark.parametrize(("dims", "passes"), [(2, 4), (3, 8)])
    def test_each_set_of_axes_is_mirrored_once(self, threshold, dims, passes):
        run(threshold, noise(1, *(8,) * dims), (8,) * dims, mirror=True)
        assert threshold.calls == passes


class TestPrecision:
    def test_bf16_stays_near_fp32_and_returns_fp32(self, unet):
        image = noise(1, 40, 40)
        exact, short = run(unet, image, (16, 16)), run(unet, image, (16, 16), precision="bf16")
        assert short.dtype is torch.float32
        assert not torch.equal(exact, short)
        assert float((exact - short).abs().max()) < 0.05 * float(exact.abs().max())

    def test_a_tile_is_rounded_up_to_a_size_that_the_network_takes(self, unet):
        assert accepted_tile_size(unet, (13, 16)) == (14, 16)
        assert run(unet, noise(1, 19, 23), (13, 15)).shape == (2, 19, 23)


class TestProgressAndCancelling:
    @pytest.mark.parametrize("size", [(5, 5), (40, 41)])
    def test_progress_rises_and_ends_at_one(self, size):
        seen: list[float] = []
        run(nn.Identity(), noise(1, *size), (16, 16), progress=seen.append)
        assert seen == sorted(seen)
        assert len(set(seen)) == len(seen)
        assert seen[0] > 0.0
        assert seen[-1] == 1.0

    def test_cancelling_stops_before_the_next_pass(self, threshold):
        with pytest.raises(Cancelled, match="cancelled"):
            run(threshold, noise(1, 64, 64), (16, 16), mirror=True, cancelled=lambda: threshold.calls >= 3)
        assert threshold.calls == 3


class _Answer(nn.Module):
    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def forward(self, images):
        return self.change(images)


class TestErrors:
    def test_nan_in_the_image_is_refused(self):
        image = noise(1, 8, 8)
        image[0, 3, 3] = torch.nan
        with pytest.raises(InputError, match="holds NaN or infinity"):
            run(nn.Identity(), image, (8, 8))

    def test_nan_in_the_answer_is_named(self):
        with pytest.raises(ModelPackageError, match=r"answered with NaN or infinity.*fp32"):
            run(_Answer(lambda x: x / 0.0), noise(1, 8, 8), (8, 8))

    def test_an_answer_of_the_wrong_size_is_named(self):
        with pytest.raises(ModelPackageError, match=r"tile of \(8, 8\) voxels with \(4, 4\), expected \(8, 8\)"):
            run(_Answer(lambda x: x[..., ::2, ::2]), noise(1, 8, 8), (8, 8))

    def test_a_tile_of_other_dimensions_is_refused(self):
        with pytest.raises(InputError, match=r"image of 3 spatial axes.*shape \(1, 8, 8\)"):
            run(nn.Identity(), noise(1, 8, 8), (8, 8, 8))

    @pytest.mark.parametrize(("tile", "overlap"), [((0, 8), 0.5), ((8, 8), 1.0), ((8, 8), -0.1)])
    def test_settings_out_of_range_are_refused(self, tile, overlap):
        with pytest.raises(InputError, match="tiles of at least 1 voxel and an overlap from 0 to below 1"):
            run(nn.Identity(), noise(1, 8, 8), tile, overlap_fraction=overlap)
