"""Whole jobs, as the command line, the napari plugin and scripts call them."""

from medseg.jobs.train import default_profile, find_recipe, shipped_recipes, train

__all__ = ["default_profile", "find_recipe", "shipped_recipes", "train"]
