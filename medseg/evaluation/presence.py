"""Whether a class, or any object, is there: the counts that tell right emptiness from missing and inventing."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import numpy as np

from medseg.images import LabelTable
from medseg.metrics import ConfusionTable


class Presence(StrEnum):
    """What of a class the reference and the prediction of a case hold."""

    BOTH = "both"
    MISSED = "missed"
    """Only the reference holds it."""
    FALSE = "false"
    """Only the prediction holds it."""
    NEITHER = "neither"

    @classmethod
    def of(cls, *, reference: int, prediction: int) -> Presence:
        """From the number of voxels or objects in each."""
        return _TABLE[reference > 0, prediction > 0]


_TABLE = {
    (True, True): Presence.BOTH,
    (True, False): Presence.MISSED,
    (False, True): Presence.FALSE,
    (False, False): Presence.NEITHER,
}


def class_presence(confusion: ConfusionTable, labels: LabelTable) -> dict[str, Presence]:
    """The presence of each foreground class, by its name."""
    in_reference, in_prediction = (np.asarray(confusion.counts.sum(axis=axis)) for axis in (1, 0))
    places = {value: place for place, value in enumerate(confusion.values)}
    return {
        label.name: Presence.of(
            reference=int(in_reference[places[label.value]]), prediction=int(in_prediction[places[label.value]])
        )
        for label in labels.foreground
    }


def presence_counts(cases: Iterable[dict[str, Presence]]) -> dict[str, dict[str, int]]:
    """Class -> kind of presence -> number of cases; a class that a case does not name is in neither of its maps."""
    listed = list(cases)
    names = dict.fromkeys(name for case in listed for name in case)
    return {
        name: {kind.value: sum(case.get(name, Presence.NEITHER) is kind for case in listed) for kind in Presence}
        for name in names
    }
