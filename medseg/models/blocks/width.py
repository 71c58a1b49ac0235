"""Narrower versions of published layer lists."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

WidthFactor = Annotated[float, Field(gt=0, le=4)]
"""Option of a network: channels of its inner layers over those of the paper."""


def scale_width(channels: int, factor: float) -> int:
    """`channels` times `factor`, rounded, but one or more."""
    return max(1, round(channels * factor))
