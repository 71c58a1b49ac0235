"""Looking names up in the explicit tables of medseg, with an answer that helps when a name is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from medseg.errors import UnknownNameError

T = TypeVar("T")


def look_up(table: Mapping[str, T], name: str, *, kind: str) -> T:
    """Return the entry of `table` called `name`.

    Args:
        table: name -> entry.
        name: the name asked for.
        kind: what the table holds, in the singular, for the message ("model", "loss").

    Raises:
        UnknownNameError: `name` is not in the table. The message lists what is, and the nearest name.
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    message = f"unknown {kind} {name!r}.{hint} Known: {', '.join(sorted(table)) or 'none'}."
    raise UnknownNameError(message)
