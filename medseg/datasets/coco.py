"""Pictures with objects in COCO's JSON, as most annotation programs export them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, NonNegativeInt

from medseg.config import Config
from medseg.datasets.case import Case
from medseg.datasets.listed import ListedDataset
from medseg.datasets.splits import check_splits, make_splits
from medseg.errors import ConfigError, ImageFormatError, InputError
from medseg.images import LabelKind, LabelMap, LabelTable
from medseg.io.base import ReadRequest
from medseg.io.coco import object_map, read_coco
from medseg.io.dispatch import reader_of
from medseg.io.source import ImageSource, LabelSource

NAME = "coco"


class CocoOptions(Config):
    """Where the JSON and the pictures lie, and which objects are taken."""

    annotations: str = "annotations.json"
    """COCO file, below the folder."""
    images: str = "images"
    """Folder of the pictures, below the folder; `file_name` of the JSON is looked for there."""
    label: str = "object"
    """Name of the one class that all objects are of."""
    categories: tuple[str, ...] = ()
    """Categories of the JSON whose objects are taken; empty: all. They become one class."""
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: NonNegativeInt = 0
    """Seed of the split."""


@dataclass(frozen=True)
class CocoLabelSource(LabelSource):
    """The objects of one picture in a COCO file.

    Attributes:
        image: the picture, on whose grid they lie.
        image_id: its id in the file.
        category_ids: categories that are taken.
    """

    image: ImageSource | None = None
    image_id: int = 0
    category_ids: tuple[int, ...] = ()

    def read(self) -> LabelMap:
        """The label map of object numbers.

        Raises:
            ImageFormatError: the file cannot be read, or a mask is of another size than the picture.
        """
        content = read_coco(self.path)
        assert self.image is not None  # noqa: S101 - `open_coco` gives each its picture
        image = self.image.read()
        wanted = [
            one
            for one in content["annotations"]
            if one.get("image_id") == self.image_id and one.get("category_id") in self.category_ids
        ]
        rows, columns = image.axes[1:].index("Y"), image.axes[1:].index("X")
        shape = (image.spatial_shape[rows], image.spatial_shape[columns])
        array = object_map(wanted, shape=shape)
        array = array if rows < columns else np.ascontiguousarray(array.T)
        return LabelMap(array, image.affine, image.axes[1:], self.labels, LabelKind.INSTANCES)


def open_coco(root: Path, options: CocoOptions) -> ListedDataset:
    """The pictures that a COCO file below `root` names, with their objects.

    Raises:
        InputError: no such file or picture.
        ConfigError: a category that the file does not have.
        ImageFormatError: the file is no COCO file of objects, or a header cannot be read.
    """
    path = root / options.annotations
    if not path.is_file():
        message = f"{path}: no such file. Expected COCO's JSON there, or its place as data.options.annotations."
        raise InputError(message)
    content = read_coco(path)
    table = LabelTable.from_names(["background", options.label])
    chosen = _categories(content["categories"], options.categories)
    cases: list[Case] = []
    channels: defaultdict[int, list[Path]] = defaultdict(list)
    for entry in content["images"]:
        picture = _picture(root / options.images, entry)
        header = reader_of(picture).header(picture, ReadRequest())
        channels[header.shape[0]].append(picture)
        source = ImageSource(picture)
        reference = CocoLabelSource(
            path, table, LabelKind.INSTANCES, image=source, image_id=entry["id"], category_ids=chosen
        )
        cases.append(Case(picture.stem, picture.stem, source, reference))
    if len(channels) != 1:
        message = f"{path}: expected pictures with one number of channels, got {sorted(channels)}. Convert them."
        raise InputError(message)
    cases.sort(key=lambda case: case.case_id)
    rng = np.random.default_rng(options.seed)
    splits = make_splits(cases, rng=rng, validation_fraction=options.validation_fraction)
    check_splits(splits, cases, name=NAME)
    return ListedDataset(
        NAME, table, next(iter(channels)), 2, "", "as the owner of the data says", tuple(cases), splits
    )


def _categories(known: list[dict[str, Any]], wanted: tuple[str, ...]) -> tuple[int, ...]:
    names = {one.get("name"): one["id"] for one in known}
    strangers = [name for name in wanted if name not in names]
    if strangers:
        message = f"data.options.categories: the file has no {strangers[0]!r}. Known: {', '.join(map(str, names))}."
        raise ConfigError(message)
    return tuple(names[name] for name in wanted or names)


def _picture(folder: Path, entry: dict[str, Any]) -> Path:
    name = Path(str(entry.get("file_name", "")))
    if name.is_absolute() or ".." in name.parts or "id" not in entry:
        message = f"COCO image {str(name)!r}: expected an id and a file name below {folder}."
        raise ImageFormatError(message)
    if not (folder / name).is_file():
        message = f"{folder / name}: no such picture, and the COCO file names it. Set data.options.images."
        raise InputError(message)
    return folder / name
