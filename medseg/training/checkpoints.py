"""Checkpoints: everything a run needs to go on, in files that are safe to load and show any damage.

A checkpoint is an ordinary torch archive of tensors, numbers, strings, lists and dictionaries, so
`torch.load(path, weights_only=True)` reads it. The comment of the zip archive holds the SHA-256 of all bytes before
it; a flipped bit anywhere is refused before anything is unpacked.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import struct
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medseg.errors import ModelPackageError
from medseg.files import atomic_path

FORMAT = "medseg-checkpoint-1"

_SEAL_TAG = b"sha256:"
_SEAL_BYTES = len(_SEAL_TAG) + 64


@dataclass
class RunState:
    """Where a run stands beside its weights; changes as it goes on.

    Attributes:
        step: optimisation steps done.
        epoch: epochs done.
        best_score: highest monitored score so far; None before the first defined one.
        best_step: step of the best checkpoint; 0 where there is none.
        stale_validations: validations since the score last rose.
        stopped_early: whether the run ended before its last step because the score no longer rose.
    """

    step: int = 0
    epoch: int = 0
    best_score: float | None = None
    best_step: int = 0
    stale_validations: int = 0
    stopped_early: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on.

    Attributes:
        state: where the run stands.
        network: the network's state dictionary.
        optimiser: the optimiser's state dictionary.
        average: state of the running mean of the weights; empty where the recipe keeps none.
        recipe: the recipe, as plain values.
        environment: what else decides the bits of a result: number of threads, versions.
        epoch_so_far: what an epoch that was broken off needs to go on: the "losses" of its steps, the sums of their
            "parts" and the states of the random "generators"; empty between two epochs.
    """

    state: RunState
    network: dict[str, Tensor]
    optimiser: dict[str, Any] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    epoch_so_far: dict[str, Any] = field(default_factory=dict)

    @property
    def validated_weights(self) -> dict[str, Tensor]:
        """The weights that were scored: the running mean where there is one."""
        return self.average or self.network


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        StorageError: the disk is full or the folder cannot be written; the file that was there stays.
    """
    content = {"format": FORMAT, **{name: getattr(checkpoint, name) for name in checkpoint.__dataclass_fields__}}
    content["state"] = asdict(checkpoint.state)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(_sealed(buffer.getvalue()))


def keep_as_previous(last: Path, previous: Path) -> None:
    """Make `previous` the same file as `last`, which stays, so that at no moment there is no checkpoint."""
    if not last.exists():
        return
    with atomic_path(previous) as temporary:
        try:
            os.link(last, temporary)
        except OSError:  # file systems without hard links
            shutil.copyfile(last, temporary)


def load_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint that a file holds.

    Raises:
        ModelPackageError: the file is missing, damaged, or no checkpoint of medseg.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"{path}: cannot read the checkpoint: {error.strerror}."
        raise ModelPackageError(message) from error
    _check_seal(data, path)
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        found = content.pop("format", None)
        if found != FORMAT:
            raise _foreign(path, f"its format is {found!r}, expected {FORMAT!r}")
        return Checkpoint(**{**content, "state": RunState(**content["state"])})
    except ModelPackageError:
        raise
    except Exception as error:
        raise _foreign(path, f"it cannot be read ({type(error).__name__})") from error


def _sealed(archive: bytes) -> bytes:
    """A zip archive without a comment, with its digest as comment (the length of one is its last two bytes)."""
    body = archive[:-2] + struct.pack("<H", _SEAL_BYTES)
    return body + _SEAL_TAG + hashlib.sha256(body).hexdigest().encode()


def _check_seal(data: bytes, path: Path) -> None:
    body, seal = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    expected = _SEAL_TAG + hashlib.sha256(body).hexdigest().encode()
    if seal == expected:
        return
    message = (
        f"{path}: the checkpoint is damaged or was changed (its SHA-256 is not the one it was written with). "
        "Delete it and resume: the run goes on from the checkpoint before it."
    )
    raise ModelPackageError(message)


def _foreign(path: Path, reason: str) -> ModelPackageError:
    message = f"{path}: not a checkpoint of this version of medseg: {reason}. Start anew in another run folder."
    return ModelPackageError(message)
