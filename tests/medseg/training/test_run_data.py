"""What a run says of its data before it trains on them."""

import sys

import numpy as np
import pytest
from dataset_files import write_png_pair
from PIL import Image as PillowImage

from medseg.config import TrainingRecipe
from medseg.datasets import open_dataset
from medseg.training.progress import LineReporter
from medseg.training.run_data import read_run_data


@pytest.mark.parametrize("emptied", [(), ("b", "d")])
def test_cases_without_a_labelled_voxel_are_named_and_allowed(tmp_path, capsys, emptied):
    for case in "abcd":
        write_png_pair(tmp_path, case)
    for case in emptied:
        PillowImage.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "labels" / f"{case}.png")
    recipe = TrainingRecipe.model_validate(
        {
            "name": "tiny",
            "data": {"dataset": "folder", "options": {"labels": ["background", "cell"], "validation": ["d"]}},
            "transforms": {"pipeline": "microscopy", "patch_size": [16, 16], "intensity": {"kind": "percentile"}},
            "model": {"name": "unet"},
            "loss": {"name": "dice_focal"},
        }
    )
    dataset = open_dataset("folder", root=tmp_path, options=recipe.data.options)
    data = read_run_data(recipe, dataset=dataset, splits=dataset.splits(), reporter=LineReporter(sys.stderr))
    said = capsys.readouterr().err
    assert len(data.training) == 3
    expected = "note: in 2 of 4 cases nothing but background is labelled: b, d"
    assert (expected in said) == bool(emptied)
    assert ("labelled" in said) == bool(emptied)
