"""How maps are scored, beyond what they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from medseg.errors import InputError


@dataclass(frozen=True)
class ScoringOptions:
    """Choices that change the scores; each evaluation records them.

    Attributes:
        surfaces: whether surface distances are measured (semantic, lesions); they take most of the time.
        tolerance_mm: distance up to which surfaces agree; without it there is no normalised surface distance, for no
            tolerance suits all tissues.
        resample: whether a prediction on another grid is brought to the reference's (nearest neighbour), not refused.
        border_pixels: width of the band outside the field of interest (ctc).
        replicates: bootstrap draws of patients behind each confidence interval; 0 leaves intervals out.
        seed: of the draws.

    Raises:
        InputError: a number is out of its range.
    """

    surfaces: bool = True
    tolerance_mm: float | None = None
    resample: bool = False
    border_pixels: int = 0
    replicates: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tolerance_mm is not None and not (0 <= self.tolerance_mm < math.inf):
            message = f"tolerance_mm: expected a distance of 0 mm or more, got {self.tolerance_mm}."
            raise InputError(message)
        for name in ("border_pixels", "replicates", "seed"):
            if getattr(self, name) < 0:
                message = f"{name}: expected 0 or more, got {getattr(self, name)}."
                raise InputError(message)
