"""Preferences: the defaults where there are none, and what the user set where there is."""

from pathlib import Path

import pytest
from medseg_napari import settings
from medseg_napari.keys import DEFAULTS, key_of
from medseg_napari.opening.survey import survey
from napari.settings import get_plugin_settings
from npe2 import PluginManifest

import medseg


@pytest.fixture
def preferences(plugin_settings, npe2pm):
    """The plugin's page of the preferences, in a file of this test's own."""
    npe2pm.register(PluginManifest.from_distribution("medseg"))
    return get_plugin_settings("medseg")


def test_the_defaults_of_the_manifest_are_those_of_the_plugin():
    manifest = PluginManifest.from_distribution("medseg")
    declared = {
        (category, name): one.default
        for category, page in manifest.contributions.configurations.items()
        for name, one in page.properties.items()
    }
    assert declared == {("keys", action): key for action, key in DEFAULTS.items()} | {
        ("models", "device"): "fastest",
        ("models", "folders"): "",
        ("review", "editor"): settings.EDITOR,
        ("review", "history_mb"): 256,
        ("privacy", "show_file_names"): True,
    }
    device = manifest.contributions.configurations["models"].properties["device"]
    assert set(device.enum) == set(settings.DEVICES)


def test_what_is_set_is_taken(preferences):
    assert settings.device_word() == "fastest"
    assert settings.model_folders() == []
    preferences.models.device = "CPU"
    preferences.models.folders = "/a/one; ~/two;"
    preferences.review.editor = "  Reader 3 "
    preferences.review.history_mb = 64
    preferences.privacy.show_file_names = False
    assert settings.device_word() == "CPU"
    assert settings.model_folders() == [Path("/a/one"), Path.home() / "two"]
    assert settings.editor_name() == "Reader 3"
    assert settings.history_bytes() == 64 * 2**20
    assert not settings.shows_file_names()


def test_a_key_that_is_set_is_heard_of_by_those_who_follow_it(preferences):
    class Listener:
        calls = 0

        def hear(self, *_):
            self.calls += 1

    listener = Listener()
    settings.follow("keys", listener.hear)
    preferences.keys.merge = "G"
    assert (listener.calls, key_of("merge")) == (1, "G")
    settings.unfollow("keys", listener.hear)
    preferences.keys.merge = "M"
    assert (listener.calls, key_of("merge")) == (1, "M")


def test_an_empty_name_of_the_editor_is_no_name(preferences):
    preferences.review.editor = ""
    assert settings.editor_name() == settings.EDITOR


def test_before_napari_knows_the_plugin_the_defaults_hold(monkeypatch):
    def unknown(_name):
        raise KeyError

    monkeypatch.setattr("napari.settings.get_plugin_settings", unknown)
    assert settings.editor_name() == settings.EDITOR
    assert settings.history_bytes() == 256 * 2**20
    assert settings.shows_file_names()


def test_file_names_stay_off_the_screen_where_that_is_wanted(tmp_path, marked_volume):
    for name in ("doe_jane.nii.gz", "roe_richard.nii.gz"):
        medseg.write_image(marked_volume(), tmp_path / name)
    paths = [tmp_path / "doe_jane.nii.gz", tmp_path / "roe_richard.nii.gz"]
    assert [entry.title for entry in survey(paths)] == ["doe_jane", "roe_richard"]
    assert [entry.title for entry in survey(paths, with_file_names=False)] == ["Image 1", "Image 2"]
    assert [entry.title for entry in survey(paths[:1], with_file_names=False)] == ["Image"]
