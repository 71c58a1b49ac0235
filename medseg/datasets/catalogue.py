"""The data sets medseg knows: one explicit table, and opening one by its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medseg.config import Config
from medseg.config.options import parse_options
from medseg.datasets import cell_tracking, coco, dsb2018, folder, isbi2012_em, phantom_cells, phantom_ct, phantom_tissue
from medseg.datasets.case import Dataset
from medseg.datasets.generated import settings_digest
from medseg.datasets.isbi2012_download import fetch_isbi2012
from medseg.errors import InputError
from medseg.registry import look_up


@dataclass(frozen=True)
class DatasetDescription:
    """What is known about a data set before it is opened.

    Attributes:
        name: name in recipes and on the command line.
        summary: what it holds, in one line.
        citation: what to cite; empty where there is nothing.
        licence: terms of use, as far as they are known.
        options: the class that checks `data.options` of a recipe; its fields are the known options.
        open: opens the set in a folder with checked options.
        folder: its folder in MEDSEG_DATA_DIR; None for generated sets and a person's own.
        is_generated: whether opening it makes the files that are missing.
        fetch: downloads it into a folder; None where there is nothing to download.
        groups_span_splits: whether its split parts cases of one group, for a reason that its module gives.
    """

    name: str
    summary: str
    citation: str
    licence: str
    options: type[Config]
    open: Callable[[Path, Any], Dataset]
    folder: str | None = None
    is_generated: bool = False
    fetch: Callable[[Path], None] | None = None
    groups_span_splits: bool = False


_TABLE: Mapping[str, DatasetDescription] = MappingProxyType(
    {
        description.name: description
        for description in (
            DatasetDescription(
                name=cell_tracking.NAME,
                summary="moving cells in the folders of the Cell Tracking Challenge (01, 01_GT/SEG or 01_ST/SEG)",
                citation=cell_tracking.CITATION,
                licence=cell_tracking.LICENCE,
                options=cell_tracking.CellTrackingOptions,
                open=cell_tracking.open_cell_tracking,
                groups_span_splits=True,
            ),
            DatasetDescription(
                name=coco.NAME,
                summary="your own pictures with objects in COCO's JSON (polygons or run lengths)",
                citation="",
                licence="as the owner of the data says",
                options=coco.CocoOptions,
                open=coco.open_coco,
            ),
            DatasetDescription(
                name=dsb2018.NAME,
                summary="nuclei in microscopy of many kinds, each drawn as an object (Data Science Bowl 2018)",
                citation=dsb2018.CITATION,
                licence=dsb2018.LICENCE,
                options=dsb2018.Dsb2018Options,
                open=dsb2018.open_dsb2018,
                folder="dsb2018",
            ),
            DatasetDescription(
                name=isbi2012_em.NAME,
                summary="neuron membranes in electron micrographs, 30 slices of 512 x 512 of one volume",
                citation=isbi2012_em.CITATION,
                licence=isbi2012_em.LICENCE,
                options=isbi2012_em.Isbi2012Options,
                open=isbi2012_em.open_isbi2012,
                folder="isbi2012",
                fetch=fetch_isbi2012,
                groups_span_splits=True,
            ),
            DatasetDescription(
                name=folder.NAME,
                summary="your own images and label files, paired by name (PNG, TIFF, NIfTI, DICOM)",
                citation="",
                licence="as the owner of the data says",
                options=folder.FolderOptions,
                open=folder.open_folder,
            ),
            DatasetDescription(
                name=phantom_cells.NAME,
                summary="generated microscopy of touching cells with exact masks",
                citation="",
                licence=phantom_cells.LICENCE,
                options=phantom_cells.PhantomCellsOptions,
                open=phantom_cells.open_phantom_cells,
                is_generated=True,
            ),
            DatasetDescription(
                name=phantom_ct.NAME,
                summary="generated CT of chest and belly with lesions down to 1e-4 of the volume, exact masks",
                citation="",
                licence=phantom_ct.LICENCE,
                options=phantom_ct.PhantomCtOptions,
                open=phantom_ct.open_phantom_ct,
                is_generated=True,
            ),
            DatasetDescription(
                name=phantom_tissue.NAME,
                summary="generated blocks of tissue with vessels and lesions of 1e-4 of the volume, exact masks",
                citation="",
                licence=phantom_tissue.LICENCE,
                options=phantom_tissue.PhantomTissueOptions,
                open=phantom_tissue.open_phantom_tissue,
                is_generated=True,
            ),
        )
    }
)


def available_datasets() -> Mapping[str, DatasetDescription]:
    """The known data sets by name."""
    return _TABLE


def open_dataset(name: str, *, root: Path | None = None, options: Mapping[str, Any] = MappingProxyType({})) -> Dataset:
    """The data set called `name`, with headers checked and, for a generated one, its missing files made.

    Args:
        name: one of `available_datasets`.
        root: its folder; where absent, see `default_root`.
        options: `data.options` of a recipe.

    Raises:
        UnknownNameError: no such data set.
        ConfigError: an unknown or wrong option; the message names it and lists the known ones.
        InputError: the data cannot be found, or the folder holds something else.
        GeometryError: files that belong together do not fit.
    """
    description = look_up(_TABLE, name, kind="data set")
    checked = parse_options(description.options, options, path="data.options")
    return description.open(default_root(name, options=checked) if root is None else Path(root), checked)


def default_root(name: str, *, options: Config | None = None) -> Path:
    """The folder in which a data set is looked for when none is given.

    That is its folder in MEDSEG_DATA_DIR where it lies there, else one in the user's cache folder; generated sets have
    one in the cache for each choice of options.

    Raises:
        UnknownNameError: no such data set.
        InputError: a person's own data, which have no usual place.
    """
    description = look_up(_TABLE, name, kind="data set")
    if description.folder is not None:
        collection = os.environ.get("MEDSEG_DATA_DIR")
        if collection and (Path(collection) / description.folder).is_dir():
            return Path(collection) / description.folder
        return _cache_folder() / description.folder
    if not description.is_generated:
        message = f"data set {name!r}: expected a folder, got none. Give the folder that holds your data with --data."
        raise InputError(message)
    settings = options if options is not None else description.options()
    content: Mapping[str, Any] = settings.content()  # type: ignore[attr-defined]
    return _cache_folder() / name / settings_digest(content)


def fetch(name: str, *, root: Path | None = None) -> Path:
    """Download a data set, or make a generated one with its default options, and return its folder.

    Raises:
        UnknownNameError: no such data set.
        InputError: there is nothing to download, or no network.
        StorageError: the disk is full or read-only.
    """
    description = look_up(_TABLE, name, kind="data set")
    place = default_root(name) if root is None else Path(root)
    if description.is_generated:
        open_dataset(name, root=place)
    elif description.fetch is None:
        message = f"data set {name!r} has nothing to download. Give the folder that holds your data with --data."
        raise InputError(message)
    else:
        description.fetch(place)
    return place


def _cache_folder() -> Path:
    import pooch

    return Path(pooch.os_cache("medseg")) / "datasets"
