"""torch can be loaded after napari has drawn: Mesa and triton hold an LLVM each and must not meet."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.viewer

SCRIPT = """
import napari
viewer = napari.Viewer(show=True)
import medseg_napari
import medseg.inference
import sys
assert sys.modules["triton"] is None
viewer.close()
print("alive")
"""


def test_torch_loads_after_the_window_was_drawn():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240)
    assert done.stdout.strip().endswith("alive"), done.stderr[-2000:]
