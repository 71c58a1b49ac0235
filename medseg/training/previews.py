"""Pictures of what the network answers, every few epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from medseg.evaluation import CaseMaps, Task
from medseg.evaluation.drawing import drawn
from medseg.images import LabelKind, LabelMap
from medseg.training.validation import ValidationCase

WriteOverlay = Callable[..., None]
"""`medseg.reports.write_overlay`, handed in because the reports' floor lies beside this one."""

_PICTURES_AN_EPOCH = 2


def drawn_maps(case: ValidationCase, prediction: LabelMap) -> dict[str, LabelMap]:
    """Reference and prediction as `WriteOverlay` draws them; objects by whether they have a match."""
    maps = CaseMaps(case.case_id, case.reference, prediction, pair_id=case.case_id)
    if case.reference.kind is LabelKind.INSTANCES:
        maps = drawn(maps, task=Task.INSTANCES)
    return {"reference": maps.reference, "prediction": maps.prediction}


class Previews:
    """Draws validation cases with reference and prediction.

    Args:
        folder: where the pictures go, `epoch_NNN_<case>.png`.
        cases: the validation cases; the first few are drawn, the same each time.
        write: draws one; None draws nothing.
        every_epochs: epochs between two pictures of a case.
    """

    def __init__(
        self, *, folder: Path, cases: tuple[ValidationCase, ...], write: WriteOverlay | None, every_epochs: int
    ) -> None:
        self._folder = folder
        self._cases = cases[:_PICTURES_AN_EPOCH]
        self._write = write
        self._every = every_epochs

    def draw(self, *, epoch: int, predictions: Mapping[str, LabelMap]) -> None:
        """Draw the pictures of an epoch, counted from 1, if it is one that has some: 1, 1 + every_epochs, ..."""
        if self._write is None or (epoch - 1) % self._every != 0:
            return
        for case in self._cases:
            self._write(
                self._folder / f"epoch_{epoch:03d}_{case.case_id}.png",
                image=case.image,
                **drawn_maps(case, predictions[case.case_id]),
                title=f"{case.case_id}, epoch {epoch}",
            )
