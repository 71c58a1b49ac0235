"""A case: one image with its reference, the unit of training and evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from medseg.images import LabelTable
from medseg.io.source import ImageSource, LabelSource


@dataclass(frozen=True)
class Case:
    """One image and, where it is known, the truth about it.

    Attributes:
        case_id: unique within its data set; also a file name.
        group_id: patient or volume it belongs to; cases of one group never stand on both sides of a split.
        image: where the image lies.
        reference: where its label map lies; None where nobody has drawn one.
    """

    case_id: str
    group_id: str
    image: ImageSource
    reference: LabelSource | None


@dataclass(frozen=True)
class Splits:
    """Which cases train, choose and test; case ids, each in one list only.

    Attributes:
        train: cases the weights are fitted to.
        validation: cases that choose the checkpoint.
        test: cases that nobody looks at before the end; may be empty.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...] = ()


class Dataset(Protocol):
    """A set of cases with one label table.

    Contract: `cases` are in a fixed order with distinct ids; each id of `splits` is one of theirs; a group stands in
    one split only unless the set's own documentation says why not; every image has `num_channels` channels and
    `spatial_dims` spatial axes; nothing is read from disk but headers before a case's image is asked for.
    """

    @property
    def name(self) -> str:
        """Name in the catalogue."""
        ...

    @property
    def labels(self) -> LabelTable:
        """Classes of its reference maps."""
        ...

    @property
    def num_channels(self) -> int:
        """Channels of each image."""
        ...

    @property
    def spatial_dims(self) -> int:
        """Spatial axes of each image, 2 or 3."""
        ...

    @property
    def citation(self) -> str:
        """What to cite; empty for a person's own data."""
        ...

    @property
    def licence(self) -> str:
        """Terms of use, as far as they are known."""
        ...

    def cases(self) -> tuple[Case, ...]:
        """All cases."""
        ...

    def splits(self) -> Splits:
        """The frozen split."""
        ...
