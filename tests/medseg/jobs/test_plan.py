"""`medseg plan` on folders of files."""

import nibabel
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from medseg.config import load_recipe
from medseg.datasets.phantoms import cells_phantom
from medseg.errors import InputError, LabelError
from medseg.jobs.plan import plan
from medseg.jobs.train import train


@pytest.fixture
def cells(tmp_path):
    """Three pictures of cells, numbers of objects in 16 bits."""
    root = tmp_path / "My cells"
    rng = np.random.default_rng(0)
    for number in range(3):
        image, labels = cells_phantom(rng, shape=(96, 96), mean_radius_voxel=8)
        for folder, array in (("images", image.array[0]), ("labels", labels.array.astype(np.uint16))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(root / folder / f"c{number}.tif", array)
    return root


def test_a_planned_recipe_trains_as_it_is(cells, tmp_path):
    planned = plan(cells, output=tmp_path / "cells.yaml", quiet=True)
    assert planned.recipe.data.options["objects"] is True
    assert planned.recipe.name == "my_cells"
    for profile in ("cpu", "gpu"):
        assert load_recipe(planned.path, profile=profile).transforms.patch_size == (96, 96)
    run = train(
        planned.path,
        data_dir=cells,
        run_dir=tmp_path / "run",
        device="cpu",
        quiet=True,
        overrides=("training.steps=2", "training.steps_per_epoch=2", "training.batch_size=2"),
    )
    assert (run / "best" / "medseg.json").is_file()


def test_the_reasons_stand_in_the_file(cells, tmp_path):
    planned = plan(cells, output=tmp_path / "cells.yaml", quiet=True)
    lines = [line.strip() for line in planned.path.read_text(encoding="utf-8").splitlines()]
    share = lines.index(f"# {planned.reasons['transforms.foreground_fraction']}")
    assert lines[share + 1].startswith("foreground_fraction: ")


def test_a_volume_is_planned_in_the_order_of_the_patient(tmp_path):
    # Stored from feet to head along the first axis, 12 mm apart; 6 mm to the left and to the back along the others.
    affine = np.array([[0, -6.0, 0, 0], [0, 0, -6.0, 0], [12.0, 0, 0, 0], [0, 0, 0, 1]])
    values = np.full((16, 40, 48), -1000, np.int16)
    values[4:12, 10:30, 10:30] = 40
    for name in ("a", "b"):
        for folder, array in (("images", values), ("labels", (values > 0).astype(np.uint8))):
            (tmp_path / "ct" / folder).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "ct" / folder / f"{name}.nii.gz")
    transforms = plan(tmp_path / "ct", output=tmp_path / "ct.yaml", quiet=True).recipe.transforms
    assert transforms.pipeline == "ct"
    assert (transforms.orientation, transforms.spacing_mm) == ("RAS", (6.0, 6.0, 12.0))
    # Fewer than 64 x 64 x 64 voxels, so all of the image; 40 is 5 times 8, 48 is 6 times 8.
    assert transforms.patch_size == (40, 48, 16)


def test_a_file_that_is_there_is_not_written_over(cells, tmp_path):
    path = tmp_path / "cells.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists already and is not written over"):
        plan(cells, output=path, quiet=True)
    assert path.read_text(encoding="utf-8") == "mine"


def test_what_a_training_would_refuse_is_refused_here(cells, tmp_path):
    (cells / "labels" / "c1.tif").unlink()
    with pytest.raises(InputError, match=r"c1\.tif: its labels, expected as .* cannot be found"):
        plan(cells, output=tmp_path / "cells.yaml", quiet=True)
    assert not (tmp_path / "cells.yaml").exists()


def test_labels_that_label_nothing_are_refused(cells, tmp_path):
    for path in (cells / "labels").iterdir():
        tifffile.imwrite(path, np.zeros((96, 96), np.uint8))
    with pytest.raises(LabelError, match="nothing is labelled in any of the 3 label files"):
        plan(cells, output=tmp_path / "cells.yaml", quiet=True)


def test_the_command_says_why_and_what_to_do_next(cells, tmp_path, monkeypatch):
    from medseg.cli.main import _build_app

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(_build_app(), ["plan", str(cells), "--labels", "background, cell", "--quiet"])
    assert result.exit_code == 0
    assert "transforms.foreground_fraction: " in result.stdout
    last = result.stdout.splitlines()[-1]
    assert last == f"Read My cells.yaml, then: medseg train 'My cells.yaml' --data '{cells}'"
    assert load_recipe(tmp_path / "My cells.yaml", profile="cpu").data.options["labels"] == ["background", "cell"]
