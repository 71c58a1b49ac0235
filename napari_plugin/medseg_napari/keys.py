"""Which key does what: as medseg has it, unless the preferences say otherwise and that key is free."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from medseg_napari.settings import key_preferences

DEFAULTS = {
    "accept": "A",
    "reject": "R",
    "next_least_sure": "U",
    "previous": "Up",
    "next": "Down",
    "new_object": "N",
    "merge": "M",
    "split": "S",
    "delete": "D",
    "grow": "=",
    "shrink": "-",
    "fill_holes": "Shift+F",
    "interpolate": "I",
    "restrict": "T",
    "superpixels": "Shift+P",
    "cheat_sheet": "/",
    "window_soft_tissue": "F5",
    "window_lung": "F6",
    "window_bone": "F7",
    "window_brain": "F8",
    "window_liver": "F9",
}
"""Action -> its key. M, minus and equals are napari's as well, on masks that nobody reviews."""

PAGE = "keys"
"""Page of the preferences on which they stand."""

_SHIFTED = {"+": "=", "?": "/", "−": "-"}
"""Signs that a canvas of napari cannot tell from the ones on the same keys."""
_SHOWN = {"=": "+", "-": "−", "/": "?"}
_FULL_SCREEN = "F11"
_LETTERS = set(string.ascii_uppercase)
_FUNCTIONS = {f"F{number}" for number in range(1, 13)} - {_FULL_SCREEN}
_NAMED = {"Up", "Down", "PageUp", "PageDown", "Home", "End", "Insert", "Delete", "Backspace"}
_KNOWN = {key.lower(): key for key in (*_LETTERS, *_FUNCTIONS, *_NAMED, *",.;'`\\/-=")}
_WITH_SHIFT = _LETTERS | _FUNCTIONS


@dataclass(frozen=True)
class KeyChoice:
    """The keys that hold.

    Attributes:
        keys: action -> key as napari writes it; empty where it has none.
        refused: what was asked for and cannot be, a sentence each.
    """

    keys: Mapping[str, str]
    refused: tuple[str, ...] = ()


def choose_keys(wanted: Mapping[str, str], *, taken: frozenset[str]) -> KeyChoice:
    """The keys that hold where a user wants `wanted`; an action whose key cannot be had keeps the one it came with.

    Args:
        wanted: action -> key, for those that are not as they came.
        taken: keys that napari uses on masks or everywhere.
    """
    keys, refused = dict(DEFAULTS), []
    for action, text in wanted.items():
        key = plain_key(text)
        if key is None:
            refused.append(f"{text!r} is no key to choose: expected a letter, a sign, F1 to F12, or Shift+ a letter.")
        elif key in taken - set(DEFAULTS.values()):
            refused.append(f"{shown_key(key)} is napari's own key.")
        else:
            keys[action] = key
    while twice := {key for key, count in Counter(filter(None, keys.values())).items() if count > 1}:
        for action in [one for one, key in keys.items() if key in twice and key != DEFAULTS[one]]:
            refused.append(f"{shown_key(keys[action])} has two uses.")
            keys[action] = DEFAULTS[action]
    return KeyChoice(keys, tuple(dict.fromkeys(refused)))


def plain_key(text: str) -> str | None:
    """A key as napari writes it, "Shift+F"; empty for none, None where it is no key that can be chosen.

    Digits give classes, and keys with Ctrl or Alt belong to napari's menus.
    """
    text = text.strip()
    if not text:
        return ""
    *modifiers, last = (text,) if len(text) == 1 else text.replace("-", "+").split("+")
    key = _KNOWN.get(_SHIFTED.get(last, last).strip().lower())
    with_shift = [one.strip().lower() for one in modifiers] == ["shift"]
    if key is None or (modifiers and not (with_shift and key in _WITH_SHIFT)):
        return None
    return f"Shift+{key}" if modifiers else key


def shown_key(key: str) -> str:
    """A key as people read it."""
    return _SHOWN.get(key, key)


def key_choice() -> KeyChoice:
    """The keys that hold now."""
    preferences = key_preferences()
    wanted = {action: preferences[action] for action in DEFAULTS if action in preferences}
    changed = {action: text for action, text in wanted.items() if plain_key(text) != DEFAULTS[action]}
    return choose_keys(changed, taken=_naparis_own() if changed else frozenset())


def key_of(action: str) -> str:
    """The key of an action; empty where it has none."""
    return key_choice().keys[action]


def _naparis_own() -> frozenset[str]:
    from napari.components import ViewerModel
    from napari.layers import Labels

    return frozenset(str(key) for keymap in (Labels.class_keymap, ViewerModel.class_keymap) for key in keymap)
