"""What can be written of a layer of objects: one entry a kind of file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.files import write_text_atomically
from medseg.images import LabelKind, LabelMap
from medseg.io import write_label_map
from medseg_napari.exporting.authorship import class_origins, creator, identity, object_origins
from medseg_napari.exporting.columns import csv_text
from medseg_napari.exporting.label_maps import labelled_objects, mask_of
from medseg_napari.exporting.subject import ExportSubject
from medseg_napari.layers import Origin

if TYPE_CHECKING:
    from medseg.io.dicom import SegmentOrigin

_NEEDS_SERIES = "needs a DICOM series"
_NEEDS_PICTURE = "holds single pictures, and this is a volume"
_NEEDS_TIMES = "needs a time series"
_HOLDS_NO_TIMES = "cannot hold a time series"


@dataclass(frozen=True)
class Choices:
    """What the user chose beside the kinds of file.

    Attributes:
        as_objects: whether a mask holds the number of each object, else its class; None is as the model or
            the file has it.
        with_title: whether a report names the layer.
    """

    as_objects: bool | None = None
    with_title: bool = False


Write = Callable[[ExportSubject, tuple[Path, ...], Choices], None]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        key: its name in settings and tests.
        title: as it is shown.
        endings: of the files, after the common name.
        write: writes them.
        is_mask: whether the audit trail belongs beside it.
        is_dicom: whether it needs a DICOM series, and carries the patient's identity as the series has it.
        is_report: whether the layer's name may be in it.
        is_picture: whether it holds single pictures only.
        is_of_times: whether it is for time series only.
        holds_times: whether a time series can be written so.
        is_of_objects: whether each object has a value of its own in it, whatever is chosen.
    """

    key: str
    title: str
    endings: tuple[str, ...]
    write: Write
    is_mask: bool = False
    is_dicom: bool = False
    is_report: bool = False
    is_picture: bool = False
    is_of_objects: bool = False
    is_of_times: bool = False
    holds_times: bool = False

    def obstacle(self, origin: Origin) -> str:
        """Why it cannot be written of objects on this image; empty where it can."""
        if self.is_of_times and origin.times is None:
            return _NEEDS_TIMES
        if origin.times is not None and not self.holds_times:
            return _HOLDS_NO_TIMES
        if self.is_dicom and not origin.image.metadata.instance_uids:
            return _NEEDS_SERIES
        if self.is_picture and origin.image.affine.ndim != 2:
            return _NEEDS_PICTURE
        return ""


def _write_mask(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    write_label_map(mask_of(subject, as_objects=choices.as_objects), paths[0], source=subject.origin.image)


def _write_ctc(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    from medseg.io.ctc_frames import write_ctc_masks

    del choices  # the challenge's masks hold objects
    write_ctc_masks(mask_of(subject, as_objects=True), paths[0])


def _write_segmentation(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    from medseg.io.dicom import write_segmentation

    label_map, origins = _dicom_map(subject, choices)
    made_by = identity(subject, subject.source.note.made_by)
    write_segmentation(
        label_map,
        paths[0],
        source=subject.origin.image,
        algorithm=made_by,
        origins=origins,
        creator=creator(subject),
    )


def _write_structures(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    from medseg.io.dicom import write_rtstruct

    label_map, origins = _dicom_map(subject, choices)
    made_by = identity(subject, subject.source.note.made_by)
    write_rtstruct(label_map, paths[0], source=subject.origin.image, algorithm=made_by, origins=origins)


def _write_measurements(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    from medseg.jobs.measurement_report import write_object_report

    del choices  # a report of measurements has each object in a segment of its own
    _check_objects(subject)
    write_object_report(
        labelled_objects(subject),
        paths[1],
        source=subject.origin.image,
        segmentation=paths[0],
        algorithm=identity(subject, subject.source.note.made_by),
        origins=object_origins(subject),
        creator=creator(subject),
    )


def _dicom_map(subject: ExportSubject, choices: Choices) -> tuple[LabelMap, dict[int, SegmentOrigin]]:
    """Classes or objects as segments, and who made each."""
    mask = mask_of(subject, as_objects=choices.as_objects)
    if mask.kind is LabelKind.INSTANCES:
        _check_objects(subject)
        return labelled_objects(subject), object_origins(subject)
    return mask, class_origins(subject)


def _check_objects(subject: ExportSubject) -> None:
    """Pass when there is an object to write, since a DICOM object holds one or more."""
    if subject.ids:
        return
    gone = len(subject.rejected)
    cause = f"all {gone} were rejected and are left out" if gone else "the mask is empty"
    message = f"export: expected at least one object for this kind of file, and {cause}. Write a NIfTI mask instead."
    raise InputError(message)


def _write_table(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    del choices
    write_text_atomically(paths[0], csv_text(subject))


def _write_page(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    from medseg_napari.exporting.report import write_report

    write_report(subject, paths[0], with_title=choices.with_title)


def _write_pdf(subject: ExportSubject, paths: tuple[Path, ...], choices: Choices) -> None:
    from medseg_napari.exporting.pdf import write_pdf

    write_pdf(subject, paths[0], with_title=choices.with_title)


FORMATS: tuple[Format, ...] = (
    Format("nifti", "NIfTI mask (.nii.gz)", (".nii.gz",), _write_mask, is_mask=True),
    Format("nrrd", "NRRD mask (.nrrd)", (".nrrd",), _write_mask, is_mask=True),
    Format("mha", "MetaImage mask (.mha)", (".mha",), _write_mask, is_mask=True),
    Format("seg", "DICOM segmentation (SEG)", ("-seg.dcm",), _write_segmentation, is_mask=True, is_dicom=True),
    Format(
        "sr",
        "DICOM segmentation with measurements (SEG + SR)",
        ("-objects-seg.dcm", "-measurements.dcm"),
        _write_measurements,
        is_mask=True,
        is_dicom=True,
        is_of_objects=True,
    ),
    Format("rtstruct", "DICOM contours (RTSTRUCT)", ("-rtstruct.dcm",), _write_structures, is_mask=True, is_dicom=True),
    Format("ome_tiff", "OME-TIFF mask (.ome.tif)", (".ome.tif",), _write_mask, is_mask=True, holds_times=True),
    Format(
        "ctc",
        "Cell Tracking Challenge masks (folder)",
        ("_RES",),
        _write_ctc,
        is_mask=True,
        is_of_objects=True,
        is_of_times=True,
        holds_times=True,
    ),
    Format("ome_zarr", "OME-Zarr mask (.ome.zarr)", (".ome.zarr",), _write_mask, is_mask=True),
    Format("png", "PNG mask (.png)", (".png",), _write_mask, is_mask=True, is_picture=True),
    Format("csv", "Table of the objects (.csv)", ("-objects.csv",), _write_table, holds_times=True),
    Format("html", "Report as a page (.html)", ("-report.html",), _write_page, is_report=True),
    Format("pdf", "Report as PDF", ("-report.pdf",), _write_pdf, is_report=True),
)
