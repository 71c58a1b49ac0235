"""Checking pairs of images and labels from their headers, before a training starts on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medseg.datasets.pairing import Pair
from medseg.errors import GeometryError
from medseg.geometry import Grid, check_same_grid
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.dispatch import reader_of


def check_pairs(pairs: Sequence[Pair], *, axes: str | None, label_axes: str | None) -> tuple[int, int]:
    """Number of channels and of spatial axes that all images share.

    Raises:
        GeometryError: an image and its labels differ in shape or affine, or two images in channels or dimensions; the
            message names both files.
        ImageFormatError: a header cannot be read.
    """
    first: ImageHeader | None = None
    for pair in pairs:
        image = _header(pair.image, ReadRequest(axes=axes))
        label = _header(pair.label, ReadRequest(axes=label_axes, as_labels=True))
        _check_label(pair, image, label)
        if first is None:
            first = image
        elif (len(image.shape), image.shape[0]) != (len(first.shape), first.shape[0]):
            message = (
                f"{pairs[0].image} and {pair.image} differ: {_described(first)} vs {_described(image)}. "
                "All images of a data set need the same channels and dimensions."
            )
            raise GeometryError(message)
    assert first is not None  # find_pairs returns no empty list  # noqa: S101
    return first.shape[0], len(first.shape) - 1


def _header(path: Path, request: ReadRequest) -> ImageHeader:
    return reader_of(path).header(path, request)


def _check_label(pair: Pair, image: ImageHeader, label: ImageHeader) -> None:
    if label.shape[0] != 1:
        message = (
            f"{pair.label}: expected one label a voxel, got {_described(label)}. "
            "Save it as a single-channel image of class numbers."
        )
        raise GeometryError(message)
    names = (str(pair.image), str(pair.label))
    if len(image.shape) != len(label.shape):
        message = f"{names[0]} and {names[1]} differ in dimensions: {_described(image)} vs {_described(label)}."
        raise GeometryError(message)
    known = image.metadata.spacing_is_known and label.metadata.spacing_is_known
    grids = [Grid(header.shape[1:], header.affine) for header in (image, label)]
    axes = (image.axes.removeprefix("C"), label.axes.removeprefix("C"))
    check_same_grid(*grids, names=names, sizes_are_known=known, axes=axes)


def _described(header: ImageHeader) -> str:
    size = " x ".join(str(length) for length in header.shape[1:])
    return f"{header.shape[0]} channels of {size} voxels"
