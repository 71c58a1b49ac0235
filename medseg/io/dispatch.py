"""Which reader or writer a file gets: readers by the content, where that is known, else by the suffix."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import GeometryError, InputError
from medseg.files import atomic_folder, atomic_path
from medseg.geometry import check_same_grid
from medseg.images import Image, ImageMetadata, LabelKind, LabelMap, LabelTable
from medseg.io.base import Reader, ReadRequest, Writer, suffix_in
from medseg.io.dicom.reader import DicomReader
from medseg.io.dicom.signature import DICOM_SUFFIXES, is_dicom_file
from medseg.io.foreign_errors import check_exists
from medseg.io.itk_writers import MetaImageWriter, NrrdWriter
from medseg.io.label_values import label_map_of
from medseg.io.metaimage import MetaImageReader
from medseg.io.nifti import NiftiReader
from medseg.io.nifti_writer import NiftiWriter
from medseg.io.nrrd import NrrdReader
from medseg.io.ome_zarr import FORMAT as OME_ZARR
from medseg.io.ome_zarr import OmeZarrReader, stated_table
from medseg.io.ome_zarr_files import is_zarr_folder
from medseg.io.ome_zarr_writer import OmeZarrWriter, check_replaceable
from medseg.io.png import PngReader, PngWriter
from medseg.io.signatures import formats_by_content
from medseg.io.tiff import TiffReader, TiffWriter
from medseg.io.time_series import FrameTimes, frame_times

DICOM_READER = DicomReader()
OME_ZARR_READER = OmeZarrReader()
READERS: tuple[Reader, ...] = (
    NiftiReader(),
    TiffReader(),
    PngReader(),
    NrrdReader(),
    MetaImageReader(),
    OME_ZARR_READER,
    DICOM_READER,
)
WRITERS: tuple[Writer, ...] = (
    NiftiWriter(),
    TiffWriter(),
    PngWriter(),
    NrrdWriter(),
    MetaImageWriter(),
    OmeZarrWriter(),
)
_READER_OF_SUFFIX = {suffix: reader for reader in READERS for suffix in reader.suffixes}
_WRITER_OF_SUFFIX = {suffix: writer for writer in WRITERS for suffix in writer.suffixes}
_FRAME_WRITERS: Mapping[str, TiffWriter | OmeZarrWriter] = {
    TiffWriter.format: TiffWriter(),
    OmeZarrWriter.format: OmeZarrWriter(),
}
IMAGE_SUFFIXES = tuple(_READER_OF_SUFFIX)
"""Suffixes of the files that can be read, in lower case."""


def read_image(
    path: str | Path,
    *,
    axes: str | None = None,
    series_uid: str | None = None,
    level: int = 0,
    allow: Collection[str] = (),
) -> Image:
    """The image in a file, or in a folder that holds a DICOM series or an OME-Zarr image.

    Args:
        path: NIfTI, TIFF, PNG, JPEG, NRRD or MetaImage file; DICOM file or folder (with its sub-folders).
        axes: one letter from "CZYX" an axis of the stored array, for files that do not say (or say it wrongly).
        series_uid: Series Instance UID, for folders with several DICOM series.
        level: resolution of an OME-Zarr image, 0 is the finest.
        allow: codes of refusals to overrule, as their messages name them.

    Raises:
        InputError: no such file, an unknown suffix, or an option that does not fit the file.
        ImageFormatError: the file is damaged, is not what its suffix says, or cannot be read without a guess.
    """
    request = ReadRequest(axes=axes, series_uid=series_uid, level=level, allow=frozenset(allow))
    return read_with(Path(path), request)


def read_label_map(
    path: str | Path,
    *,
    labels: LabelTable | None = None,
    kind: LabelKind = LabelKind.SEMANTIC,
    axes: str | None = None,
) -> LabelMap:
    """The label map in a file.

    Args:
        path: as in `read_image`.
        labels: what the values mean; where absent, a table of the values found ("class 1", "class 2", ...).
        kind: semantic or instances.
        axes: as in `read_image`.

    Raises:
        InputError: see `read_image`.
        ImageFormatError: see `read_image`.
        LabelError: the numbers are not whole, negative, or (semantic) not in `labels`.
    """
    return read_labels_with(Path(path), ReadRequest(axes=axes, as_labels=True), labels=labels, kind=kind)


def read_with(path: Path, request: ReadRequest) -> Image:
    """The image at `path`, read as `request` says; see `read_image`."""
    return reader_for(path, request).read(path, request)


def reader_for(path: Path, request: ReadRequest) -> Reader:
    """The reader for `path`, when what is asked for is something that its format has.

    Raises:
        InputError: it is not; or as for `reader_of`.
    """
    reader = reader_of(path)
    if request.series_uid is not None and reader is not DICOM_READER:
        message = f"{path}: a series UID selects a series from a DICOM folder, and this is no DICOM. Leave it out."
        raise InputError(message)
    if request.level and reader is not OME_ZARR_READER:
        message = f"{path}: a level selects a resolution of an OME-Zarr image, and this is none. Leave it out."
        raise InputError(message)
    return reader


def read_labels_with(path: Path, request: ReadRequest, *, labels: LabelTable | None, kind: LabelKind) -> LabelMap:
    """The label map at `path`, read as `request` says; see `read_label_map`."""
    reader = reader_of(path)
    if reader is DICOM_READER and _is_dicom_segmentation(path):
        from medseg.io.dicom import read_segmentation

        label_map = read_segmentation(path).replace(kind=kind)
        label_map = label_map if labels is None else label_map.replace(labels=labels)
    else:
        image = read_with(path, request)
        label_map = label_map_of(image, labels=labels, kind=kind, name=path)
        if labels is None and kind is LabelKind.SEMANTIC:
            label_map = label_map.replace(labels=stated_table(image, found=label_map.labels))
    if labels is not None:
        label_map.check_values(name=str(path))
    return label_map


def write_image(image: Image, path: str | Path) -> None:
    """Write `image` in the format of the suffix; the final name holds all of it or does not exist.

    Raises:
        InputError: unknown suffix, or values that the format cannot hold.
        GeometryError: a grid that the format cannot hold.
        StorageError: the disk is full or read-only.
    """
    final = Path(path)
    writer = writer_of(final)
    _check_holds_times(final, image.metadata, writer)
    with _atomic(final, writer) as temporary:
        writer.write_image(image, temporary)


def write_label_map(label_map: LabelMap, path: str | Path, *, source: Image | None = None) -> None:
    """Write `label_map` in the format of the suffix and the smallest unsigned type that holds its values.

    Args:
        label_map: what to write.
        path: its suffix chooses the format.
        source: the image that it labels; where given, the two must lie on one grid. A DICOM segmentation (".dcm")
            needs the series that it names; its axes may then be in another order.

    Raises:
        InputError: unknown suffix, values that the format cannot hold, or no source for a DICOM segmentation.
        GeometryError: a grid that the format cannot hold, or one that is not `source`'s.
        StorageError: the disk is full or read-only.
    """
    final = Path(path)
    if suffix_in(final.name, DICOM_SUFFIXES) is not None:
        _write_dicom_segmentation(label_map, final, source=source)
        return
    writer = writer_of(final)
    if source is not None:
        check_same_grid(label_map.grid, source.grid, names=("label map", source.metadata.source or "its image"))
    _check_holds_times(final, label_map.metadata, writer)
    with _atomic(final, writer) as temporary:
        writer.write_label_map(label_map, temporary)


def check_label_target(path: Path, *, source: Image) -> None:
    """Pass when a label map of `source` may be written to `path`, as far as can be told before there is one.

    Raises:
        InputError: unknown suffix, or a DICOM segmentation of an image that was not read from DICOM.
        RefusedImageError: the series lacks what a DICOM segmentation must name.
    """
    if suffix_in(path.name, DICOM_SUFFIXES) is None:
        writer_of(path)
        return
    from medseg.io.dicom.references import source_slices

    source_slices(source)


def write_label_frames(array: NDArray[np.integer], path: str | Path, *, like: LabelMap, times: FrameTimes) -> None:
    """Write the label maps of a time series in the format of the suffix, OME-TIFF or OME-Zarr.

    Args:
        array: (frames, *spatial).
        path: its suffix chooses the format.
        like: one of the frames, whose place, classes and origin are those of all.
        times: of the frames; their numbers are not kept.

    Raises:
        InputError: a suffix of another format.
        GeometryError: a grid that the format cannot hold.
        StorageError: the disk is full or read-only.
    """
    final = Path(path)
    check_holds_frames(final)
    writer = writer_of(final)
    with _atomic(final, writer) as temporary:
        _FRAME_WRITERS[writer.format].write_label_frames(array, temporary, like=like, times=times)


def check_holds_frames(path: Path) -> None:
    """Pass when the format of the suffix has an axis of time.

    Raises:
        InputError: it has none.
    """
    if suffix_in(path.name, DICOM_SUFFIXES) is not None or writer_of(path).format not in _FRAME_WRITERS:
        message = (
            f"{path}: cannot hold a time series: its frames would be taken for slices. Write .ome.tif or .ome.zarr."
        )
        raise InputError(message)


def reader_of(path: Path) -> Reader:
    """The reader for `path`.

    Raises:
        InputError: no such file, or no reader knows its suffix.
        ImageFormatError: a file of zero bytes.
    """
    check_exists(path)
    if path.is_dir():
        return OME_ZARR_READER if is_zarr_folder(path) else DICOM_READER
    suffix = suffix_in(path.name, IMAGE_SUFFIXES)
    named = None if suffix is None else _READER_OF_SUFFIX[suffix]
    found = formats_by_content(path)
    if named is not None and (not found or named.format in found):
        return named
    if found:
        return next(reader for reader in READERS if reader.format == found[0])
    if is_dicom_file(path):
        return DICOM_READER
    message = f"{path}: expected an image file, got an unknown suffix. Known: {_listed(IMAGE_SUFFIXES)}."
    raise InputError(message)


def writer_of(path: Path) -> Writer:
    """The writer for `path`.

    Raises:
        InputError: no writer knows its suffix.
    """
    suffix = suffix_in(path.name, tuple(_WRITER_OF_SUFFIX))
    if suffix is None:
        known = _listed(tuple(_WRITER_OF_SUFFIX))
        message = f"{path}: cannot write this suffix. Known: {known}."
        raise InputError(message)
    return _WRITER_OF_SUFFIX[suffix]


def _check_holds_times(path: Path, metadata: ImageMetadata, writer: Writer) -> None:
    if frame_times(metadata) is not None and writer.format != TiffWriter.format:
        message = f"{path}: cannot hold a time series: its frames would be taken for slices. Write .ome.tif."
        raise InputError(message)


@contextmanager
def _atomic(final: Path, writer: Writer) -> Iterator[Path]:
    """Yield a temporary path that becomes `final`; errors name the file that the user knows."""
    if writer.format == OME_ZARR:
        check_replaceable(final)
    whole = atomic_folder if writer.format == OME_ZARR else atomic_path
    with whole(final) as temporary:
        try:
            yield temporary
        except (GeometryError, InputError) as error:
            message = str(error).replace(str(temporary), str(final)).replace(temporary.name, str(final))
            raise type(error)(message) from error


def _is_dicom_segmentation(path: Path) -> bool:
    if not path.is_file():
        return False
    from medseg.io.dicom.segmentation_reader import is_segmentation

    return is_segmentation(path)


def _write_dicom_segmentation(label_map: LabelMap, path: Path, *, source: Image | None) -> None:
    if source is None:
        message = f"{path}: a DICOM segmentation names the series it belongs to. Give its image as `source`."
        raise InputError(message)
    from medseg.io.dicom import write_segmentation

    write_segmentation(label_map, path, source=source)


def _listed(suffixes: tuple[str, ...]) -> str:
    return ", ".join(sorted(suffixes))
