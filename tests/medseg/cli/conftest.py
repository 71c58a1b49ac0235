"""Running the command line in this process, with what it printed."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from medseg.cli.main import main


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def medseg_command(monkeypatch, capsys) -> Callable[..., Outcome]:
    """Function that runs `medseg WORDS...` and returns its exit code and what it printed."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["medseg", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), printed.out, printed.err)

    return run
