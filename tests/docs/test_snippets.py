"""The documentation's Python runs, its recipes are recipes, and its commands have the options that it shows."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer

from medseg.cli.main import _build_app
from medseg.config import load_recipe
from medseg.datasets.phantoms import cell_mask, cells_phantom, ct_phantom
from medseg.inference import installed_models
from medseg.io import write_image, write_label_map
from medseg.io.dicom import write_series
from medseg.training.starting_weights import package_settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SHIPPED = re.compile(r"load_model\(\"([a-z-]+)\"\)")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language in a page."""
    return [match["code"] for match in FENCE.finditer(page.read_text()) if match["language"] == language]


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if page.is_file() and blocks(page, language)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A folder with the files that the snippets name: a picture with its truth, a volume, a CT series."""
    image, instances = cells_phantom(np.random.default_rng(0), shape=(96, 80), mean_radius_voxel=8)
    grey = image.array - image.array.min()
    picture = image.replace(array=(grey * (255 / grey.max())).astype(np.uint8))
    write_image(picture, tmp_path / "slice.png")
    write_label_map(cell_mask(instances), tmp_path / "truth.png", source=picture)
    ct, _ = ct_phantom(np.random.default_rng(0), shape=(64, 64, 16))
    write_series(ct, tmp_path / "CT_FOLDER", uid_seed=0)
    write_image(ct, tmp_path / "scan.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("page", pages_with("python"), ids=name_of)
def test_the_snippets_of_a_page_run_one_after_another(page):
    code = "\n".join(blocks(page, "python"))
    missing = set(SHIPPED.findall(code)) - set(installed_models())
    if missing:
        pytest.skip(f"the shipped models {', '.join(sorted(missing))} are not in this checkout")
    exec(compile(code, name_of(page), "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize("page", pages_with("yaml"), ids=name_of)
def test_the_recipes_of_a_page_are_recipes(page, tmp_path):
    for text in blocks(page, "yaml"):
        (tmp_path / "recipe.yaml").write_text(text)
        load_recipe(tmp_path / "recipe.yaml", settings_of=package_settings)


def medseg_calls(page: Path) -> list[list[str]]:
    """The words of each call of `medseg` in the shell blocks of a page."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True))[:1] == ["medseg"]]


@pytest.mark.parametrize("page", [page for page in pages_with("bash") if medseg_calls(page)], ids=name_of)
def test_the_commands_of_a_page_parse(page):
    verbs = typer.main.get_command(_build_app()).commands
    for verb, *words in medseg_calls(page):
        verbs[verb].make_context(verb, list(words))


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []


def test_relative_links_of_pages_outside_the_site_lead_somewhere():
    broken = []
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", page.read_text()) if page.is_file() else []:
            place = next(filter(None, target))
            if "://" not in place and not (ROOT / place).exists():
                broken.append(f"{page.name}: {place}")
    assert broken == []
