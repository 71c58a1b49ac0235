"""The page about the command line is what the program prints today."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_current():
    script = runpy.run_path(str(ROOT / "scripts" / "command_reference.py"))
    written = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert written == script["command_reference"](), "run: .venv/bin/python scripts/command_reference.py"
