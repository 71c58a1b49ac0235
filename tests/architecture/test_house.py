"""The house keeps its own rules: floors, names, tests that run."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_imports_go_down_the_floors():
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_lock_file_pins_exact_versions_and_names_no_host():
    lines = (ROOT / "constraints.lock").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+( ; .+)?", line) for line in pins)
    assert not any("://" in line for line in lines)


def test_no_file_is_called_utils():
    forbidden = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert [path for path in _tracked_files() if path.name in forbidden] == []


def test_no_test_is_lost_by_its_name():
    lost = []
    for path in _tracked_files():
        if path.suffix != ".py" or not path.name.startswith("test_"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                methods = [item.name for item in node.body if isinstance(item, ast.FunctionDef)]
                lost += [f"{path.name}:{name}" for name in methods if not name.startswith(("test_", "_"))]
    assert lost == []


def test_no_patient_data_is_tracked_by_git():
    images = {".dcm", ".nii", ".gz", ".nrrd", ".mha", ".tif", ".tiff", ".npz"}
    assert [path for path in _tracked_files() if path.suffix.lower() in images] == []
