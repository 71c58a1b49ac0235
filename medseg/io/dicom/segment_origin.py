"""Who or what made a segment or a region of interest, where one file holds several of different origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medseg.io.dicom.algorithm import AlgorithmIdentity

AlgorithmType = Literal["AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"]
"""Segment Algorithm Type (0062,0008), PS3.3 C.8.20.2: calculated, calculated with help, drawn by a person."""


@dataclass(frozen=True)
class SegmentOrigin:
    """How one segment came about.

    Attributes:
        algorithm_type: who made it.
        algorithm: the model that had a part in it; None where it was drawn, or where that is not known.
        description: what else is to be said of it, for the Segment Description (0062,0006).
        tracking_id: name under which it is followed from file to file; empty gives it none.
    """

    algorithm_type: AlgorithmType
    algorithm: AlgorithmIdentity | None = None
    description: str = ""
    tracking_id: str = ""

    @classmethod
    def of(cls, algorithm: AlgorithmIdentity | None) -> SegmentOrigin:
        """The origin of what a model made alone; without one nobody said what drew it.

        "Manual" would be a claim then, and the standard has no "unknown": SEMIAUTOMATIC claims the least.
        """
        return cls("SEMIAUTOMATIC" if algorithm is None else "AUTOMATIC", algorithm)
