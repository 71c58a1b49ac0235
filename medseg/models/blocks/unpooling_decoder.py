"""The way back from pooled features to the image's grid through max-unpooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from medseg.models.blocks.unpooling import PooledPositions, unpool


class UnpoolingDecoder(nn.Module):
    """A trunk in reverse: before each of its stages the features are unpooled with the trunk's own positions.

    The last layer of a stage narrows the features to the width of the next finer one.
    """

    def __init__(
        self, *, widths: Sequence[int], depths: Sequence[int], convolution: Callable[..., nn.Module], batch_norm: bool
    ) -> None:
        """Build the decoder.

        Args:
            widths: channels of each stage of the trunk, finest first.
            depths: layers of each stage of the decoder, finest first.
            convolution: `torch.nn.Conv2d` or `torch.nn.ConvTranspose2d`.
            batch_norm: normalise after every layer.
        """
        super().__init__()
        stages = []
        for stage in reversed(range(len(widths))):
            leaving = [widths[stage]] * (depths[stage] - 1) + [widths[max(stage - 1, 0)]]
            layers: list[nn.Module] = []
            entering = widths[stage]
            for width in leaving:
                layers.append(convolution(entering, width, kernel_size=3, padding=1))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU(inplace=True))
                entering = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)

    def forward(self, features: Tensor, positions: Sequence[PooledPositions]) -> Tensor:
        """Features of the finest stage; `positions` are the trunk's, finest first."""
        for stage, position in zip(self.stages, reversed(positions), strict=True):
            features = stage(unpool(features, position))
        return features
