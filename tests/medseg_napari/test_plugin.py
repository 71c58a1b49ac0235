"""The manifest is valid, its commands exist, and the reader takes what medseg reads, without Qt."""

import importlib
import subprocess
import sys
from pathlib import Path

import medseg_napari
import numpy as np
import pytest
from cases.dicom import SeriesCase
from medseg_napari._reader import get_reader
from npe2 import PluginManifest

import medseg
from medseg.errors import ImageFormatError
from medseg.io import IMAGE_SUFFIXES

MANIFEST = Path(medseg_napari.__file__).parent / "napari.yaml"


def test_the_manifest_is_valid_and_every_command_can_be_imported():
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "medseg"


def test_the_manifest_is_found_through_the_installed_package():
    assert PluginManifest.from_distribution("medseg").name == "medseg"


def test_the_sample_data_are_layers():
    manifest = PluginManifest.from_file(MANIFEST)
    for sample in manifest.contributions.sample_data:
        (command,) = [one for one in manifest.contributions.commands if one.id == sample.command]
        module, _, function = command.python_name.partition(":")
        layers = getattr(importlib.import_module(module), function)()
        assert [kind for _, _, kind in layers] == ["image", "labels"]
        assert layers[0][0].shape == layers[1][0].shape
        assert layers[1][0].any()


def test_every_suffix_that_medseg_reads_is_offered_to_it():
    patterns = PluginManifest.from_file(MANIFEST).contributions.readers[0].filename_patterns
    assert {f"*{suffix}" for suffix in IMAGE_SUFFIXES} <= set(patterns)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "missing"])
def test_other_files_are_left_to_other_readers(tmp_path, name):
    assert get_reader(str(tmp_path / name)) is None
    assert get_reader([]) is None


def test_a_folder_without_dicom_is_left_to_other_readers(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert get_reader(str(tmp_path)) is None


def test_a_file_becomes_one_layer_with_its_name(tmp_path, marked_volume):
    path = tmp_path / "scan.nii.gz"
    medseg.write_image(marked_volume(), path)
    reader = get_reader(str(path))
    ((data, settings, kind),) = reader(str(path))
    assert (kind, settings["name"]) == ("image", "scan")
    assert settings["units"] == ("mm",) * 3
    assert np.argwhere(data == 1).shape == (1, 3)


def test_a_dicom_folder_becomes_one_layer_in_hounsfield_units(tmp_path):
    SeriesCase().write(tmp_path / "series")
    ((data, settings, _),) = get_reader(str(tmp_path / "series"))(str(tmp_path / "series"))
    assert data.shape == (4, 5, 6)
    # The series is written in LPS, so its first voxel stands at its ImagePositionPatient (x, y, z).
    assert settings["translate"] == pytest.approx((31.5, 12.0, -20.0))
    assert settings["contrast_limits"] == (-160.0, 240.0)


def test_a_damaged_file_is_one_clear_line(tmp_path):
    (tmp_path / "scan.nii.gz").write_bytes(b"no gzip")
    with pytest.raises(ImageFormatError, match=r"scan.nii.gz"):
        get_reader(str(tmp_path / "scan.nii.gz"))(str(tmp_path / "scan.nii.gz"))


def test_the_reader_is_chosen_without_qt_or_torch(tmp_path):
    probe = (
        "import sys\nfrom medseg_napari._reader import get_reader\n"
        f"assert get_reader({str(tmp_path / 'scan.nii.gz')!r})\n"
        "print(*(name for name in ('qtpy', 'napari', 'torch', 'nibabel') if name in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
