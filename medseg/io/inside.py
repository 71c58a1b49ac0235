"""Staying inside a folder: whether a path, its links followed, leads out of it."""

from __future__ import annotations

from pathlib import Path


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path`, all links followed, lies in `root` or is it; False for a link that leads nowhere or to itself."""
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError):  # a loop of links raises either, by the version of Python
        return False
