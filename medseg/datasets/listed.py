"""A data set whose cases and split are known when it is opened; every set of the catalogue is one of these."""

from __future__ import annotations

from dataclasses import dataclass

from medseg.datasets.case import Case, Splits
from medseg.images import LabelTable


@dataclass(frozen=True)
class ListedDataset:
    """Cases and split as they were found on opening; the contract is `Dataset`'s.

    Attributes:
        name: name in the catalogue.
        labels: classes of its reference maps.
        num_channels: channels of each image.
        spatial_dims: spatial axes of each image, 2 or 3.
        citation: what to cite.
        licence: terms of use, as far as they are known.
        all_cases: all cases in their order.
        split: who trains, chooses and tests.
    """

    name: str
    labels: LabelTable
    num_channels: int
    spatial_dims: int
    citation: str
    licence: str
    all_cases: tuple[Case, ...]
    split: Splits

    def cases(self) -> tuple[Case, ...]:
        """All cases."""
        return self.all_cases

    def splits(self) -> Splits:
        """The frozen split."""
        return self.split
