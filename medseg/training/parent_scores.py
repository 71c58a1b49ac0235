"""What a fine-tuned model has to beat: its parent's scores on the same validation cases."""

from __future__ import annotations

from collections.abc import Callable

import torch

from medseg.files import write_text_atomically
from medseg.inference.object_predictor import load_model
from medseg.training.progress import describe_scores
from medseg.training.run_folder import RunFolder
from medseg.training.starting_weights import Parent
from medseg.training.validation import Validation


def score_parent(
    parent: Parent, *, folder: RunFolder, validation: Validation, device: torch.device, say: Callable[[str], None]
) -> None:
    """Write the parent's scores on the run's validation cases to parent_metrics.json, unless they stand there already.

    The parent runs as its package is used, so the scores compare with those of the package that the run ends with.

    Raises:
        ModelPackageError: the parent's weights are damaged.
        StorageError: the file could not be written.
        Cancelled: the user stopped the run.
    """
    if folder.parent_metrics.exists():
        return
    evaluation = validation.score(load_model(parent.folder, device=str(device))).evaluation
    write_text_atomically(folder.parent_metrics, evaluation.to_json())
    scores = describe_scores(evaluation.summary, is_best=False)
    say(f"{parent.manifest.name}, before fine-tuning, on the validation cases: {scores}")
