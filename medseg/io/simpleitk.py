"""NRRD and MetaImage files, read with SimpleITK; its LPS frame ends here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.errors import ImageFormatError, InputError
from medseg.geometry import Affine, WorldFrame
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.foreign_errors import translated_errors
from medseg.io.slices import slice_of

_REMEDY = "Copy it again (with its data file, if that is separate), or convert it anew from its source."
_SPATIAL_AXES = {2: "XY", 3: "XYZ"}


class SimpleItkReader:
    """Reads .nrrd, .nhdr, .mha and .mhd; axes X, Y(, Z) as ITK has them."""

    format = "itk"
    suffixes: tuple[str, ...] = (".nrrd", ".nhdr", ".mha", ".mhd")

    def header(self, path: Path, request: ReadRequest) -> ImageHeader:
        """What the file says about its image, without reading the voxels."""
        with translated_errors(path, expected="an NRRD or MetaImage file", remedy=_REMEDY):
            reader = _opened(path, request)
            reader.ReadImageInformation()
            return _header(reader, path=path)

    def read(self, path: Path, request: ReadRequest) -> Image:
        """The image."""
        with translated_errors(path, expected="an NRRD or MetaImage file", remedy=_REMEDY):
            reader = _opened(path, request)
            reader.ReadImageInformation()
            header = _header(reader, path=path)
            array = _channels_first(reader.Execute())
        image = Image(array, header.affine, axes=header.axes, metadata=header.metadata)
        return image if request.slice_index is None else slice_of(image, request.slice_index)


def _opened(path: Path, request: ReadRequest) -> Any:
    import SimpleITK

    if request.axes is not None and request.axes.upper() not in _SPATIAL_AXES.values():
        message = f"{path}: the file names its axes itself, got --axes {request.axes}. Leave it out."
        raise InputError(message)
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    return reader


def _header(reader: Any, *, path: Path) -> ImageHeader:
    import SimpleITK

    ndim = reader.GetDimension()
    if ndim not in _SPATIAL_AXES:
        message = f"{path}: expected 2 or 3 axes, got {ndim}. Save one volume to a file."
        raise ImageFormatError(message)
    direction = np.asarray(reader.GetDirection()).reshape(ndim, ndim)
    affine = Affine.from_spacing(
        reader.GetSpacing(), frame=WorldFrame.LPS, origin_mm=reader.GetOrigin(), direction=direction
    ).to_frame(WorldFrame.RAS)
    channels = reader.GetNumberOfComponents()
    empty = SimpleITK.Image([1] * ndim, reader.GetPixelID(), channels)
    dtype = SimpleITK.GetArrayViewFromImage(empty).dtype
    if dtype.kind not in "iuf":
        message = f"{path}: expected real numbers, got values of type {dtype.name}. Export the measured values."
        raise ImageFormatError(message)
    metadata = ImageMetadata(source=str(path), format="itk")
    return ImageHeader((channels, *reader.GetSize()), "C" + _SPATIAL_AXES[ndim], dtype, affine, metadata)


def _channels_first(itk_image: Any) -> NDArray:
    """(channels, x, y(, z)); ITK's own arrays are (z, y, x(, channels))."""
    import SimpleITK

    array = SimpleITK.GetArrayFromImage(itk_image)
    if itk_image.GetNumberOfComponentsPerPixel() == 1:
        return array.T[np.newaxis]
    return array.T
