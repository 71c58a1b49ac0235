"""Write constraints.lock anew: the exact version of all that `.[dev]` and the other binding of Qt need, found by pip.

Run it with the Python of a virtual environment:  .venv/bin/python scripts/lock.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEADER = "# Exact versions, used as constraints by `make`. Written by scripts/lock.py; edit pyproject.toml instead.\n"

WANTED = ".[dev,napari-pyside6]"
HELD = ("torch==2.14.1", "torchvision==0.29.2")
"""Versions held back: torchvision does not say for which torch its operators were built; this pair was tried."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held.txt"
        held.write_text("\n".join(HELD))
        report = Path(folder) / "report.json"
        options = ["--quiet", "--dry-run", "--ignore-installed", "--constraint", held, "--report", report]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, WANTED], cwd=ROOT, check=True)
        packages = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    versions = {package["name"].lower(): package["version"] for package in packages}
    pins = [f"{name}=={version}" for name, version in sorted(versions.items()) if name != "medseg"]
    (ROOT / "constraints.lock").write_text(HEADER + "\n".join(pins) + "\n")


if __name__ == "__main__":
    main()
