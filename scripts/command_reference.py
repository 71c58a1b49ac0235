"""Write docs/reference/command-line.md: the --help of every verb, as the program itself prints it."""

import os
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "command-line.md"
VERBS = (
    *("demo", "doctor", "info", "convert", "datasets", "models", "plan", "train", "compare", "predict"),
    *("evaluate", "batch", "report", "export", "deidentify"),
)
PLAIN = {**os.environ, "COLUMNS": "96", "TERM": "dumb", "NO_COLOR": "1"}


def command_reference() -> str:
    """The page as Markdown."""
    parts = [
        "# Command line",
        "Data goes to stdout, progress to stderr. Exit 0: done. 1: a case failed. 2: wrong input.",
    ]
    for verb in ("", *VERBS):
        words = ["medseg", *([verb] if verb else []), "--help"]
        command = [Path(sys.executable).parent / words[0], *words[1:]]
        text = subprocess.run(command, env=PLAIN, capture_output=True, text=True, check=True).stdout
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        parts += [f"## {' '.join(words[:-1])}", f"```text\n{lines}\n```"]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    TARGET.write_text(command_reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
