"""What kind of maps are compared."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from medseg.registry import look_up


class Task(StrEnum):
    """What the label maps mean, and so which scores they get."""

    SEMANTIC = "semantic"
    """A class for each voxel."""
    ISBI2012 = "isbi2012"
    """Cells and membranes of the ISBI 2012 challenge; V_rand and V_info beside the overlap scores."""

    @classmethod
    def of(cls, name: str) -> Self:
        """The task of that name.

        Raises:
            UnknownNameError: there is none; the message lists those known.
        """
        return look_up({member.value: member for member in cls}, name, kind="task")
