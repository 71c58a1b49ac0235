"""Judge every DICOM folder and file of the real data, compare the volumes with other programs, write the page.

MEDSEG_DATA_DIR=DATA .venv/bin/python scripts/dicom_sweep.py [docs/results/dicom.md]

A folder is one row a volume; in folders of unrelated single files each file is a row. Each volume is compared, where
they give one, with the NIfTI file that lies beside it, with SimpleITK (the same files in our order) and with dcm2niix,
else with pydicom's own decoding of its one slice.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813 - its usual name
from numpy.typing import NDArray

from medseg.errors import MedsegError
from medseg.files import write_text_atomically
from medseg.images import Image
from medseg.io import read_image
from medseg.io.dicom.judge import JudgedVolume, judge_folder
from medseg.verdicts import RefusedImageError, Verdict

DCM2NIIX = shutil.which("dcm2niix") or __import__("dcm2niix").bin
SINGLE_FILES = ("ct_one_image_every_transfer_syntax", "pydicom_test_files", "seg_highdicom")
"""Folders whose files have nothing to do with each other."""
TOLERANCE_MM = 1e-2
"""NIfTI holds positions as float32."""

PAGE = """# Real DICOM files

Every folder and file of the project's collection of public DICOM files, as `scripts/dicom_sweep.py` finds it: a volume
that other programs confirm, or a refusal with its reason. Nothing here is chosen or left out by hand.

- Volumes: {volumes}, of which {confirmed} agree with at least one other reader in every voxel and in place
  (within {tolerance:g} mm at each voxel centre; SimpleITK and pydicom are compared in values, and in place where they
  state one), {unconfirmed} could be compared with none, {different} differ from one.
- Refusals: {refusals}. Raw tracebacks: {tracebacks}.

"pair" is the NIfTI file that lies beside the folder, made by a converter that its publisher trusted. "in values" says
that the place was not compared: pydicom decodes a slice, which is then rescaled as its header says. A program that is
not named for a row gave nothing to compare: no output, or a file it does not read. dcm2niix resamples tilted series, so
those are not compared with it. medseg gives declared padding the lowest value inside the scan (in a CT air); the others
keep it, hence "but for the padding": all voxels that differ hold one value there. A refusal names its code;
`--allow CODE` overrules those marked with an asterisk.

| Place | Outcome | Voxels | What was found, and how it was checked |
| --- | --- | --- | --- |
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=Path("docs/results/dicom.md"))
    root = Path(os.environ["MEDSEG_DATA_DIR"]) / "dicom"
    rows: list[str] = []
    counts: Counter[str] = Counter()
    for place in places(root):
        rows += [
            "| " + " | ".join(text.replace("|", "/") for text in row) + " |" for row in judged(place, root, counts)
        ]
    text = PAGE.format(
        rows="\n".join(rows),
        tolerance=TOLERANCE_MM,
        **{
            name: counts[name]
            for name in ("volumes", "confirmed", "unconfirmed", "different", "refusals", "tracebacks")
        },
    )
    write_text_atomically(parser.parse_args().page, text)


