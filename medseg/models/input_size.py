"""Which input sizes a network takes, and how large its output is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class InputSizeRule:
    """Allowed sizes: `minimum`, and from there in steps of `divisor`, each axis on its own.

    Attributes:
        divisor: step from one allowed size to the next, in voxels, one entry per spatial axis.
        minimum: smallest allowed size, in voxels, one entry per spatial axis.
        context_voxels: border that the output lacks on each side of each axis.
    """

    divisor: tuple[int, ...]
    minimum: tuple[int, ...]
    context_voxels: int = 0

    def allows(self, spatial_shape: Sequence[int]) -> bool:
        """Whether an input of that size can be computed."""
        return tuple(spatial_shape) == self.at_least(spatial_shape)

    def at_least(self, spatial_shape: Sequence[int]) -> tuple[int, ...]:
        """Smallest allowed size that is nowhere smaller than `spatial_shape`."""
        return tuple(
            low + -(-max(size - low, 0) // step) * step
            for size, low, step in zip(spatial_shape, self.minimum, self.divisor, strict=True)
        )

    def input_for_output(self, spatial_shape: Sequence[int]) -> tuple[int, ...]:
        """Smallest allowed input size whose output is nowhere smaller than `spatial_shape`."""
        return self.at_least([size + 2 * self.context_voxels for size in spatial_shape])

    def output_for_input(self, spatial_shape: Sequence[int]) -> tuple[int, ...]:
        """Size of the logits for an input of that size."""
        return tuple(size - 2 * self.context_voxels for size in spatial_shape)

    def described(self) -> str:
        """The allowed sizes in words, once for axes that share them."""
        series = [
            f"{low}, {low + step}, {low + 2 * step} and so on"
            for low, step in zip(self.minimum, self.divisor, strict=True)
        ]
        return series[0] if len(set(series)) == 1 else "; ".join(f"({entry})" for entry in series)
