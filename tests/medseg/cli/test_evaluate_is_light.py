"""Scoring masks needs no deep-learning library: loading one would multiply the memory of a run."""

import subprocess
import sys

import numpy as np
import tifffile

SCRIPT = """
import sys
from medseg.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("LOADED", *(name for name in ("torch", "monai", "lightning") if name in sys.modules))
"""


def test_scoring_volumes_with_a_report_from_the_command_line_does_not_load_torch(tmp_path):
    mask = np.zeros((8, 16, 16), dtype=np.uint8)
    mask[2:5, 4:9, 4:9] = 1
    for role in ("truth", "ours"):
        (tmp_path / role).mkdir()
        tifffile.imwrite(tmp_path / role / "a.tif", mask, photometric="minisblack", metadata={"axes": "ZYX"})
    words = ["evaluate", "--reference", tmp_path / "truth", "--prediction", tmp_path / "ours"]
    words += ["--output", tmp_path / "scores.json", "--csv", tmp_path / "scores.csv"]
    words += ["--report", tmp_path / "scores.html", "--images", tmp_path / "truth"]
    outcome = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "scores.csv").exists()
    assert "data:image/" in (tmp_path / "scores.html").read_text(encoding="utf-8")
    assert outcome.stdout.splitlines()[-1].strip() == "LOADED"
