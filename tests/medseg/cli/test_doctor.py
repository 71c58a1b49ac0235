"""`medseg doctor` says what works here, and fails where something needed is missing or broken."""

import json
import shutil

import pytest

from medseg.inference import installed_models

NEEDED = ("python", "torch", "dicom codecs", "shipped models")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """The shipped models, copied to where a test may spoil them."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for name, package in installed_models().items():
        shutil.copytree(package, folder / name)
    monkeypatch.setattr("medseg.inference.installed.PACKAGES_FOLDER", folder)
    return folder


def _line(text, what):
    (line,) = [line for line in text.splitlines() if f"  {what}: " in line]
    return line


def test_a_whole_installation_is_well(medseg_command):
    outcome = medseg_command("doctor")
    assert outcome.code == 0, outcome.out
    assert all(_line(outcome.out, what).startswith("ok") for what in NEEDED)
    assert "em-membranes" in _line(outcome.out, "shipped models")
    assert "ct-phantom-lesions" in _line(outcome.out, "shipped models")


def test_a_damaged_model_fails_and_is_named(medseg_command, packages):
    weights = packages / "em-membranes" / "models" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    outcome = medseg_command("doctor")
    assert outcome.code == 1
    assert _line(outcome.out, "shipped models").startswith("MISSING  shipped models: em-membranes (")
    assert "(install medseg anew)" in _line(outcome.out, "shipped models")


def test_a_missing_model_fails(medseg_command, packages):
    shutil.rmtree(packages)
    outcome = medseg_command("doctor")
    assert outcome.code == 1
    assert _line(outcome.out, "shipped models") == "MISSING  shipped models: none found (install medseg anew)"


def test_what_is_optional_does_not_fail(medseg_command, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    outcome = medseg_command("doctor")
    assert outcome.code == 0, outcome.out
    assert _line(outcome.out, "display").startswith("no ")


def test_a_codec_that_does_not_decode_fails_with_what_to_install(medseg_command, monkeypatch):
    monkeypatch.setattr("medseg.io.dicom.codecs.undecodable_transfer_syntaxes", lambda: ("JPEG 2000",))
    outcome = medseg_command("doctor")
    assert outcome.code == 1
    assert "cannot decode JPEG 2000 (pip install pylibjpeg" in _line(outcome.out, "dicom codecs")


def test_a_program_gets_the_same_as_json(medseg_command):
    findings = json.loads(medseg_command("doctor", "--json").out)
    assert {finding["what"] for finding in findings} >= set(NEEDED)
    assert all(set(finding) == {"what", "works", "detail", "remedy"} for finding in findings)
