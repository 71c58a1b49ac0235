"""What is done to a finished mask, step by step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from medseg.config.base import Config

ForegroundClass = Annotated[int, Field(ge=1)]
Classes = Annotated[tuple[ForegroundClass, ...], Field(min_length=1)]
"""Class indices, from 1: class 0 is the background, which takes what is removed."""


class LargestComponent(Config):
    """Keep the largest connected region of the classes, taken together as one mask, and remove the others."""

    kind: Literal["largest_component"] = "largest_component"
    classes: Classes


class RemoveSmall(Config):
    """Remove connected regions of each of the classes that are smaller than `min_voxels` of the image."""

    kind: Literal["remove_small"] = "remove_small"
    classes: Classes
    min_voxels: Annotated[int, Field(ge=1)]


class FillHoles(Config):
    """Give each of the classes the background that it encloses."""

    kind: Literal["fill_holes"] = "fill_holes"
    classes: Classes
    max_voxels: Annotated[int, Field(ge=1)] | None = None
    """Size of the largest hole that is filled; absent fills all."""


PostprocessingStep = Annotated[LargestComponent | RemoveSmall | FillHoles, Field(discriminator="kind")]
