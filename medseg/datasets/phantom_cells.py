"""Generated microscopy of touching cells as a data set of TIFF files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from medseg.config import Config
from medseg.datasets.case import Case
from medseg.datasets.generated import Plan, ensure_cases, make_plans
from medseg.datasets.listed import ListedDataset
from medseg.datasets.phantoms import CELL_LABELS, cell_mask, cells_phantom
from medseg.io import write_image, write_label_map
from medseg.io.source import ImageSource, LabelSource

NAME = "phantom_cells"
LICENCE = "generated; no restrictions"

_VERSION = 1
"""Raised whenever the same seed gives other files than before."""


class PhantomCellsOptions(Config):
    """How many pictures, of what size and density."""

    seed: NonNegativeInt = 0
    train_cases: PositiveInt = 16
    validation_cases: NonNegativeInt = 4
    test_cases: NonNegativeInt = 4
    size: Annotated[int, Field(ge=64, le=4096)] = 256
    """Rows and columns of a picture."""
    coverage: Annotated[float, Field(ge=0, le=0.8)] = 0.45
    """Share of the picture that cells cover, roughly."""
    mean_radius_voxel: Annotated[float, Field(ge=4, le=64)] = 13.0
    noise: Annotated[float, Field(ge=0, le=10)] = 1.0
    """1 is a usual exposure, 0 none."""

    def content(self) -> dict[str, object]:
        """What decides the content of a case: everything but the number of cases."""
        settings = self.model_dump(exclude={"train_cases", "validation_cases", "test_cases"})
        return {"generator": NAME, "version": _VERSION, **settings}


def open_phantom_cells(root: Path, options: PhantomCellsOptions) -> ListedDataset:
    """The pictures in `root`, after making those that are missing: `CASE/image.tif` and `CASE/labels.tif`.

    Raises:
        InputError: `root` holds pictures of other settings.
        StorageError: the disk is full or read-only.
    """
    plans, splits = make_plans(train=options.train_cases, validation=options.validation_cases, test=options.test_cases)

    def write_case(plan: Plan, folder: Path) -> None:
        image, instances = cells_phantom(
            plan.rng(options.seed),
            shape=(options.size, options.size),
            coverage=options.coverage,
            mean_radius_voxel=options.mean_radius_voxel,
            noise=options.noise,
        )
        write_image(image, folder / "image.tif")
        write_label_map(cell_mask(instances), folder / "labels.tif")

    ensure_cases(root, plans, settings=options.content(), write_case=write_case)
    cases = tuple(
        Case(
            case_id=plan.case_id,
            group_id=plan.case_id,
            image=ImageSource(root / plan.case_id / "image.tif"),
            reference=LabelSource(root / plan.case_id / "labels.tif", CELL_LABELS),
        )
        for plan in plans
    )
    return ListedDataset(NAME, CELL_LABELS, 1, 2, "", LICENCE, cases, splits)
