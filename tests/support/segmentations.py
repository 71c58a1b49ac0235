"""Random label maps on generated series, and what other tools make of the segmentations written from them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import SimpleITK
from cases.dicom import SeriesCase
from pydicom import dcmread
from support.ramp import ORIENTATIONS, enhanced, tilted

from medseg.geometry import Grid, reordering_to
from medseg.images import Image, LabelMap, LabelTable, resample_to
from medseg.io import read_image
from medseg.io.dicom import write_series

SERIES = ("axial", "oblique", "sagittal", "tilted", "straightened", "enhanced", "doubly-oblique-sagittal")


@dataclass
class RandomMap:
    """A label map in a random order of axes, the series it labels, and its values in the series' own order."""

    source: Image
    label_map: LabelMap
    values: np.ndarray
    """(columns, rows, slices), slices ascending along the normal, as the reader of series has them."""


def random_map(seed, folder):
    """The seed-th random label map, on a series written below `folder`; kinds of series take turns."""
    rng = np.random.default_rng(seed)
    kind = SERIES[seed % len(SERIES)]
    source = _source(kind, rng, folder)
    num_labels = int(rng.integers(1, 6))
    values = _blobs(rng, source.spatial_shape, num_labels)
    table = LabelTable.from_names(["background", *(f"class {value}" for value in range(1, num_labels + 1))])
    label_map = LabelMap(values, source.affine, axes="XYZ", labels=table)
    order = "".join(rng.permutation([rng.choice(list(pair)) for pair in ("RL", "AP", "IS")]))
    reordering = reordering_to(source.affine, order)
    grid = reordering.apply_to_grid(source.grid)
    letters = "".join("XYZ"[axis] for axis in reordering.permutation)
    turned = label_map.replace(array=reordering.apply(values), affine=grid.affine, axes=letters)
    return RandomMap(source, turned, values)


def _source(kind, rng, folder):
    # Two tilted slices are refused by the reader of series: they do not show that none between them is missing.
    shape = tuple(int(size) for size in (*rng.integers(5, 24, size=2), rng.integers(3, 8)))
    spacing = tuple(np.round(rng.uniform(0.5, 1.5, size=3) * (1, 1, 2), 3))
    origin = tuple(np.round(rng.uniform(-30, 30, size=3), 2))
    options = {"shape": shape, "spacing_mm": spacing, "origin_lps_mm": origin}
    if kind in {"tilted", "straightened"}:
        tilted(float(rng.uniform(5, 25)), **options).write(folder / "series")
        if kind == "straightened":
            _straighten(read_image(folder / "series"), folder / "straight", seed=int(rng.integers(1 << 30)))
            return read_image(folder / "straight")
    elif kind == "enhanced":
        case = SeriesCase(directions=ORIENTATIONS[rng.choice(list(ORIENTATIONS))], **options)
        (folder / "series").mkdir(parents=True)
        order = [int(k) for k in rng.permutation(shape[2])]
        enhanced(case, order=order).save_as(folder / "series" / "all.dcm", enforce_file_format=True)
    else:
        names = rng.permutation(shape[2])
        SeriesCase(directions=ORIENTATIONS[kind], **options).write(folder / "series", name=lambda k: f"{names[k]}.dcm")
    return read_image(folder / "series")


def _straighten(image, folder, *, seed):
    """Write the tilted `image` anew on upright slices."""
    matrix = np.array(image.affine.matrix)
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    normal /= np.linalg.norm(normal)
    matrix[:3, 2] = normal * (normal @ matrix[:3, 2])
    upright = Grid(image.spatial_shape, type(image.affine)(matrix, frame=image.affine.frame))
    resampled = resample_to(image, upright, fill=-1000)
    write_series(resampled, folder, uid_seed=seed)


def _blobs(rng, shape, num_labels):
    """Noise of labels with empty slices, labels that occur nowhere and, now and then, nothing at all."""
    values = np.zeros(shape, np.uint8)
    for label in range(1, num_labels + 1):
        if rng.random() < 0.2:
            continue
        values[rng.random(shape) < rng.uniform(0.01, 0.4)] = label
    values[..., rng.random(shape[2]) < 0.3] = 0
    return values


def dciodvfy_errors(path):
    """The lines in which dciodvfy speaks of an error."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def dcmqi_values(path, grid, folder, *, program):
    """The segmentation's values on `grid`, as dcmqi's segimage2itkimage places them in the world."""
    folder.mkdir()
    command = [program, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-400:]
    values = np.zeros(grid.spatial_shape, np.uint8)
    for file in sorted(folder.glob("*.nrrd")):
        image = SimpleITK.ReadImage(str(file))
        array = SimpleITK.GetArrayFromImage(image).T
        found = np.argwhere(array)
        direction = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        lps = found @ direction.T + image.GetOrigin()
        places = grid.affine.apply_inverse(lps * [-1, -1, 1])
        index = np.rint(places).astype(int)
        assert not found.size or np.abs(places - index).max() * min(grid.spacing_mm) < 1e-3
        values[tuple(index.T)] = array[tuple(found.T)]
    return values


def highdicom_values(path, source):
    """(columns, rows, slices, segments) bits or fractions that highdicom finds for each slice of `source` by name."""
    segmentation = hd.seg.segread(path)
    numbers = source.metadata.extra.get("frame_numbers")
    options = {"assert_missing_frames_are_empty": True, "ignore_spatial_locations": True}
    if numbers is not None and any(numbers):
        uid = source.metadata.instance_uids[0]
        found = segmentation.get_pixels_by_source_frame(uid, [int(one) for one in numbers], **options)
    else:
        found = segmentation.get_pixels_by_source_instance(list(source.metadata.instance_uids), **options)
    return found.transpose(2, 1, 0, 3)


def positions_by_reference(path):
    """(instance UID, frame number or None) of each slice named -> ImagePositionPatient of the frames made of it."""
    found = {}
    for frame in dcmread(path, stop_before_pixels=True).PerFrameFunctionalGroupsSequence:
        reference = frame.DerivationImageSequence[0].SourceImageSequence[0]
        key = reference.ReferencedSOPInstanceUID, reference.get("ReferencedFrameNumber")
        found.setdefault(key, []).append(
            [float(value) for value in frame.PlanePositionSequence[0].ImagePositionPatient]
        )
    return found


def segimage2itkimage():
    """dcmqi's program beside the interpreter, or None."""
    import shutil
    import sys

    return shutil.which("segimage2itkimage", path=str(Path(sys.executable).parent)) or shutil.which("segimage2itkimage")
