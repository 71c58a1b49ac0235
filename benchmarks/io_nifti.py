"""Loading NIfTI with all checks, against SimpleITK, and its peak of memory; values equal.

Time is process time of file to numpy array, rounds interleaved. SimpleITK's array is counted with its copy
(GetArrayFromImage), and without (GetArrayViewFromImage), which is as far as it can be driven. Memory is what the
largest resident size of a new process grows by while it loads one file, over the bytes of the array.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from scipy.ndimage import gaussian_filter
from timing import print_ratios, smallest_times

from medseg.io import read_image

SHAPE = (320, 320, 160)
SLOPE_OFFSET = 112
ROUNDS = 7
_PEAK = """
import sys
from pathlib import Path
from medseg.io import read_image

def kilobytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))

read_image(sys.argv[2])
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what is resident now
before = kilobytes("VmRSS")
image = read_image(sys.argv[1])
print((kilobytes("VmHWM") - before) * 1024 / image.array.nbytes)
"""


def scan(rng: np.random.Generator) -> np.ndarray:
    """Smooth tissue with noise and an empty border: packs about as well as a CT."""
    array = gaussian_filter(rng.normal(size=SHAPE).astype(np.float32), 3) * 20000
    array += rng.normal(size=SHAPE) * 12
    array[: SHAPE[0] // 6] = -1024
    return array


def peak_share(path: Path, warm_up: Path) -> float:
    """Growth of the largest resident size, as a share of the array; imports are paid for by `warm_up`."""
    done = subprocess.run([sys.executable, "-c", _PEAK, path, warm_up], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    array = scan(np.random.default_rng(0))
    affine = np.diag([-0.7, -0.7, 1.5, 1.0])
    cases = {"int16": array.astype(np.int16), "float32": array, "mask uint8": (array > 300).astype(np.uint8)}
    with tempfile.TemporaryDirectory() as place:
        warm_up = {}
        for suffix in (".nii", ".nii.gz"):
            warm_up[suffix] = Path(place) / f"small{suffix}"
            nibabel.save(nibabel.Nifti1Image(cases["int16"][:8, :8, :8], affine), warm_up[suffix])
        for name, values in cases.items():
            for suffix in (".nii", ".nii.gz"):
                path = Path(place) / f"{name.replace(' ', '-')}{suffix}"
                nibabel.save(nibabel.Nifti1Image(values, affine), path)
                compare(f"{name}, {suffix}, packs to {path.stat().st_size / values.nbytes:.2f}", path, values)
                print(f"  peak memory: {peak_share(path, warm_up[suffix]):.2f} of the array")
                path.unlink()
        path = Path(place) / "scaled.nii"
        nibabel.save(nibabel.Nifti1Image(cases["int16"], affine), path)
        content = bytearray(path.read_bytes())
        content[SLOPE_OFFSET : SLOPE_OFFSET + 8] = np.array([0.5, -3.0], "<f4").tobytes()
        path.write_bytes(content)
        compare("int16 scaled to float32, .nii", path, cases["int16"] * np.float32(0.5) - np.float32(3))
        print(f"  peak memory: {peak_share(path, warm_up['.nii']):.2f} of the array")


def compare(title: str, path: Path, values: np.ndarray) -> None:
    """Print the times of one file; refuses to where the values differ."""
    name = str(path)
    if not np.array_equal(read_image(path).array[0], values):
        message = f"{title}: voxels differ from what was written; a speed without the same answer says nothing"
        raise SystemExit(message)

    def viewed() -> int:
        image = SimpleITK.ReadImage(name)
        return SimpleITK.GetArrayViewFromImage(image).size

    candidates = {
        "medseg, all checks": lambda: read_image(path),
        "SimpleITK": lambda: SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(name)),
        "SimpleITK, view": viewed,
        "nibabel (maps plain files)": lambda: np.asanyarray(nibabel.load(path).dataobj),
    }
    print_ratios(title, smallest_times(candidates, rounds=ROUNDS), against="SimpleITK")


if __name__ == "__main__":
    main()
