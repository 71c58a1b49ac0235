"""A training so small that it takes a second: generated cells of 64 x 64, a network of 4 channels, 4 steps an epoch."""

import pytest

from medseg.config import TrainingRecipe
from medseg.datasets import open_dataset

DATA_OPTIONS = {"size": 64, "train_cases": 3, "validation_cases": 2, "test_cases": 0, "mean_radius_voxel": 8}


@pytest.fixture(scope="session")
def cells_dir(tmp_path_factory):
    """Folder of the generated cells, made once."""
    root = tmp_path_factory.mktemp("cells") / "cells"
    open_dataset("phantom_cells", root=root, options=DATA_OPTIONS)
    return root


@pytest.fixture(scope="session")
def tiny_recipe():
    """Function that returns the small recipe with other training settings laid over it."""

    def build(*, model=None, loss=None, evaluation=None, **training):
        return TrainingRecipe.model_validate(
            {
                "name": "tiny",
                "data": {"dataset": "phantom_cells", "options": DATA_OPTIONS},
                "transforms": {"pipeline": "microscopy", "patch_size": [32, 32], "intensity": {"kind": "percentile"}},
                "model": model or {"name": "unet", "options": {"width": 4, "depth": 3, "dropout": 0.2}},
                "loss": loss or {"name": "dice_focal"},
                "evaluation": evaluation or {"task": "semantic"},
                "training": {
                    "steps": 10,
                    "steps_per_epoch": 4,
                    "batch_size": 2,
                    "ema_decay": 0.9,
                    "optimiser": {"lr": 0.01},
                    "schedule": {"warmup_steps": 2},
                    **training,
                },
            }
        )

    return build