def places(root: Path) -> Iterator[Path]:
    """Folders that hold DICOM files, and single files."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        here = Path(folder)
        is_single = any(part in SINGLE_FILES for part in here.relative_to(root).parts)
        files = [here / name for name in sorted(names) if is_dicom(here / name)]
        if is_single and here.name in SINGLE_FILES:
            yield from files
        elif files:
            yield here


def is_dicom(path: Path) -> bool:
    if path.suffix in {".csv", ".md", ".txt", ".json", ".gz", ".nrrd", ".dump"} or path.name.startswith(
        ("LICENSE", "DICOMDIR")
    ):
        return False
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM" or path.suffix == ".dcm"


def judged(place: Path, root: Path, counts: Counter[str]) -> Iterator[tuple[str, str, str, str]]:
    """Rows of one place."""
    name = str(place.relative_to(root))
    try:
        judgement = judge_folder(place)
    except MedsegError as error:
        counts["refusals"] += 1
        yield name, "refused", "", clean(str(error), place)
        return
    if not judgement.volumes:
        counts["refusals"] += 1
        worst = next(one for one in judgement.left_out if one.outcome == "refuse")
        yield name, "refused", "", reason(worst, place)
    converted = by_dcm2niix(place) if place.is_dir() else []
    for number, volume in enumerate(judgement.volumes, start=1):
        mark = volume.key.partition("#")[2] or (f"series {number}" if len(judgement.volumes) > 1 else "")
        try:
            image = read_image(place, series_uid=volume.key)
        except RefusedImageError as error:
            counts["refusals"] += 1
            yield named(name, mark), "refused", "", "; ".join(reason(one, place) for one in error.verdicts)
            continue
        except MedsegError as error:
            counts["refusals"] += 1
            yield named(name, mark), "refused", "", clean(str(error), place)
            continue
        except Exception as error:  # noqa: BLE001 - what the page counts
            counts["tracebacks"] += 1
            yield named(name, mark), "traceback", "", type(error).__name__
            continue
        agreements = [one for one in compared(image, volume, place, converted) if one]
        counts["volumes"] += 1
        differs = any("differs" in one for one in agreements)
        counts["different" if differs else "confirmed" if agreements else "unconfirmed"] += 1
        found = [one.code for one in image.metadata.verdicts]
        text = (f"found: {', '.join(found)}; " if found else "") + ("; ".join(agreements) or "compared with none")
        yield named(name, mark), image_outcome(image), " x ".join(map(str, image.spatial_shape)), text


def named(name: str, mark: str) -> str:
    return f"{name} ({mark})" if mark else name


def image_outcome(image: Image) -> str:
    outcomes = {one.outcome for one in image.metadata.verdicts}
    return next((word for word in ("split", "flag") if word in outcomes), "convert")


def reason(verdict: Verdict, place: Path) -> str:
    star = "\\*" if verdict.may_be_allowed else ""
    return f"`{verdict.code}`{star}: {clean(verdict.cause, place)}"


def clean(text: str, place: Path) -> str:
    return text.replace(f"{place}/", "").replace(f"{place}: ", "").replace(str(place), place.name)


def compared(image: Image, volume: JudgedVolume, place: Path, converted: list[Path]) -> Iterator[str]:
    """Sentences on the agreement with others."""
    yield from (with_nifti("pair", path, image) for path in pairs(place))
    if len(volume.slices) > 1 and all(one.frame is None for one in volume.slices):
        yield with_simpleitk(image, volume)
    if image.affine.is_orthogonal:  # dcm2niix resamples what is tilted
        yield from best([with_nifti("dcm2niix", path, image) for path in converted])
    if len(volume.slices) == 1 or all(one.frame is not None for one in volume.slices):
        yield with_pydicom(image, volume)


def best(sentences: list[str]) -> list[str]:
    """Of several files that one folder was converted to, the one that fits."""
    sentences = [one for one in sentences if one]
    return [one for one in sentences if "differs" not in one][:1] or sentences[:1]


def pairs(place: Path) -> list[Path]:
    beside = [place.parent / f"{place.name}_ground_truth.nii.gz", place.parent / "001_ground_truth.nii.gz"]
    return [path for path in beside[: 2 if place.name == "dicom" else 1] if path.exists()]


def by_dcm2niix(place: Path) -> list[Path]:
    """What dcm2niix makes of it, with both of the scalings that Philips files state."""
    out = Path(tempfile.mkdtemp())
    for scaling in ("y", "n"):
        names = f"%s_%n_{scaling}"
        command = [DCM2NIIX, "-b", "n", "-z", "n", "-p", scaling, "-f", names, "-o", str(out), str(place)]
        subprocess.run(command, capture_output=True, check=False)
    return sorted(out.glob("*.nii"))


def with_nifti(name: str, path: Path, image: Image) -> str:
    """Whether the NIfTI has our value at each of our voxel centres, whichever way its axes run."""
    theirs = nibabel.load(path)
    values = np.asarray(theirs.dataobj)
    if values.dtype.kind not in "biuf" or sorted(values.shape[:3]) != sorted(image.spatial_shape):
        return ""
    index = np.indices(image.spatial_shape).reshape(3, -1).T
    places = (image.affine.apply(index) - theirs.affine[:3, 3]) @ np.linalg.inv(theirs.affine[:3, :3]).T
    nearest = np.rint(places).astype(int)
    away = np.abs((places - nearest) @ theirs.affine[:3, :3].T).max()
    if ((nearest < 0) | (nearest >= values.shape[:3])).any():
        return f"{name} differs in place"
    if away > TOLERANCE_MM:
        return f"{name} differs in place by {away:.3g} mm"
    volumes = [values] if values.ndim == 3 else [values[..., t] for t in range(values.shape[3])]
    at = tuple(nearest.T)
    sentences = [in_values(name, one[at].reshape(image.spatial_shape), image) for one in volumes]
    return best(sentences)[0]


def in_values(name: str, theirs: NDArray, image: Image) -> str:
    """Whether the values are ours; where the file declares padding, outside of it."""
    ours, theirs = image.array[0].astype(np.float64), theirs.astype(np.float64)
    if np.allclose(theirs, ours, rtol=1e-5, atol=1e-3):
        return f"equals {name}"
    apart = ~np.isclose(theirs, ours, rtol=1e-5, atol=1e-3)
    if "padding" in {one.code for one in image.metadata.verdicts} and len(np.unique(theirs[apart])) == 1:
        return f"equals {name} but for the padding"
    return f"{name} differs in values by {np.abs(theirs - ours).max():.4g}"


def with_simpleitk(image: Image, volume: JudgedVolume) -> str:
    """Values of the same files in our order; the place where the stack is upright."""
    try:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(one.path) for one in volume.slices])
        theirs = reader.Execute()
    except RuntimeError:
        return ""
    values = sitk.GetArrayFromImage(theirs).T
    if values.shape != image.spatial_shape:
        return ""
    sentence = in_values("SimpleITK", values, image)
    if "differs" in sentence:
        return sentence
    if not image.affine.is_orthogonal:
        return f"{sentence}, in values"
    corner = np.array(image.spatial_shape) - 1
    theirs_mm = np.array(theirs.TransformIndexToPhysicalPoint([int(one) for one in corner])) * [-1, -1, 1]
    away = np.linalg.norm(theirs_mm - image.affine.apply(corner))
    return sentence if away <= TOLERANCE_MM else f"SimpleITK differs in place by {away:.3g} mm"


def with_pydicom(image: Image, volume: JudgedVolume) -> str:
    """Values alone, decoded and rescaled by pydicom; for frames its decoded frames in our order."""
    first = volume.slices[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(first.path, force=True)
            pixels = dataset.pixel_array.reshape(-1, first.rows, first.columns)
    except Exception:  # noqa: BLE001 - pydicom cannot say
        return ""
    frames = [pixels[(one.frame or 1) - 1] * one.slope + one.intercept for one in volume.slices]
    return in_values("pydicom in values", np.stack(frames).T, image)


if __name__ == "__main__":
    main()
