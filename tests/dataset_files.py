"""Small data sets on disk in the layouts that the readers expect."""

import json
from collections.abc import Iterable
from pathlib import Path

import nibabel
import numpy as np
import tifffile
from PIL import Image as PillowImage


def write_isbi_layout(root: Path, *, count: int = 24, labels_count: int | None = None) -> Path:
    """The challenge's two stacks, small: cells 255 with a black cross of membranes."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    labels = np.full((labels_count or count, 32, 40), 255, dtype=np.uint8)
    labels[:, 10:13, :] = 0
    labels[:, :, 20:22] = 0
    volume = rng.integers(0, 256, (count, 32, 40), dtype=np.uint8)
    tifffile.imwrite(root / "train-volume.tif", volume)
    tifffile.imwrite(root / "train-labels.tif", labels)
    return root


def write_png_pair(root: Path, case: str, *, shape=(20, 30), label_shape=None, labels=(0, 1)) -> None:
    """`images/CASE.png` and `labels/CASE.png`."""
    rng = np.random.default_rng(sum(case.encode()))
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(root / "images" / f"{case}.png")
    values = rng.choice(np.array(labels, dtype=np.uint8), label_shape or shape)
    PillowImage.fromarray(values).save(root / "labels" / f"{case}.png")


def write_coco_layout(root: Path) -> None:
    """`images/{a,b,c}.png`, grey, and `annotations.json`: a cell by its polygon, another by run lengths, and dirt."""
    (root / "images").mkdir(parents=True)
    square = {"segmentation": [[2, 1, 6, 1, 6, 4, 2, 4]], "category_id": 1}
    column = {"segmentation": {"size": [10, 12], "counts": [80, 10, 30]}, "category_id": 1}
    dirt = {"segmentation": [[8, 5, 11, 5, 11, 9, 8, 9]], "category_id": 2}
    images, annotations = [], []
    for number, name in enumerate("abc", start=1):
        PillowImage.fromarray(np.full((10, 12), 50 * number, dtype=np.uint8)).save(root / "images" / f"{name}.png")
        images.append({"id": number, "file_name": f"{name}.png", "height": 10, "width": 12})
        annotations += [{**one, "image_id": number} for one in (square, column, dirt)]
    categories = [{"id": 1, "name": "cell"}, {"id": 2, "name": "dirt"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(content))


def write_dsb_layout(root: Path, *, kinds: tuple[str, ...]) -> None:
    """`train/images/N.png`, `train/masks/N.tif` with objects 1 and 7, and `train/index.csv`, one entry a kind."""
    for folder in ("images", "masks"):
        (root / "train" / folder).mkdir(parents=True)
    for number in range(len(kinds)):
        objects = np.zeros((40, 48), dtype=np.uint16)
        objects[4:10, 5:12], objects[20:30, 20 : 32 + number] = 1, 7
        colours = np.repeat((objects > 0)[..., np.newaxis], 3, axis=2).astype(np.uint8) * 200
        PillowImage.fromarray(colours).save(root / "train" / "images" / f"{number}.png")
        tifffile.imwrite(root / "train" / "masks" / f"{number}.tif", objects)
    rows = [f"{number},{kind}" for number, kind in enumerate(kinds)]
    (root / "train" / "index.csv").write_text("\n".join(["id,kind", *rows, ""]))


def write_nifti_case(root: Path, case: str, *, label_shift_mm: float = 0.0, largest_label: int = 1) -> None:
    """`CASE/flair.nii.gz` and `CASE/lesions.nii.gz`."""
    folder = root / case
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(case.encode()))
    affine = np.diag([1.5, 1.0, 2.0, 1.0])
    image = rng.normal(size=(12, 10, 8)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(image, affine), folder / "flair.nii.gz")
    labels = rng.integers(0, largest_label + 1, image.shape).astype(np.uint8)
    labels[0, 0, 0] = largest_label
    affine = affine.copy()
    affine[0, 3] = label_shift_mm
    nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "lesions.nii.gz")


def write_ctc_layout(root: Path, *, frames: Iterable[int], sequence: str = "01", truth: str = "GT") -> None:
    """`01/tNNN.tif` of ten frames, a cell that moves to the right, and its truth for `frames` in `01_GT/SEG`."""
    for folder in (root / sequence, root / f"{sequence}_{truth}" / "SEG"):
        folder.mkdir(parents=True, exist_ok=True)
    for number in range(10):
        objects = np.zeros((20, 30), dtype=np.uint16)
        objects[5:12, number : number + 9] = 3
        tifffile.imwrite(root / sequence / f"t{number:03d}.tif", (objects * 60).astype(np.uint8))
        if number in set(frames):
            tifffile.imwrite(root / f"{sequence}_{truth}" / "SEG" / f"man_seg{number:03d}.tif", objects)
