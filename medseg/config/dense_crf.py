"""What the fully connected CRF is to do to a network's probabilities."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from medseg.config.base import Config

Weight = Annotated[float, Field(ge=0)]
Sigma = Annotated[float, Field(gt=0)]


class DenseCrf(Config):
    """Weights and widths of the two kernels, and how long the mean field runs.

    Distances are in the unit of the spacing that goes with the image (mm), or in pixels where none is given. The
    defaults suit photographs of some hundred pixels a side; weights and widths are to be chosen on validation cases.
    """

    appearance_sigma_intensity: Sigma
    """Standard deviation of the appearance kernel over the image's values, in their unit; it has no default."""

    appearance_sigma_distance: Sigma = 80.0
    """Standard deviation of the appearance kernel over distance."""

    appearance_weight: Weight = 10.0
    """How much pixels near each other and of like values pull towards one class."""

    smoothness_sigma_distance: Sigma = 3.0
    """Standard deviation of the smoothness kernel over distance."""

    smoothness_weight: Weight = 3.0
    """How much pixels near each other pull towards one class, whatever their values."""

    iterations: Annotated[int, Field(ge=1, le=1000)] = 10
    """Steps of the mean field."""

    cells_per_sigma: Annotated[float, Field(ge=1, le=8)] | None = None
    """Resolution of the bilateral grid; absent takes 3 for one channel and 1 for more, whose grid grows faster."""

    exact: bool = False
    """Sum the appearance kernel over all pairs of pixels: the definition, for tiny images only."""
