"""From a recipe to a run folder with checkpoints, logs and a model package."""
