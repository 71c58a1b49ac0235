"""The two codings of membrane maps: the challenge's (0 and 255, 0 is membrane) and medseg's (0 and 1, 1 is it)."""

from __future__ import annotations

import numpy as np

from medseg.errors import LabelError
from medseg.images import LabelMap, LabelTable

MEMBRANE_LABELS = LabelTable.from_names(("cell", "membrane"))
"""Classes of a membrane map in medseg: 0 is cell, 1 is membrane."""


def check_coding_can_be_told(label_map: LabelMap, *, name: str) -> None:
    """Pass unless a file holds zeros only, which mean membrane in one coding and cell in the other.

    Raises:
        LabelError: it does.
    """
    if not label_map.array.any():
        message = (
            f"{name}: all pixels are 0, which is membrane in the challenge's coding (0, 255) and cell in medseg's "
            "(0, 1). Write the map in a coding that can be told."
        )
        raise LabelError(message)


def in_medseg_coding(label_map: LabelMap, *, name: str, labels: LabelTable | None) -> LabelMap:
    """The map with 0 for cell and 1 for membrane, from either coding.

    Raises:
        LabelError: other values.
    """
    membranes = membranes_of(label_map, name=name)
    table = labels if labels is not None and labels.values == (0, 1) else MEMBRANE_LABELS
    return label_map.replace(array=membranes.astype(np.uint8), labels=table)


def membranes_of(label_map: LabelMap, *, name: str) -> np.ndarray:
    """True on membrane.

    Raises:
        LabelError: values other than {0, 1} or {0, 255}.
    """
    array = label_map.array
    highest = int(array.max())
    if highest <= 1:
        return np.ascontiguousarray(array == 1)
    if highest == 255 and np.count_nonzero(array == 255) + np.count_nonzero(array == 0) == array.size:
        return np.ascontiguousarray(array == 0)
    found = [int(value) for value in np.unique(array)]
    shown = ", ".join(str(value) for value in found[:5]) + (", ..." if len(found) > 5 else "")
    message = (
        f"{name}: expected membranes as 0 and 255 (0 is membrane) or as 0 and 1 (1 is membrane), got {shown}. "
        "Threshold the map first."
    )
    raise LabelError(message)
