"""Finding models: by path, in run folders, and by the names of those that came with medseg."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medseg.errors import ModelPackageError
from medseg.inference.package import MANIFEST_FILE
from medseg.registry import look_up

PACKAGES_FOLDER = Path(__file__).resolve().parents[1] / "packages"
"""Where the packages lie that are installed with medseg."""


def installed_models() -> Mapping[str, Path]:
    """Name -> folder of the model packages that came with medseg, by name."""
    if not PACKAGES_FOLDER.is_dir():
        return {}
    return {path.name: path for path in sorted(PACKAGES_FOLDER.iterdir()) if (path / MANIFEST_FILE).is_file()}


def find_model(path_or_name: str | Path) -> Path:
    """Folder of a model package.

    Args:
        path_or_name: a package, a run folder (its `best` package is taken), or the name of an installed model.

    Raises:
        ModelPackageError: the path exists but holds no package.
        UnknownNameError: no such path and no such model; the message lists those installed.
    """
    path = Path(path_or_name).expanduser()
    for candidate in (path, path / "best"):
        if (candidate / MANIFEST_FILE).is_file():
            return candidate
    installed = installed_models()
    if path.exists() and str(path_or_name) not in installed:
        message = (
            f"{path}: holds no trained model. Expected a model package (a folder with {MANIFEST_FILE}) "
            f"or a run folder with best/{MANIFEST_FILE}; has the training finished its first validation?"
        )
        raise ModelPackageError(message)
    return look_up(installed, str(path_or_name), kind="model or folder")
