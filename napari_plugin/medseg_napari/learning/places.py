"""Where corrected images and fine-tuned models lie, and the secret by which patients are told apart."""

from __future__ import annotations

import secrets
from pathlib import Path

from medseg.files import atomic_path

_RUNS = "runs"
_KEY = ".key"
_KEY_BYTES = 32


def learning_home() -> Path:
    """Folder of all that was learned: one folder a family of models in it."""
    return Path.home() / "medseg" / "learning"


def family_folder(package: Path, *, name: str, home: Path) -> Path:
    """Folder of the corrected images for a model and all that were fine-tuned from it.

    Args:
        package: of the model.
        name: of the model.
        home: see `learning_home`.
    """
    home, package = home.resolve(), package.resolve()
    if home in package.parents:
        return home / package.relative_to(home).parts[0]
    return home / name


def runs_folder(family: Path) -> Path:
    """Folder of the runs of a family."""
    return family / _RUNS


def fine_tuned_models(home: Path) -> list[Path]:
    """Run folders with a finished model, by family and name."""
    return sorted(path.parents[1] for path in home.glob(f"*/{_RUNS}/*/best/medseg.json"))


def secret_key(home: Path) -> bytes:
    """The secret of this user, made when it is first needed.

    It lies above the folders of the families, so that whoever is given one of these cannot try out patient numbers.

    Raises:
        StorageError: it could not be written.
    """
    path = home / _KEY
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()
