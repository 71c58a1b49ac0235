"""Bad input from the command line: one clear line on stderr, exit 2, nothing half-written under a final name."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from medseg.inference import find_model

MODEL = "em-membranes"
SMALL = (
    "data.options={size: 64, train_cases: 2, validation_cases: 1, test_cases: 0, mean_radius_voxel: 8}",
    "transforms.patch_size=[32, 32]",
    "model.options={width: 4, depth: 3}",
    "training={steps: 2, steps_per_epoch: 2, batch_size: 1, schedule: {warmup_steps: 0}}",
)


def _settings(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def _png(path: Path, array=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 255, (64, 80), dtype=np.uint8)
    PillowImage.fromarray(noise if array is None else np.asarray(array, dtype=np.uint8)).save(path)
    return path


def _nifti(path: Path, array, *, shift_mm: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[0, 3] = shift_mm
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def _ball(values=1, dtype=np.uint8):
    volume = np.zeros((12, 10, 8), dtype)
    volume[3:7, 3:7, 3:6] = values
    return volume


@pytest.fixture
def refused(medseg_command):
    """Function that runs a command which must fail with one line, and returns that line."""

    def run(*words: object) -> str:
        outcome = medseg_command(*words)
        assert outcome.code == 2, outcome
        lines = [line for line in outcome.err.splitlines() if line]
        assert len(lines) == 1, outcome.err
        assert lines[0].startswith("medseg: ")
        return lines[0]

    return run


# Missing, empty, of another kind.


@pytest.mark.parametrize(
    "words",
    [
        ("info", "{missing}"),
        ("predict", MODEL, "{missing}", "--output", "{out}.png"),
        ("evaluate", "--prediction", "{missing}", "--reference", "{missing}"),
        ("batch", "{missing}", "--model", MODEL, "--output", "{out}"),
        ("report", "{missing}"),
        ("train", "{missing}.yaml", "--output", "{out}"),
        ("train", "isbi2012_unet", "--data", "{missing}", "--output", "{out}"),
        ("train", "lesions_mr_3d", "--data", "{missing}", "--output", "{out}"),
        ("datasets", "isbi2012_em", "--data", "{missing}"),
    ],
)
def test_what_is_missing_is_named(refused, tmp_path, words):
    places = {"missing": tmp_path / "missing", "out": tmp_path / "out"}
    assert str(tmp_path / "missing") in refused(*(word.format(**places) for word in words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("info", "{empty}"),
        ("predict", MODEL, "{empty}", "--output", "{out}"),
        ("evaluate", "--prediction", "{empty}", "--reference", "{empty}"),
        ("batch", "{empty}", "--model", MODEL, "--output", "{out}"),
        ("report", "{empty}"),
        ("train", "isbi2012_unet", "--data", "{empty}", "--output", "{out}"),
        ("train", "lesions_mr_3d", "--data", "{empty}", "--output", "{out}"),
    ],
)
def test_an_empty_folder_is_named(refused, tmp_path, words):
    (tmp_path / "empty").mkdir()
    places = {"empty": tmp_path / "empty", "out": tmp_path / "out"}
    assert str(tmp_path / "empty") in refused(*(word.format(**places) for word in words))
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_a_file_that_is_no_image_is_named(refused, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    assert "notes.txt" in refused("predict", MODEL, tmp_path / "notes.txt", "--output", tmp_path / "mask.png")


# Files cut short, in every format.


def _cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _written(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".png"):
        return _png(path)
    if name.endswith(".tif"):
        tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 80), dtype=np.uint8))
        return path
    return _nifti(path, np.random.default_rng(0).integers(0, 255, (40, 30, 20), dtype=np.uint8))


@pytest.mark.parametrize("name", ["cut.png", "cut.tif", "cut.nii.gz", "cut.nii"])
def test_a_file_that_was_cut_short_is_named_and_leaves_no_mask(refused, tmp_path, name):
    source = _cut(_written(tmp_path, name))
    assert name in refused("predict", MODEL, source, "--output", tmp_path / "out" / "mask.tif")
    assert not list((tmp_path / "out").glob("*"))


def test_a_gzip_with_one_flipped_bit_is_refused(refused, tmp_path):
    source = _written(tmp_path, "changed.nii.gz")
    content = bytearray(gzip.decompress(source.read_bytes()))
    packed = bytearray(gzip.compress(bytes(content), compresslevel=0))
    packed[len(packed) // 2] ^= 1
    source.write_bytes(packed)
    assert "changed.nii.gz" in refused("predict", MODEL, source, "--output", tmp_path / "mask.nii.gz")


# Images and masks that do not fit together.


def test_masks_of_different_size_are_refused_with_both_sizes(refused, tmp_path):
    one, other = _png(tmp_path / "one.png", np.zeros((64, 80))), _png(tmp_path / "other.png", np.zeros((64, 81)))
    line = refused("evaluate", "--prediction", one, "--reference", other, "--output", tmp_path / "scores.json")
    assert "one.png" in line
    assert "other.png" in line
    assert "80" in line
    assert "81" in line
    assert not (tmp_path / "scores.json").exists()


def test_masks_at_different_places_are_refused(refused, tmp_path):
    one, other = _nifti(tmp_path / "one.nii.gz", _ball()), _nifti(tmp_path / "other.nii.gz", _ball(), shift_mm=5)
    line = refused("evaluate", "--prediction", one, "--reference", other)
    assert "one.nii.gz" in line
    assert "other.nii.gz" in line
    assert "mm" in line


@pytest.mark.parametrize(
    ("mask", "shift_mm", "word"), [(_ball()[:-1], 0.0, "11"), (_ball(), 5.0, "mm")], ids=["shape", "affine"]
)
def test_a_training_refuses_masks_that_do_not_lie_on_their_image(refused, tmp_path, mask, shift_mm, word):
    for patient in ("patient07", "patient19"):
        _nifti(tmp_path / "data" / patient / "FLAIR.nii.gz", _ball(100.0, np.float32))
        _nifti(tmp_path / "data" / patient / "label.nii.gz", mask, shift_mm=shift_mm)
    line = refused("train", "lesions_mr_3d", "--data", tmp_path / "data", "--output", tmp_path / "run")
    assert "label.nii.gz" in line
    assert word in line
    assert not (tmp_path / "run").exists()


# Labels.


def _patients(folder: Path, label: np.ndarray) -> Path:
    for seed, patient in enumerate(("patient07", "patient19")):
        image = np.random.default_rng(seed).normal(100, 10, label.shape).astype(np.float32)
        _nifti(folder / patient / "FLAIR.nii.gz", image)
        _nifti(folder / patient / "label.nii.gz", label)
    return folder


def test_a_training_refuses_labels_outside_the_class_table(refused, tmp_path):
    data = _patients(tmp_path / "data", _ball(7))
    line = refused("train", "lesions_mr_3d", "--data", data, "--output", tmp_path / "run", "--quiet")
    assert "label.nii.gz" in line
    assert "7" in line
    assert "lesion" in line


def test_a_training_refuses_labels_that_are_not_whole_numbers(refused, tmp_path):
    data = _patients(tmp_path / "data", _ball(0.5, np.float32))
    line = refused("train", "lesions_mr_3d", "--data", data, "--output", tmp_path / "run", "--quiet")
    assert "label.nii.gz" in line
    assert "0.5" in line


def test_masks_that_are_not_whole_numbers_are_not_scored(refused, tmp_path):
    half, whole = _nifti(tmp_path / "half.nii.gz", _ball(0.5, np.float32)), _nifti(tmp_path / "whole.nii.gz", _ball())
    line = refused("evaluate", "--prediction", half, "--reference", whole)
    assert "half.nii.gz" in line
    assert "0.5" in line


# Images without content.


def test_a_constant_image_gets_a_mask_and_a_note(medseg_command, tmp_path):
    source = _png(tmp_path / "grey.png", np.full((64, 80), 128))
    outcome = medseg_command("predict", MODEL, source, "--output", tmp_path / "mask.png")
    assert outcome.code == 0
    with PillowImage.open(tmp_path / "mask.png") as mask:
        assert mask.size == (80, 64)
    assert "all voxels have the value 128" in outcome.err


def test_an_image_of_nan_is_refused(refused, tmp_path):
    tifffile.imwrite(tmp_path / "nan.tif", np.full((64, 80), np.nan, np.float32))
    assert "nan.tif" in refused("predict", MODEL, tmp_path / "nan.tif", "--output", tmp_path / "mask.tif")
    assert not (tmp_path / "mask.tif").exists()


# Recipes and settings.


def test_an_unknown_recipe_key_is_named_with_its_path(refused, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "schema_version: 1\nname: mine\ndata: {dataset: phantom_cells}\n"
        "transforms: {pipeline: microscopy, patch_size: [32, 32]}\n"
        "model: {name: unet}\nloss: {name: dice}\ntraining: {steps: 2, optimiser: {learning_rate: 1}}\n"
    )
    line = refused("train", recipe, "--output", tmp_path / "run")
    assert "mine.yaml" in line
    assert "training.optimiser.learning_rate" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("training.steps", "key.path=value"),
        ("training.steps=many", "training.steps"),
        ("training.step=5", "training.step"),
        ("model.name=unet_2016", "unet_2016"),
        ("model.options={width: -1}", "width"),
        ("loss.name=dise", "dise"),
        ("data.dataset=phantom_cell", "phantom_cell"),
        ("data.options.sizes=5", "sizes"),
        ("training.optimiser.lr=[", "training.optimiser.lr"),
    ],
)
def test_a_wrong_setting_is_named(refused, tmp_path, setting, word):
    words = ("train", "phantom_cells", "--data", tmp_path / "data", "--output", tmp_path / "run", "--quiet")
    assert word in refused(*words, "--set", setting)
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_recipe_is_named(refused, tmp_path):
    recipe = tmp_path / "broken.yaml"
    recipe.write_text("name: [unclosed")
    assert "broken.yaml" in refused("train", recipe, "--output", tmp_path / "run")


def test_unknown_names_list_the_known_ones(refused, tmp_path):
    assert "phantom_cells" in refused("train", "phantom_cell", "--output", tmp_path / "run")
    assert "em-membranes" in refused("predict", "em-membrane", _png(tmp_path / "a.png"), "--output", tmp_path / "m.png")
    assert "isbi2012_em" in refused("datasets", "isbi")
    assert "isbi2012" in refused("evaluate", "--task", "isbi", "--prediction", tmp_path, "--reference", tmp_path)


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "mps" if sys.platform == "linux" else "cuda"])
def test_an_unknown_or_absent_device_lists_those_present(refused, tmp_path, device):
    words = ("predict", MODEL, _png(tmp_path / "a.png"), "--output", tmp_path / "m.png", "--device", device)
    line = refused(*words)
    assert device in line
    assert "cpu" in line


def test_resuming_needs_a_run(refused, tmp_path):
    assert "--output" in refused("train", "phantom_cells", "--resume")
    line = refused("train", "phantom_cells", "--resume", "--output", tmp_path / "run")
    assert str(tmp_path / "run") in line
    assert not (tmp_path / "run").exists()


# Outputs.


def test_a_result_is_never_written_over_the_image(refused, tmp_path):
    source = _png(tmp_path / "a.png")
    before = source.read_bytes()
    for words in (("--output", source), ("--output", tmp_path), ("--output", "x.png", "--overlay", source)):
        assert "over the image itself" in refused("predict", MODEL, source, *words)
    assert source.read_bytes() == before


def test_an_unknown_output_format_is_refused_before_the_work(refused, tmp_path):
    source = _png(tmp_path / "a.png")
    assert "nii.gz" in refused("predict", MODEL, source, "--output", tmp_path / "mask.jpg")
    assert "nii.gz" in refused("predict", MODEL, source, "--output", tmp_path, "--format", "jpg")
    assert "folder" in refused("predict", MODEL, source, _png(tmp_path / "b.png"), "--output", tmp_path / "mask.png")


def test_two_inputs_of_one_name_are_refused(refused, tmp_path):
    sources = _png(tmp_path / "1" / "a.png"), _png(tmp_path / "2" / "a.png")
    assert "a.png" in refused("predict", MODEL, *sources, "--output", tmp_path / "masks")


def test_options_for_one_input_are_refused_for_two(refused, tmp_path):
    sources = _png(tmp_path / "a.png"), _png(tmp_path / "b.png")
    words = ("predict", MODEL, *sources, "--output", tmp_path / "masks")
    assert "--overlay" in refused(*words, "--overlay", tmp_path / "o.png")


def test_a_series_uid_belongs_to_dicom(refused, tmp_path):
    source = _png(tmp_path / "a.png")
    assert "DICOM" in refused("predict", MODEL, source, "--output", tmp_path / "m.png", "--series", "1.2.3")


def test_a_folder_without_the_name_of_its_data_set_is_refused(refused, tmp_path):
    assert "medseg datasets NAME" in refused("datasets", "--data", tmp_path)


def test_images_without_a_report_are_refused(refused, tmp_path):
    words = ("evaluate", "--prediction", tmp_path, "--reference", tmp_path, "--images", tmp_path)
    assert "--report" in refused(*words)


# One flipped bit.


def _flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_weights_with_one_flipped_bit_are_refused(refused, tmp_path):
    package = tmp_path / "model"
    shutil.copytree(find_model(MODEL), package)
    _flip_one_bit(package / "models" / "model.safetensors")
    line = refused("predict", package, _png(tmp_path / "a.png"), "--output", tmp_path / "mask.png")
    assert "model.safetensors" in line
    assert "damaged" in line
    assert not (tmp_path / "mask.png").exists()


def test_a_checkpoint_with_one_flipped_bit_is_refused(refused, medseg_command, tmp_path):
    words = ("train", "phantom_cells", "--data", tmp_path / "data", "--output", tmp_path / "run", "--quiet")
    words += ("--device", "cpu", *_settings(*SMALL))
    assert medseg_command(*words).code == 0
    _flip_one_bit(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert "last.ckpt" in refused(*words, "--resume")


# A disk that is full: a real one of little memory, mounted in a name space that ends with the process.


_PREDICT_EACH = """
import sys
from medseg.cli.main import main
model, source, disk, *names = sys.argv[1:]
for name in names:
    sys.argv = ["medseg", "predict", model, source, "--output", f"{disk}/{name}"]
    try:
        main()
    except SystemExit as stop:
        print(name, "exit", stop.code)
"""


def test_a_full_disk_is_one_line_and_leaves_no_half_file(tmp_path):
    names = ["mask.png", "mask.tif", "mask.nii.gz"]
    noise = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "image.tif", noise, resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    disk = tmp_path / "disk"
    disk.mkdir()
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    mount = f"mount -t tmpfs -o size=4k tmpfs '{disk}'"
    if subprocess.run([*unshare, "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("full disk: this system lets no test mount a disk")
    script = tmp_path / "predict.py"
    script.write_text(_PREDICT_EACH)
    call = f"'{sys.executable}' '{script}' '{find_model(MODEL)}' '{tmp_path}/image.tif' '{disk}' {' '.join(names)}"
    fill = f"{mount} && printf old > '{disk}/mask.png' && {call}; ls -A '{disk}'; cat '{disk}/mask.png'"
    done = subprocess.run([*unshare, "sh", "-c", fill], capture_output=True, text=True)
    assert done.stdout.splitlines() == [*(f"{name} exit 2" for name in names), "mask.png", "old"], done
    lines = [line for line in done.stderr.splitlines() if line]
    said = [f"{name}: No space left on device. Free some space" for name in names]
    assert [part in line for part, line in zip(said, lines, strict=True)] == [True] * 3
