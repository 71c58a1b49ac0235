"""Generated blocks of tissue with a few small lesions as a data set of NIfTI files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from medseg.config import Config
from medseg.datasets.case import Case
from medseg.datasets.generated import Plan, ensure_cases, make_plans
from medseg.datasets.listed import ListedDataset
from medseg.datasets.phantoms import CT_LABELS, tissue_phantom
from medseg.io import write_image, write_label_map
from medseg.io.source import ImageSource, LabelSource

NAME = "phantom_tissue"
LICENCE = "generated; no restrictions"

_VERSION = 1
"""Raised whenever the same seed gives other files than before."""

Size = Annotated[int, Field(ge=32, le=1024)]


class PhantomTissueOptions(Config):
    """How many blocks, of what size and with how small lesions."""

    seed: NonNegativeInt = 0
    train_cases: PositiveInt = 16
    validation_cases: NonNegativeInt = 6
    test_cases: NonNegativeInt = 0
    shape: tuple[Size, Size, Size] = (128, 128, 96)
    """Voxels along each axis."""
    lesion_fraction: Annotated[float, Field(gt=0, le=2e-3)] = 1e-4
    """Share of a block that is lesion."""
    noise_hu: Annotated[float, Field(ge=0, le=200)] = 15.0

    def content(self) -> dict[str, object]:
        """What decides the content of a case: everything but the number of cases."""
        settings = self.model_dump(mode="json", exclude={"train_cases", "validation_cases", "test_cases"})
        return {"generator": NAME, "version": _VERSION, **settings}


def open_phantom_tissue(root: Path, options: PhantomTissueOptions) -> ListedDataset:
    """The blocks in `root`, after making those that are missing: `CASE/image.nii.gz` and `CASE/labels.nii.gz`.

    Raises:
        InputError: `root` holds blocks of other settings.
        StorageError: the disk is full or read-only.
    """
    plans, splits = make_plans(train=options.train_cases, validation=options.validation_cases, test=options.test_cases)

    def write_case(plan: Plan, folder: Path) -> None:
        image, label_map = tissue_phantom(
            plan.rng(options.seed),
            shape=options.shape,
            lesion_fraction=options.lesion_fraction,
            noise_hu=options.noise_hu,
        )
        write_image(image, folder / "image.nii.gz")
        write_label_map(label_map, folder / "labels.nii.gz", source=image)

    ensure_cases(root, plans, settings=options.content(), write_case=write_case)
    cases = tuple(
        Case(
            case_id=plan.case_id,
            group_id=plan.case_id,
            image=ImageSource(root / plan.case_id / "image.nii.gz"),
            reference=LabelSource(root / plan.case_id / "labels.nii.gz", CT_LABELS),
        )
        for plan in plans
    )
    return ListedDataset(NAME, CT_LABELS, 1, 3, "", LICENCE, cases, splits)
