"""Numbers for new objects."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from medseg.errors import LabelError


def free_ids(count: int, *, used: Collection[int], dtype: np.dtype) -> tuple[int, ...]:
    """Ids that no object has or had: beyond the largest used one, and the smallest gaps where the type ends there.

    Args:
        count: how many.
        used: ids of all objects that are or were there.
        dtype: of the label array.

    Raises:
        LabelError: the type holds no more ids.
    """
    highest, most = max(used, default=0), int(np.iinfo(dtype).max)
    if highest + count <= most:
        return tuple(range(highest + 1, highest + count + 1))
    if len(used) + count > most:
        message = f"objects: expected room for {count} more ids, got {dtype} with all in use. Save it as a wider type."
        raise LabelError(message)
    taken, number = set(used), 1
    found: list[int] = []
    while len(found) < count:
        if number not in taken:
            found.append(number)
        number += 1
    return tuple(found)
