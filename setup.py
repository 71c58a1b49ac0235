"""Puts the recipes of workflows/recipes into the wheel, inside the package; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RECIPES = Path(__file__).parent / "workflows" / "recipes"


class BuildWithRecipes(build_py):
    """Copies the recipes to medseg/recipes in a built wheel; an editable install reads them where they lie."""

    def run(self) -> None:
        """Build as always, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "medseg" / "recipes"
        target.mkdir(parents=True, exist_ok=True)
        for recipe in sorted(RECIPES.glob("*.yaml")):
            shutil.copy(recipe, target / recipe.name)


setup(cmdclass={"build_py": BuildWithRecipes})
