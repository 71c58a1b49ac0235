"""What the user set in napari's preferences; without napari, or before it knows the plugin, the defaults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

EDITOR = "editor"
"""Name under which edits are recorded unless another is set; a login name would tell who the user is."""
DEVICES = {"fastest": "auto", "CPU": "cpu", "GPU": "cuda", "Apple GPU": "mps"}
"""Where a model runs, in words -> as `medseg.inference.choose_device` calls it."""

_BETWEEN_FOLDERS = ";"
_HISTORY_MB = 256
_BYTES_PER_MB = 2**20
Value = TypeVar("Value", str, int, bool)


def editor_name() -> str:
    """Name under which edits are recorded."""
    return _preference("review", "editor", EDITOR).strip() or EDITOR


def history_bytes() -> int:
    """Memory that the steps to be undone may take."""
    return _preference("review", "history_mb", _HISTORY_MB) * _BYTES_PER_MB


def device_word() -> str:
    """Where models run unless the user chooses otherwise: a key of `DEVICES`."""
    return _preference("models", "device", "fastest")


def model_folders() -> list[Path]:
    """Model packages and folders of trainings to offer beside the models that came with medseg."""
    folders = _preference("models", "folders", "").split(_BETWEEN_FOLDERS)
    return [Path(folder.strip()).expanduser() for folder in folders if folder.strip()]


def shows_file_names() -> bool:
    """Whether layers may be called by their file; file names often hold a patient's."""
    return _preference("privacy", "show_file_names", default=True)


def key_preferences() -> dict[str, str]:
    """Action -> the key that stands in the preferences; empty where there are none."""
    page = _page("keys")
    return {} if page is None else {name: str(value) for name, value in page.model_dump().items()}


def follow(category: str, call: Callable[..., object]) -> None:
    """Call a method whenever something is set on a page of the preferences, for as long as its object lives."""
    page = _page(category)
    if page is not None:
        page.events.connect(call)  # napari holds methods weakly


def unfollow(category: str, call: Callable[..., object]) -> None:
    """End what `follow` began."""
    page = _page(category)
    if page is not None:
        page.events.disconnect(call)


def _preference(category: str, name: str, default: Value) -> Value:
    value = getattr(_page(category), name, None)
    return default if value is None else type(default)(value)


def _page(category: str) -> Any | None:
    """One page of the preferences; None without napari, or where it read the manifests before medseg was installed."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        return getattr(get_plugin_settings("medseg"), category, None)
    except KeyError:
        return None
