"""`import medseg` is light; and the guard that says so can fail."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "monai", "lightning", "pydicom", "SimpleITK", "pandas", "matplotlib", "scipy", "napari", "dask")


def _heavy_modules_after(statement: str) -> set[str]:
    probe = f"{statement}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_medseg_loads_nothing_heavy():
    assert _heavy_modules_after("import medseg") == set()


def test_importing_the_command_line_loads_nothing_heavy():
    assert _heavy_modules_after("import medseg.cli.main") == set()


def test_importing_the_command_of_the_batch_loads_nothing_heavy():
    assert _heavy_modules_after("import medseg_workflows.command") == set()


def test_the_guard_sees_a_heavy_import():
    assert "torch" in _heavy_modules_after("import torch")


def test_every_public_name_resolves():
    import medseg

    for name in medseg.__all__:
        assert getattr(medseg, name) is not None


def test_an_unknown_public_name_lists_the_known_ones():
    import medseg

    with pytest.raises(AttributeError, match=r"Public names: .*read_image"):
        medseg.read_imgae  # noqa: B018
