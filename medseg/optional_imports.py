"""Packages that only some users need, asked for where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from medseg.errors import DependencyError


def require(module: str, *, extra: str) -> ModuleType:
    """Return the imported `module`.

    Args:
        module: dotted name to import.
        extra: the extra of medseg that installs it.

    Raises:
        DependencyError: the module is not installed, or is and cannot be loaded; the message tells which.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        remedy = f"Install it with: pip install 'medseg[{extra}]'"
        is_missing = isinstance(error, ModuleNotFoundError) and module.startswith(str(error.name))
        problem = "is not installed" if is_missing else f"cannot be loaded: {' '.join(str(error).split())}"
        message = f"{module} {problem}. {remedy}"
        raise DependencyError(message) from error
