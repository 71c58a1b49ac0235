"""Whatever stops a writer half-way, a final name holds a whole file or what it held before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cases.dicom import SeriesCase

import medseg
from medseg.files import remove_leftovers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")

TESTS = Path(__file__).parents[2]
NAMES = ["mask.nii", "mask.nii.gz", "mask.tif", "mask.nrrd", "mask.mha", "mask.ome.zarr", "mask.dcm", "picture.png"]
PREPARE = """
import sys
from pathlib import Path
sys.path += [{tests!r}]
import numpy as np, medseg, medseg.io.dicom
from medseg.geometry import Affine, WorldFrame
from medseg.errors import StorageError
folder, series = Path({folder!r}), Path({series!r})
rng = np.random.default_rng(0)
labels = medseg.LabelTable.from_names(("background", "lesion"))
source = medseg.read_image(series)
mask = medseg.LabelMap(rng.integers(0, 2, source.spatial_shape, np.uint8), source.affine, "XYZ", labels)
flat = Affine([[0, 1, 0], [1, 0, 0], [0, 0, 1]], frame=WorldFrame.RAS)
picture = medseg.LabelMap(rng.integers(0, 2, (600, 600), np.uint8), flat, "YX", labels)
def write(name):
    if name.endswith("png"):
        medseg.write_label_map(picture, folder / name)
    else:
        medseg.write_label_map(mask, folder / name, source=source)
"""
LIMITED = """
import resource
for name in {names!r}:
    write(name)
before = {{path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}}
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
for name in {names!r}:
    try:
        write(name)
    except StorageError as error:
        print(name, str(error).replace(str(folder), "FOLDER"))
after = {{path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}}
print("unchanged" if before == after else sorted(str(path) for path in before.keys() ^ after.keys()))
"""
ENDLESS = """
write({name!r})
print("ready", flush=True)
while True:
    write({name!r})
"""


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    SeriesCase(shape=(64, 64, 24)).write(folder)
    return folder


def script(template, *, folder, series, **values):
    prepared = PREPARE.format(tests=str(TESTS), folder=str(folder), series=str(series))
    return [sys.executable, "-c", prepared + template.format(**values)]


def test_every_writer_says_that_the_disk_is_full_and_keeps_the_old_file(tmp_path, series):
    command = script(LIMITED, folder=tmp_path, series=series, names=NAMES)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.splitlines()
    assert [line.split()[0] for line in said] == NAMES
    for line in said:
        assert "cannot write FOLDER" in line
        assert "File too large. Free some space" in line
    assert last == "unchanged"


@pytest.mark.parametrize("name", ["mask.nii.gz", "mask.tif"])
def test_a_writer_killed_at_any_moment_leaves_a_whole_file_under_its_name(name, tmp_path, series):
    running = subprocess.Popen(script(ENDLESS, folder=tmp_path, series=series, name=name), stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"ready\n"
    whole = (tmp_path / name).read_bytes()
    for _ in range(10_000):  # killed while a temporary file stands there
        if list(tmp_path.glob(".*.part.*")):
            break
        time.sleep(0.001)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()
    assert (tmp_path / name).read_bytes() == whole
    assert np.unique(medseg.read_label_map(tmp_path / name).array).tolist() == [0, 1]
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
