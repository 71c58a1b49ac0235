"""Whether an image is what a model was made for, before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medseg.errors import MedsegError
from medseg.images import Image


@dataclass(frozen=True)
class Fit:
    """What to tell the user.

    Attributes:
        can_run: whether a run would be refused.
        sentences: doubts, or the refusal; empty where the image is like those the model was trained on.
    """

    can_run: bool
    sentences: tuple[str, ...] = ()


def fit_of(folder: Path, image: Image) -> Fit:
    """How `image` fits the model in `folder`. Loads torch; call it in the models' process."""
    from medseg.inference import check_image, read_manifest

    try:
        return Fit(can_run=True, sentences=check_image(image, read_manifest(folder)))
    except MedsegError as error:
        return Fit(can_run=False, sentences=(str(error),))
