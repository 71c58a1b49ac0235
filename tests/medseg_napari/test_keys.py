"""Keys that a user chose: what can be had is had, all else stays as it came and is told."""

import numpy as np
import pytest
from medseg_napari.keys import DEFAULTS, choose_keys, plain_key

NAPARI = frozenset({"P", "E", "M", "=", "-", "Shift+V", "1"})
"""Some of the keys of napari; M, minus and equals are taken over on masks that are reviewed."""


def _chosen(**wanted):
    return choose_keys(wanted, taken=NAPARI)


def test_every_action_has_a_key_of_its_own():
    assert len(set(DEFAULTS.values())) == len(DEFAULTS)
    assert all(plain_key(key) == key for key in DEFAULTS.values())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (" g ", "G"),
        ("shift+g", "Shift+G"),
        ("Shift-F6", "Shift+F6"),
        ("pageup", "PageUp"),
        ("+", "="),
        ("?", "/"),
        ("−", "-"),
        ("", ""),
    ],
)
def test_keys_are_read_as_people_write_them(text, key):
    assert plain_key(text) == key


@pytest.mark.parametrize(
    "text", ["Ctrl+G", "Alt+F4", "G H", "3", "Shift+3", "Shift", "Shift+Up", "F11", "Escape", "Space"]
)
def test_what_belongs_to_menus_classes_or_napari_cannot_be_chosen(text):
    assert plain_key(text) is None
    chosen = _chosen(accept=text)
    assert chosen.keys == DEFAULTS
    assert len(chosen.refused) == 1
    assert repr(text) in chosen.refused[0]


def test_a_free_key_is_had_and_the_old_one_is_free():
    chosen = _chosen(accept="G", reject="A", restrict="")
    assert {name: key for name, key in chosen.keys.items() if key != DEFAULTS[name]} == {
        "accept": "G",
        "reject": "A",
        "restrict": "",
    }
    assert chosen.refused == ()


def test_two_keys_can_change_places():
    assert _chosen(accept="R", reject="A").refused == ()


def test_a_key_of_napari_stays_napari_s():
    chosen = _chosen(accept="P", merge="Shift+V")
    assert chosen.keys == DEFAULTS
    assert chosen.refused == ("P is napari's own key.", "Shift+V is napari's own key.")


def test_what_is_taken_over_already_may_go_to_another_action():
    assert _chosen(new_object="M", merge="N").keys["new_object"] == "M"


def test_of_two_uses_of_a_key_the_one_it_came_with_wins():
    chosen = _chosen(accept="R")
    assert chosen.keys == DEFAULTS
    assert chosen.refused == ("R has two uses.",)


def test_a_refusal_that_frees_no_key_takes_back_what_stood_on_it():
    # accept goes back to A, which reject had taken, so that reject goes back as well.
    chosen = _chosen(accept="P", reject="A")
    assert chosen.keys == DEFAULTS
    assert len(chosen.refused) == 2


@pytest.mark.viewer
def test_a_key_that_is_set_works_at_once_on_the_mask_and_in_the_table(
    make_napari_viewer_proxy, plugin_settings, npe2pm, qtbot
):
    from medseg_napari.widgets.object_actions import BoundKeys
    from napari.layers import Labels
    from napari.settings import get_plugin_settings
    from npe2 import PluginManifest
    from qtpy.QtWidgets import QWidget

    npe2pm.register(PluginManifest.from_distribution("medseg"))
    make_napari_viewer_proxy()  # the first window binds napari's own keys
    layer, widget, called, told = Labels(np.eye(2, dtype=np.uint8)), QWidget(), [], []
    qtbot.addWidget(widget)
    bound = BoundKeys(layer, widget, classes=("a", "b"), call=called.append, on_change=told.append)
    keys = get_plugin_settings("medseg").keys
    keys.merge = "G"
    assert {str(key) for key in layer.keymap} >= {"G", "1", "2"}
    assert "M" not in {str(key) for key in layer.keymap}
    assert "G" in {shortcut.key().toString() for shortcut in bound.shortcuts}
    next(handler for key, handler in layer.keymap.items() if str(key) == "G")(layer)
    assert called == ["merge"]
    keys.merge = "P"
    assert told == ["", "P is napari's own key."]
    assert "M" in {str(key) for key in layer.keymap}
    bound.end()
    assert layer.keymap == {}
