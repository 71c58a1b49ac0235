"""What files say about their images, for `medseg info`: headers only, and a verdict each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from medseg.errors import ImageFormatError, MedsegError
from medseg.io.base import ImageHeader, Reader, ReadRequest
from medseg.io.ctc_frames import FORMAT as CTC
from medseg.io.ctc_frames import FrameFolder, frame_folder_header, frame_folders
from medseg.io.dicom.reader import describe_series
from medseg.io.dispatch import DICOM_READER, reader_of
from medseg.io.foreign_errors import check_exists
from medseg.io.listing import links_out_of, list_inputs
from medseg.io.read_frames import time_series_at
from medseg.io.time_series import SEVERAL_TIMES, SeriesHeader
from medseg.verdicts import RefusedImageError, Verdict

OK = "ok"
REFUSED = "refused"


@dataclass(frozen=True)
class ImageDescription:
    """An image as its header has it, or the reason why it cannot be read.

    Attributes:
        path: file or DICOM folder.
        format: "nifti", "tiff", "png", "nrrd", "metaimage", "ome-zarr", "dicom", or "ctc" for a folder with the frames
            of the Cell Tracking Challenge; empty where even that is unknown.
        verdict: "ok" or "refused".
        problem: why it is refused; empty where it is not.
        series_uid: DICOM Series Instance UID, with "#" and marks where the series holds several volumes; else empty.
        shape: channels, points in time where there are several, then voxels along each spatial axis; empty where
            refused.
        axes: one letter an entry of `shape`.
        spacing_mm: voxel size in spatial axis order; None where the file states none.
        orientation: letters towards which the axes grow, "RAS"; None for 2-D images and where no size is stated.
        modality: DICOM code where stated.
        num_slices: images of a DICOM volume, also of a refused one; 0 for other formats.
        num_times: points in time; 0 where refused.
        interval_s: seconds from one to the next; None where there is one, or it is not stated.
        dtype: type of the values.
        levels: shape at each resolution that is stored, finest first; empty where the format has one only.
        notes: what a reader wants the user to know.
        verdicts: what was found, for a refused image the reasons; empty where a format has no verdicts.
    """

    path: Path
    format: str
    verdict: str
    problem: str = ""
    series_uid: str = ""
    shape: tuple[int, ...] = ()
    axes: str = ""
    spacing_mm: tuple[float, ...] | None = None
    orientation: str | None = None
    modality: str | None = None
    dtype: str = ""
    levels: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    num_slices: int = 0
    num_times: int = 0
    interval_s: float | None = None


def describe(path: str | Path, *, axes: str | None = None) -> list[ImageDescription]:
    """One description an image at `path`: the file, or each image file and each DICOM series in the folder.

    Images that cannot be read are described as refused, with the reason; nothing is decoded.

    Args:
        path: file or folder.
        axes: as in `read_image`.

    Raises:
        InputError: there is nothing at `path`, or nothing that could be an image.
    """
    place = Path(path)
    if place.is_file() or not place.exists():
        return _described(place, axes=axes)
    sequences = frame_folders(place)
    taken = {file for one in sequences for file in one.files.values()}
    found = [_sequence(one, axes=axes) for one in sequences]
    found += [one for entry in list_inputs(place) if entry not in taken for one in _described(entry, axes=axes)]
    links = [ImageDescription(link.path, "", REFUSED, link.sentence, verdicts=(link,)) for link in links_out_of(place)]
    return found + links


def _sequence(frames: FrameFolder, *, axes: str | None) -> ImageDescription:
    try:
        return _over_time(frame_folder_header(frames, ReadRequest(axes=axes)))
    except MedsegError as error:
        return _refused(frames.folder, CTC, error)


def _described(path: Path, *, axes: str | None) -> list[ImageDescription]:
    try:
        check_exists(path)
        reader = reader_of(path)
    except ImageFormatError as error:
        return [ImageDescription(path, "", REFUSED, str(error))]
    if reader is DICOM_READER:
        return [
            replace(
                _refused(path, "dicom", volume.found, series_uid=volume.key),
                modality=volume.modality or None,
                num_slices=volume.num_slices,
            )
            if isinstance(volume.found, MedsegError)
            else replace(_accepted(path, "dicom", volume.found, series_uid=volume.key), num_slices=volume.num_slices)
            for volume in describe_series(path)
        ]
    try:
        return [_stated(path, reader, ReadRequest(axes=axes))]
    except MedsegError as error:
        return [_refused(path, reader.format, error)]


def _stated(path: Path, reader: Reader, request: ReadRequest) -> ImageDescription:
    """What the header says of one image, or of a time series."""
    try:
        return _accepted(path, reader.format, reader.header(path, request))
    except RefusedImageError as error:
        if not any(one.code == SEVERAL_TIMES for one in error.verdicts):
            raise
        series = time_series_at(path, request)
        if series is None:
            raise
        return _over_time(series)


def _over_time(series: SeriesHeader) -> ImageDescription:
    found, count = _accepted(series.path, series.format, series.frame), len(series.times.numbers)
    return replace(
        found,
        shape=(found.shape[0], count, *found.shape[1:]),
        axes=f"CT{found.axes[1:]}",
        levels=tuple((level[0], count, *level[1:]) for level in found.levels),
        num_times=count,
        interval_s=series.times.interval_s,
    )


def _refused(path: Path, kind: str, error: MedsegError, *, series_uid: str = "") -> ImageDescription:
    verdicts = error.verdicts if isinstance(error, RefusedImageError) else ()
    return ImageDescription(path, kind, REFUSED, str(error), series_uid=series_uid, verdicts=verdicts)


def _accepted(path: Path, kind: str, header: ImageHeader, *, series_uid: str = "") -> ImageDescription:
    is_placed = header.affine.ndim == 3 and header.metadata.spacing_is_known
    return ImageDescription(
        path=path,
        format=kind,
        verdict=OK,
        series_uid=series_uid,
        shape=header.shape,
        axes=header.axes,
        spacing_mm=header.affine.spacing_mm if header.metadata.spacing_is_known else None,
        orientation=header.affine.orientation if is_placed else None,
        modality=header.metadata.modality,
        dtype=header.dtype.name,
        levels=header.levels,
        notes=header.metadata.notes,
        verdicts=header.metadata.verdicts,
        num_times=1,
    )
