"""Make the pictures of docs/how-to/use-in-napari.md: the tests' walk through napari, photographed.

Needs a display of at least 1400 x 900: scripts/with_display.sh python scripts/plugin_pictures.py [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
WALK = ROOT / "tests" / "end_to_end" / "test_clinician_walk.py"
PICTURES = ROOT / "docs" / "pictures"
SHOWN = {
    "napari-open": "ct-chooser",
    "napari-objects": "ct-object",
    "napari-export": "ct-export",
    "napari-cells": "cells-split",
}
"""Name in the docs -> step of the walk."""
COLOURS = 128


def main() -> int:
    """Walk, and keep the steps that the docs show; 0 where all went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the pictures of all steps")
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "MEDSEG_WALK_PICTURES": os.fspath(folder.resolve())}
        command = [sys.executable, "-m", "pytest", "-q", os.fspath(WALK)]
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if status == 0:
            for name, step in SHOWN.items():
                save(next(iter(sorted(folder.glob(f"*-{step}.png")))), PICTURES / f"{name}.png")
    return status


def save(step: Path, picture: Path) -> None:
    """Write a screenshot with few colours, which a page loads quickly."""
    image = Image.open(step).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(picture, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
