"""Where the slow part of an edit is computed: here, or in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

Compute = Callable[..., NDArray[Any]]
"""Takes a function of a module and its arguments; gives what the function answers, an array."""


def here(function: Callable[..., NDArray[Any]], *arguments: Any) -> NDArray[Any]:
    """The answer of the function, called in this thread."""
    return function(*arguments)
