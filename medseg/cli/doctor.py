"""`medseg doctor`: what works on this machine, what is missing, how to mend it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

SMALLEST_FREE_GB = 5.0
"""A training run with checkpoints and a night of masks fit in this; below it the doctor warns."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        works: whether medseg can use it; False for optional things as well.
        detail: what was found.
        remedy: what to do where it does not work.
    """

    what: str
    works: bool
    detail: str
    remedy: str = ""


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON, not text.")] = False) -> None:
    """Check this machine: torch and GPU, DICOM codecs, viewer, cluster, disk, shipped models.

    Exit 1 when something that medseg cannot do without is missing.

    Example: [bold]medseg doctor[/bold]
    """
    from medseg.cli.output import print_json

    required = [_python(), _torch(), _codecs(), _models()]
    optional = [_gpu(), _bf16(), _viewer(), _display(), _cluster(), _disk()]
    if json:
        print_json([asdict(finding) for finding in required + optional])
    else:
        for finding in required + optional:
            mark = "ok     " if finding.works else ("MISSING" if finding in required else "no     ")
            remedy = "" if finding.works or not finding.remedy else f" ({finding.remedy})"
            print(f"{mark}  {finding.what}: {finding.detail}{remedy}")
    if not all(finding.works for finding in required):
        raise typer.Exit(1)


def _python() -> Finding:
    return Finding(
        "python", sys.version_info >= (3, 11), platform.python_version(), "medseg needs Python 3.11 or newer"
    )


def _torch() -> Finding:
    import torch

    return Finding("torch", works=True, detail=f"{torch.__version__}, {torch.get_num_threads()} threads")


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("gpu", works=True, detail=torch.cuda.get_device_name(0))
    if torch.backends.mps.is_available():
        return Finding("gpu", works=True, detail="Apple GPU (mps)")
    return Finding("gpu", works=False, detail="none found, training and prediction run on the CPU")


def _bf16() -> Finding:
    import torch

    from medseg.inference import choose_precision

    fast = choose_precision(torch.device("cpu"), "auto") == "bf16"
    return Finding("bf16 on the CPU", fast, "fast here, used" if fast else "not fast here, fp32 is used")


def _codecs() -> Finding:
    from medseg.io.dicom.codecs import undecodable_transfer_syntaxes

    missing = undecodable_transfer_syntaxes()
    detail = "all checked transfer syntaxes decode" if not missing else f"cannot decode {', '.join(missing)}"
    return Finding("dicom codecs", not missing, detail, "pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg")


def _models() -> Finding:
    from medseg.errors import ModelPackageError
    from medseg.inference import installed_models, load_network

    broken = []
    names = installed_models()
    for name, folder in names.items():
        try:
            load_network(folder)
        except ModelPackageError as error:
            broken.append(f"{name} ({error})")
    detail = f"{', '.join(names)}, checksums right" if names and not broken else "; ".join(broken) or "none found"
    return Finding("shipped models", not broken and bool(names), detail, "install medseg anew")


def _viewer() -> Finding:
    missing = [name for name in ("napari", "qtpy", "PyQt6") if importlib.util.find_spec(name) is None]
    detail = "napari and Qt are installed" if not missing else f"{', '.join(missing)} not installed"
    return Finding("viewer", not missing, detail, "pip install 'medseg[napari]'")


def _display() -> Finding:
    shown = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return Finding("display", shown, "found" if shown else "none", "run the viewer on a desktop or under xvfb-run")


def _cluster() -> Finding:
    works = importlib.util.find_spec("distributed") is not None
    detail = "Dask is installed" if works else "Dask not installed"
    return Finding("batch", works, detail, "pip install 'medseg[cluster]'")


def _disk() -> Finding:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    return Finding("disk", free_gb >= SMALLEST_FREE_GB, f"{free_gb:.0f} GB free here", "free some space")
