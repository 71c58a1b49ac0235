"""A model so small that it is trained in a second."""

import pytest
from medseg_napari.learning.fine_tuning import parent_model

from medseg.config import TrainingRecipe
from medseg.training.fit import fit

CELLS = {"size": 64, "train_cases": 2, "validation_cases": 1, "test_cases": 0, "mean_radius_voxel": 8}


@pytest.fixture(scope="session")
def parent(tmp_path_factory):
    """A model that has seen cells for four steps."""
    recipe = TrainingRecipe.model_validate(
        {
            "name": "tiny_cells",
            "data": {"dataset": "phantom_cells", "options": CELLS},
            "transforms": {"pipeline": "microscopy", "patch_size": [32, 32], "intensity": {"kind": "percentile"}},
            "model": {"name": "unet", "options": {"width": 4, "depth": 2}},
            "training": {"steps": 4, "steps_per_epoch": 4, "batch_size": 2},
        }
    )
    root = tmp_path_factory.mktemp("parent")
    return parent_model(fit(recipe, data_dir=root / "cells", run_dir=root / "run", device="cpu", quiet=True))
