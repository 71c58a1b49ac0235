"""Reading a CT series with all checks, against SimpleITK (sorted file names given) and pydicom alone; values equal."""

import tempfile
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from timing import print_ratios, smallest_times

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image
from medseg.io import read_image
from medseg.io.dicom import write_series

SHAPE = (512, 512, 100)


def main() -> None:
    rng = np.random.default_rng(0)
    affine = Affine(np.diag([-0.7, -0.7, 1.5, 1.0]), frame=WorldFrame.RAS)
    values = rng.integers(-1000, 1500, SHAPE, dtype=np.int16)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "series"
        paths = write_series(Image(values[np.newaxis], affine, "CXYZ"), folder, uid_seed=1)
        names = [str(path) for path in paths]

        def with_simpleitk() -> np.ndarray:
            reader = SimpleITK.ImageSeriesReader()
            reader.SetFileNames(names)
            return SimpleITK.GetArrayFromImage(reader.Execute())

        def with_pydicom() -> np.ndarray:
            return np.stack([pydicom.dcmread(name).pixel_array for name in names])

        ours = read_image(folder).array[0]
        if not np.array_equal(ours, with_simpleitk().transpose(2, 1, 0)):
            message = "voxels differ from SimpleITK's; a speed without the same answer says nothing"
            raise SystemExit(message)
        candidates = {
            "medseg, all checks": lambda: read_image(folder),
            "SimpleITK": with_simpleitk,
            "pydicom, no checks": with_pydicom,
        }
        print_ratios("100 slices of 512 x 512", smallest_times(candidates, rounds=3), against="SimpleITK")


if __name__ == "__main__":
    main()
