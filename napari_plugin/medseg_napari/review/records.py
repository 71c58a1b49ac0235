"""What is known of one object beside its voxels: class, state, who or what made it, and every edit of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ObjectState(StrEnum):
    """Where an object stands in the review."""

    PROPOSED = "proposed"
    """As the model, or the file, has it; nobody looked at it yet."""
    ACCEPTED = "accepted"
    """A person found it right, as it is now."""
    EDITED = "edited"
    """A person changed it and has not accepted it since."""
    REJECTED = "rejected"
    """A person found it wrong; its voxels are still there."""
    DRAWN = "drawn"
    """A person drew it and has not accepted it since."""
    REMOVED = "removed"
    """It has no voxels any more."""


_BY_HAND = frozenset({"paint", "merge", "delete", "reclassify"})
"""Edits in which nothing is computed."""


class AlgorithmType(StrEnum):
    """Segment Algorithm Type (0062,0008), PS3.3 C.8.20.2."""

    AUTOMATIC = "AUTOMATIC"
    SEMIAUTOMATIC = "SEMIAUTOMATIC"
    MANUAL = "MANUAL"


@dataclass(frozen=True)
class MadeBy:
    """The model that made an object.

    Attributes:
        model_name: as its card has it.
        sha256: of its weights or package, in hexadecimal.
    """

    model_name: str
    sha256: str


@dataclass(frozen=True)
class EditEntry:
    """One edit of one object.

    Attributes:
        kind: name of the edit, such as "split".
        voxels: number of voxels that the object gained or lost.
        editor: who.
        time: UTC, ISO 8601.
    """

    kind: str
    voxels: int
    editor: str
    time: str


@dataclass(frozen=True)
class ObjectRecord:
    """One object, beside its voxels.

    Attributes:
        class_name: its class.
        state: where it stands in the review.
        made_by: the model; None where a person drew it, or where a mask says nothing of its origin.
        is_drawn: a person drew it.
        confidence: the model's, 0 to 1; None where not given for each object.
        came_from: ids of the objects it was split off from.
        edits: in the order in which they were made; an undone edit is not among them.
        judged_by: who accepted or rejected it last; empty where nobody did.
    """

    class_name: str
    state: ObjectState
    made_by: MadeBy | None = None
    is_drawn: bool = False
    confidence: float | None = None
    came_from: tuple[int, ...] = ()
    edits: tuple[EditEntry, ...] = ()
    judged_by: str = ""

    @property
    def state_after_edit(self) -> ObjectState:
        """The state that an edit puts it in: what was accepted or rejected has to be judged anew."""
        return ObjectState.DRAWN if self.is_drawn else ObjectState.EDITED

    @property
    def algorithm_type(self) -> AlgorithmType:
        """How it was made, for a DICOM segmentation.

        MANUAL is drawn voxel by voxel; with the help of superpixels or interpolation it is SEMIAUTOMATIC, and so is an
        object of unknown origin: neither of the others is known to hold.
        """
        if self.is_drawn and all(entry.kind in _BY_HAND for entry in self.edits):
            return AlgorithmType.MANUAL
        if self.made_by is None or self.edits:
            return AlgorithmType.SEMIAUTOMATIC
        return AlgorithmType.AUTOMATIC
