"""The curves of a run: a row of log.csv and a point in TensorBoard for each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from medseg.errors import StorageError
from medseg.training.run_folder import LogFile, RunFolder


class RunLog:
    """Writes log.csv and the events that TensorBoard draws.

    Args:
        folder: the run's.
        score_keys: keys of the validation scores.
        part_names: names of the parts of the loss that have curves of their own.
        after_step: step of the checkpoint that the run goes on from; later rows and points are dropped.

    Raises:
        StorageError: the files cannot be written.
    """

    def __init__(
        self, folder: RunFolder, *, score_keys: Sequence[str], after_step: int, part_names: Sequence[str] = ()
    ) -> None:
        # tensorboard takes a second to load, which `medseg.training` need not cost those who only look at a run.
        from torch.utils.tensorboard import SummaryWriter

        self._path = folder.log
        self._file = LogFile(folder.log, score_keys=score_keys, part_names=part_names)
        self._file.begin(after_step=after_step)
        self._events = SummaryWriter(str(folder.tensorboard), purge_step=after_step + 1 if after_step else None)

    def add(
        self,
        *,
        step: int,
        epoch: int,
        lr: float,
        train_loss: float,
        parts: Mapping[str, float],
        scores: Mapping[str, float],
    ) -> None:
        """Add an epoch.

        Raises:
            StorageError: the disk is full, for example.
        """
        training = {f"train/{name}": value for name, value in parts.items()}
        validation = {f"val/{key}": value for key, value in scores.items()}
        curves: dict[str, float] = {"lr": lr, "train_loss": train_loss, **training, **validation}
        try:
            self._file.append({"step": step, "epoch": epoch, **curves})
            for name, value in curves.items():
                self._events.add_scalar(name, value, global_step=step)
            self._events.flush()
        except OSError as error:
            message = f"cannot write {self._path}: {error.strerror}. Free some space and go on with --resume."
            raise StorageError(message) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._events.close()
