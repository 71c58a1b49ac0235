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
        DependencyError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{module} is not installed. Install it with: pip install 'medseg[{extra}]'"
        raise DependencyError(message) from error
