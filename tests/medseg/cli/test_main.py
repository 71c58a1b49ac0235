"""What every verb has in common: help that teaches, one clear line for an error, the right exit code."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medseg.cli.main import _build_app, main

VERBS = ("demo", "doctor", "info", "datasets", "models", "train", "predict", "evaluate", "batch", "report")


def _help(*words: str) -> str:
    result = CliRunner().invoke(_build_app(), [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    return result.output


def test_the_help_lists_every_verb():
    text = _help()
    assert [verb for verb in VERBS if verb not in text] == []


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_shows_an_example(verb):
    assert f"Example: medseg {verb}" in _help(verb)


def _run(monkeypatch, capsys, *words: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["medseg", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0), capsys.readouterr().err.strip()


def test_a_missing_file_is_one_line_and_exit_2(monkeypatch, capsys, tmp_path):
    code, message = _run(monkeypatch, capsys, "info", str(tmp_path / "nothing.nii.gz"))
    assert code == 2
    assert len(message.splitlines()) == 1
    assert "nothing.nii.gz" in message


def test_an_unknown_model_lists_the_installed_ones(monkeypatch, capsys, tmp_path):
    code, message = _run(monkeypatch, capsys, "predict", "em-membrane", "x.png", "--output", str(tmp_path / "y.png"))
    assert code == 2
    assert "em-membranes" in message


def test_debug_shows_the_error_itself(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["medseg", "--debug", "info", str(tmp_path / "nothing.nii.gz")])
    with pytest.raises(ValueError, match=r"nothing.nii.gz"):
        main()


def test_the_entry_point_is_installed():
    program = Path(sys.executable).parent / "medseg"
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("medseg ")


def test_the_command_runs_as_a_module_too():
    result = subprocess.run([sys.executable, "-m", "medseg", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("medseg ")
