"""NIfTI-1 and NIfTI-2 files, read."""

from __future__ import annotations

from math import prod
from pathlib import Path

from medseg.errors import InputError
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader, ReadRequest, check_axes_letters
from medseg.io.foreign_errors import translated_errors
from medseg.io.nifti_geometry import place
from medseg.io.nifti_header import NiftiHeader, read_header, refuse
from medseg.io.stored_numbers import StoredNumbers
from medseg.io.stored_volume import StoredVolume, header_of, image_of

_REMEDY = "Copy it again, or convert it anew from its source."
SIZE_UNKNOWN = "voxel size unknown"
"""Description in the header of files written from images without one; NIfTI itself cannot say so."""


class NiftiReader:
    """Reads .nii, .nii.gz and pairs of .hdr and .img, packed or not, whatever the suffix says of that.

    The affine is the sform where its code is above 0, else the qform where its code is, else the voxel size alone,
    with a flag; `metadata.extra["has_orientation"]` is False then. Values keep their stored type unless the file scales
    them; then they are float32 (float64 where float32 could not hold the stored numbers). A fourth axis is refused
    unless its length is 1 or `axes` names it C.
    """

    format = "nifti"
    suffixes: tuple[str, ...] = (".nii", ".nii.gz", ".hdr", ".hdr.gz")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without reading the voxels."""
        with translated_errors(path, expected="a NIfTI image", remedy=_REMEDY):
            return header_of(_volume(path, request), request)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        with translated_errors(path, expected="a NIfTI image", remedy=_REMEDY):
            return image_of(_volume(path, request), request)


def data_file(path: Path) -> Path:
    """The file with the numbers of the image whose header is `path`; often `path` itself.

    Raises:
        ImageFormatError: the header is damaged, or names no file that may be read.
    """
    with translated_errors(path, expected="a NIfTI image", remedy=_REMEDY):
        return _volume(path, ReadRequest()).numbers.path


def _volume(path: Path, request: ReadRequest) -> StoredVolume:
    header = read_header(path)
    shape, axes = _axes_of(header, request)
    placed = place(header, num_spatial=len(axes.replace("C", "")))
    numbers = StoredNumbers(
        path=header.data_path,
        dtype=header.dtype,
        count=prod(shape),
        offset=header.offset,
        packing=header.packing,
        slice_bytes=shape[0] * shape[1] * header.dtype.itemsize,
        slope=header.slope,
        inter=header.inter,
    )
    metadata = ImageMetadata(
        source=str(path),
        format="nifti",
        spacing_is_known=bytes(header.fields["descrip"]).rstrip(b"\0") != SIZE_UNKNOWN.encode(),
        extra={"has_orientation": placed.has_orientation},
    )
    return StoredVolume(numbers, shape, axes, placed.affine, metadata, (*header.verdicts, *placed.verdicts))


def _axes_of(header: NiftiHeader, request: ReadRequest) -> tuple[tuple[int, ...], str]:
    """The stored shape and a letter for each of its axes; a fourth of length 1 before a fifth is left out."""
    shape = header.shape
    if request.axes is not None:
        shape = shape[:3] + tuple(size for size in shape[3:] if size > 1)
        shape += (1,) * (len(request.axes) - len(shape))
        axes = check_axes_letters(request.axes, ndim=len(shape), name=header.path)
        if not "XYZ".startswith(axes.replace("C", "")):
            message = (
                f"{header.path}: a NIfTI file has its axes in the order X, Y, Z, got --axes {request.axes}. Give XYZC."
            )
            raise InputError(message)
        return shape, axes
    if shape[:4] == (1, 1, 1, 1):
        cause = "expected voxels, got a matrix over surface points (CIFTI)"
        refuse(header.path, "not-an-image", cause, "Give the volume that it was made from")
    if len(shape) > 3:
        cause = f"expected three axes, got the shape {shape}: several points in time, directions or channels"
        remedy = "Save one volume to a file, or give --axes XYZC if the fourth axis holds channels"
        refuse(header.path, "several-volumes", cause, remedy)
    return shape, "XYZ"[: len(shape)]
