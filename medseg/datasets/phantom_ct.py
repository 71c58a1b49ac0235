"""Generated CT of chest and belly with small lesions as a data set of DICOM series or NIfTI files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from medseg.config import Config
from medseg.datasets.case import Case
from medseg.datasets.generated import Plan, ensure_cases, make_plans, settings_digest
from medseg.datasets.listed import ListedDataset
from medseg.datasets.phantoms import CT_LABELS, CT_ORGAN_LABELS, ct_phantom
from medseg.files import write_text_atomically
from medseg.images import Image
from medseg.io import write_image, write_label_map
from medseg.io.dicom import write_series
from medseg.io.source import ImageSource, LabelSource

NAME = "phantom_ct"
LICENCE = "generated; no restrictions"

_VERSION = 1
"""Raised whenever the same seed gives other files than before."""

_IMAGE_NAME = {"dicom": "series", "nifti": "image.nii.gz"}

Size = Annotated[int, Field(ge=48, le=1024)]
Spacing = Annotated[float, Field(ge=0.1, le=20)]
Share = Annotated[float, Field(gt=0, le=2e-3)]


class PhantomCtOptions(Config):
    """How many volumes, of what size, in which format and with how small lesions."""

    seed: NonNegativeInt = 0
    train_cases: PositiveInt = 8
    validation_cases: NonNegativeInt = 2
    test_cases: NonNegativeInt = 2
    format: Literal["dicom", "nifti"] = "dicom"
    shape: tuple[Size, Size, Annotated[int, Field(ge=8, le=1024)]] = (160, 160, 64)
    """Columns, rows and slices."""
    spacing_mm: tuple[Spacing, Spacing, Spacing] = (2.4, 2.4, 5.0)
    lesion_fraction: tuple[Share, Share] = (1e-4, 8e-4)
    """Range of the share of a volume that is lesion."""
    noise_hu: Annotated[float, Field(ge=0, le=200)] = 13.0
    tilt_degrees: Annotated[float, Field(ge=0, le=30)] = 0.0
    """Slices are turned by up to this angle about each world axis."""
    organs: bool = False
    """Whether the label maps hold organs beside lesions."""

    @model_validator(mode="after")
    def _ordered(self) -> PhantomCtOptions:
        if self.lesion_fraction[0] > self.lesion_fraction[1]:
            message = "lesion_fraction must be a range from low to high"
            raise ValueError(message)
        return self

    def content(self) -> dict[str, object]:
        """What decides the content of a case: everything but the number of cases."""
        settings = self.model_dump(mode="json", exclude={"train_cases", "validation_cases", "test_cases"})
        return {"generator": NAME, "version": _VERSION, **settings}


def open_phantom_ct(root: Path, options: PhantomCtOptions) -> ListedDataset:
    """The volumes in `root`, after making those that are missing.

    A case is a folder with `series/` (DICOM) or `image.nii.gz`, `labels.nii.gz` and `truth.json`, the drawn lesions
    with their exact places and volumes.

    Raises:
        InputError: `root` holds volumes of other settings.
        StorageError: the disk is full or read-only.
    """
    table = CT_ORGAN_LABELS if options.organs else CT_LABELS
    plans, splits = make_plans(train=options.train_cases, validation=options.validation_cases, test=options.test_cases)

    def write_case(plan: Plan, folder: Path) -> None:
        image, label_map = ct_phantom(
            plan.rng(options.seed),
            shape=options.shape,
            spacing_mm=options.spacing_mm,
            lesion_fraction=options.lesion_fraction,
            noise_hu=options.noise_hu,
            tilt_degrees=options.tilt_degrees,
            organs=options.organs,
        )
        _write_volume(image, folder / _IMAGE_NAME[options.format], plan=plan, options=options)
        write_label_map(label_map, folder / "labels.nii.gz", source=image)
        truth = {"lesions": label_map.metadata.extra["lesions"]}
        write_text_atomically(folder / "truth.json", json.dumps(truth, indent=1) + "\n")

    ensure_cases(root, plans, settings=options.content(), write_case=write_case)
    cases = tuple(
        Case(
            case_id=plan.case_id,
            group_id=plan.case_id,
            image=ImageSource(root / plan.case_id / _IMAGE_NAME[options.format]),
            reference=LabelSource(root / plan.case_id / "labels.nii.gz", table),
        )
        for plan in plans
    )
    return ListedDataset(NAME, table, 1, 3, "", LICENCE, cases, splits)


def _write_volume(image: Image, path: Path, *, plan: Plan, options: PhantomCtOptions) -> None:
    if options.format == "nifti":
        write_image(image, path)
        return
    # Other settings make another patient, so nothing may share a UID with this one.
    digest = settings_digest({**options.content(), "case": plan.case_id})
    write_series(
        image,
        path,
        uid_seed=int(digest, 16),
        patient_id=f"MEDSEG-{digest.upper()}",
        patient_name=f"Phantom^{plan.case_id}",
        series_description="medseg CT phantom",
    )
