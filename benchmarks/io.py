"""Reading a CT series of 300 slices with shuffled names, all checks on, against SimpleITK, pydicom alone and MONAI.

Process time on one thread, the smallest of interleaved rounds; the values must be equal first. SimpleITK finds and
orders the files itself, as anyone has to. `--goals` ends with an error where the goals are missed.
"""

import argparse
import random
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from monai.data import PydicomReader
from timing import print_ratios, smallest_times

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image
from medseg.io import read_image
from medseg.io.dicom import write_series

SHAPE = (512, 512, 300)
ROUNDS = 5
GOALS = {"SimpleITK": 1 / 2, "MONAI PydicomReader": 1 / 8}
"""Reader -> the largest part of its time that medseg may take."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goals", action="store_true")
    arguments = parser.parse_args()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "series"
        _write_shuffled(folder)
        candidates = {
            "medseg, all checks": lambda: read_image(folder),
            "SimpleITK": lambda: _with_simpleitk(folder),
            "pydicom, no checks": lambda: _with_pydicom(folder),
            "MONAI PydicomReader": lambda: _with_monai(folder),
        }
        theirs = SimpleITK.GetArrayFromImage(_with_simpleitk(folder))
        if not np.array_equal(read_image(folder).array[0], theirs.transpose(2, 1, 0)):
            message = "voxels differ from SimpleITK's; a speed without the same answer says nothing"
            raise SystemExit(message)
        times = smallest_times(candidates, rounds=ROUNDS)
    print_ratios(f"{SHAPE[2]} slices of {SHAPE[0]} x {SHAPE[1]}, names shuffled", times, against="SimpleITK")
    missed = [name for name, part in GOALS.items() if times["medseg, all checks"] > part * times[name]]
    if arguments.goals and missed:
        message = f"slower than the goal against {', '.join(missed)}"
        raise SystemExit(message)


def _write_shuffled(folder: Path) -> None:
    values = np.random.default_rng(0).integers(-1000, 1500, SHAPE, dtype=np.int16)
    affine = Affine(np.diag([-0.7, -0.7, 1.5, 1.0]), frame=WorldFrame.RAS)
    paths = write_series(Image(values[np.newaxis], affine, "CXYZ"), folder, uid_seed=1)
    names = [f"IM{number:04d}" for number in range(len(paths))]
    random.Random(0).shuffle(names)
    for path, name in zip(paths, names, strict=True):
        path.rename(path.with_name(name))


def _with_simpleitk(folder: Path) -> SimpleITK.Image:
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def _with_pydicom(folder: Path) -> np.ndarray:
    return np.stack([pydicom.dcmread(path).pixel_array for path in sorted(folder.iterdir())])


def _with_monai(folder: Path) -> np.ndarray:
    reader = PydicomReader()
    return reader.get_data(reader.read(folder))[0]


if __name__ == "__main__":
    main()
