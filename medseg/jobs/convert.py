"""From one file format to another: an image or a mask, its voxels at the same places."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import InputError
from medseg.images import Image, LabelMap
from medseg.images.spatial import resample_to, straighten
from medseg.io import read_image, read_label_map, write_image, write_label_map
from medseg.io.dicom.kinds import ObjectKind, kind_of
from medseg.io.dicom.signature import DICOM_SUFFIXES

OBJECTS = ("seg", "rtstruct", "sr")
"""DICOM objects that a mask can become: segmentation, structure set, measurement report with its segmentation."""


@dataclass(frozen=True)
class ConvertOptions:
    """What the files do not say themselves.

    Attributes:
        labels: the input is a mask.
        source: the DICOM series that a mask belongs to; a segmentation or structure set is written for it, a structure
            set read on its grid.
        axes: as in `medseg.io.read_image`.
        series_uid: as in `medseg.io.read_image`.
        level: as in `medseg.io.read_image`; of images, not of masks.
        allow: as in `medseg.io.read_image`.
        dicom_object: one of `OBJECTS`, what a ".dcm" target becomes.
        segments: numbers of the segments or regions to read, all where absent; of overlapping regions of a structure
            set the earlier one wins.
        straighten: resample a tilted volume onto a grid of right angles.
    """

    labels: bool = False
    source: Path | None = None
    axes: str | None = None
    series_uid: str | None = None
    level: int = 0
    allow: Collection[str] = field(default_factory=tuple)
    dicom_object: str = "seg"
    segments: Sequence[int] = ()
    straighten: bool = False


def convert(path: Path, target: Path, options: ConvertOptions | None = None) -> Image | LabelMap:
    """What was read from `path` and written to `target` in the format of its suffix.

    Masks are written in the smallest type that holds their values; of a DICOM segmentation, a structure set, or for a
    ".dcm" target, the input is always a mask.

    Args:
        path: anything that medseg reads.
        target: file, or folder of the OME-Zarr format, to write.
        options: what the files do not say themselves.

    Raises:
        InputError: the target's format cannot hold it, or needs the series the mask belongs to.
        ImageFormatError: the input cannot be read without a guess.
        GeometryError: the target's format cannot hold the grid.
        StorageError: the target cannot be written.
    """
    options = options or ConvertOptions()
    _check(path, target, options)
    item = _read(path, target, options)
    if isinstance(item, Image):
        image = straighten(item) if options.straighten else item
        write_image(image, target)
        return image
    label_map = straighten(item) if options.straighten else item
    if _is_dicom(target):
        _write_object(label_map, target, options)
    else:
        write_label_map(label_map, target)
    return label_map


def _check(path: Path, target: Path, options: ConvertOptions) -> None:
    if options.dicom_object not in OBJECTS:
        message = f"--as {options.dicom_object}: expected one of {', '.join(OBJECTS)}."
        raise InputError(message)
    if path.exists() and target.exists() and path.resolve() == target.resolve():
        message = f"{target}: the result would be written over the input. Choose another name."
        raise InputError(message)


def _read(path: Path, target: Path, options: ConvertOptions) -> Image | LabelMap:
    from medseg.io.dicom.rtstruct_reader import read_rtstruct
    from medseg.io.dicom.segmentation_reader import read_segmentation

    kind = kind_of(path)
    chosen = options.segments or None
    if kind is ObjectKind.SEGMENTATION:
        source = None if options.source is None else _source(path, options)
        return read_segmentation(path, source=source, segments=chosen)
    if kind is ObjectKind.STRUCTURE_SET:
        source = _source(path, options)
        return read_rtstruct(path, source=source, rois=chosen, priority=options.segments, allow=options.allow)
    if options.labels or _is_dicom(target):
        if options.level:
            message = f"--level {options.level}: masks are read at their finest resolution. Leave the option out."
            raise InputError(message)
        return read_label_map(path, axes=options.axes)
    return read_image(path, axes=options.axes, series_uid=options.series_uid, level=options.level, allow=options.allow)


def _write_object(label_map: LabelMap, target: Path, options: ConvertOptions) -> None:
    from medseg.io.dicom.rtstruct import write_rtstruct
    from medseg.io.dicom.segmentation import write_segmentation
    from medseg.jobs.measurement_report import write_measurement_report

    source = _source(target, options)
    if options.dicom_object == "rtstruct":
        write_rtstruct(label_map, target, source=source)
    elif options.dicom_object == "sr":
        segmentation = target.with_name(f"{target.stem}.seg{target.suffix}")
        write_measurement_report(resample_to(label_map, source.grid), target, source=source, segmentation=segmentation)
    else:
        write_segmentation(label_map, target, source=source)


def _source(path: Path, options: ConvertOptions) -> Image:
    """The image that a mask belongs to."""
    if options.source is None:
        message = (
            f"{path}: a DICOM segmentation or structure set belongs to the series it was drawn on. "
            "Name the folder of that series with --source."
        )
        raise InputError(message)
    return read_image(options.source, series_uid=options.series_uid, allow=options.allow)


def _is_dicom(path: Path) -> bool:
    return path.suffix.lower() in DICOM_SUFFIXES
