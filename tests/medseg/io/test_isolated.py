"""What a decoder does to its own process costs one image, with its cause; the next one is read."""

import pickle
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import medseg
from medseg.errors import ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg.io.base import ReadRequest
from medseg.io.isolated import ReadingLimits, ReadingProcess, read_isolated
from medseg.io.isolated_messages import LENGTH, Task
from medseg.verdicts import RefusedImageError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")

LIMITS = ReadingLimits(max_seconds=20, max_bytes=2**28)


@pytest.fixture(scope="module")
def process() -> Iterator[ReadingProcess]:
    with ReadingProcess(reader="support.bad_readers:read") as one:
        yield one


def _read(process: ReadingProcess, name: str, limits: ReadingLimits = LIMITS) -> Image:
    return process.read(Path("/nowhere") / name, ReadRequest(), limits=limits)


def test_an_image_comes_back_with_its_values_order_of_memory_and_affine(process):
    image = _read(process, "good.nii")
    assert np.array_equal(image.array[0], np.arange(24).reshape(4, 6).T)
    assert image.array.dtype == np.int16
    assert image.array.strides[1:] == (2, 12)
    assert image.axes == "CXY"
    assert np.array_equal(image.affine.matrix, np.diag([2.0, 3.0, 1.0]))


def test_its_voxels_can_be_changed(process):
    image = _read(process, "good.nii")
    image.array[...] = 7
    assert (image.array == 7).all()


@pytest.mark.parametrize(
    ("reader", "cause"),
    [
        ("crash", r"crashed with SIGSEGV\) \[reader-died\]"),
        ("abort", r"crashed with SIGABRT\) \[reader-died\]"),
        ("exit", r"exit code 3\) \[reader-died\]"),
        ("eat", r"memory"),
        ("bug", r"KeyError, a fault in medseg"),
    ],
)
def test_a_reader_that_fails_badly_is_one_refusal_with_its_cause(process, reader, cause):
    with pytest.raises(ImageFormatError, match=rf"{reader}_1\.nii.*{cause}") as caught:
        _read(process, f"{reader}_1.nii")
    assert "PATIENT" not in str(caught.value)
    assert _read(process, "good.nii").array.shape == (1, 6, 4)


def test_a_reader_that_hangs_in_native_code_is_stopped(process):
    _read(process, "good.nii")
    with pytest.raises(RefusedImageError, match=r"hang\.nii: .* within 0\.5 s .*\[reader-hangs\]"):
        _read(process, "hang.nii", ReadingLimits(max_seconds=0.5, max_bytes=2**28))
    assert _read(process, "good.nii").array.shape == (1, 6, 4)


def test_a_hanging_child_whose_parent_is_gone_ends_itself(tmp_path):
    with ReadingProcess(reader="support.bad_readers:read") as process:
        child = process._started(tmp_path)
        task = pickle.dumps(Task(tmp_path / "hang.nii", tmp_path, ReadRequest(), tmp_path / "voxels", 0.01, 2**28))
        child.stdin.write(LENGTH.pack(len(task)) + task)
        child.stdin.flush()
        assert child.wait(timeout=60) == -signal.SIGALRM


def test_what_a_decoder_prints_is_lost_and_harms_nothing(process, capfd):
    assert _read(process, "chatter.nii").array.shape == (1, 6, 4)
    assert "PATIENT" not in "".join(capfd.readouterr())


def test_a_child_that_was_taken_over_cannot_run_a_command_in_the_parent(process, tmp_path):
    with pytest.raises(RefusedImageError, match="may not send"):
        process.read(tmp_path / "forge.nii", ReadRequest(), limits=LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_the_files_of_the_voxels_are_removed(process, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    image = _read(process, "good.nii")
    with pytest.raises(ImageFormatError):
        _read(process, "exit.nii")
    assert list(tmp_path.iterdir()) == []
    assert image.array.sum() == 23 * 24 // 2


def test_real_files_read_as_they_do_at_home(tmp_path):
    affine = Affine([[0.5, 0.1, 0, 3], [0, 2, 0, -4], [0, 0, 3, 5], [0, 0, 0, 1]], frame=WorldFrame.RAS)
    array = np.random.default_rng(1).integers(-1000, 1000, (1, 5, 6, 7), dtype=np.int16)
    path = tmp_path / "scan.nii.gz"
    medseg.write_image(Image(array, affine, "CXYZ", ImageMetadata()), path)
    here, there = medseg.read_image(path), read_isolated(path)
    assert np.array_equal(there.array, here.array)
    assert there.affine == here.affine
    assert there.metadata == here.metadata


def test_the_classes_of_an_ome_zarr_mask_come_back(tmp_path):
    path = tmp_path / "mask.ome.zarr"
    affine = Affine.from_spacing((1.0, 1.0), frame=WorldFrame.RAS)
    table = LabelTable.from_names(("background", "nucleus"))
    array = np.eye(6, dtype=np.uint8)
    medseg.write_label_map(LabelMap(array, affine, "YX", table, LabelKind.SEMANTIC), path)
    assert "nucleus" in str(read_isolated(path, ReadRequest(as_labels=True)).metadata.extra)


def test_errors_of_the_readers_keep_their_type_and_words(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_isolated(tmp_path / "none.nii")


def test_an_image_beyond_the_limit_is_refused_by_its_header(tmp_path):
    path = tmp_path / "scan.nii"
    image = Image(np.zeros((1, 64, 64, 64), np.float32), Affine(np.eye(4), frame=WorldFrame.RAS), "CXYZ")
    medseg.write_image(image, path)
    with pytest.raises(RefusedImageError, match="over-budget"):
        read_isolated(path, limits=ReadingLimits(max_bytes=2**19))
