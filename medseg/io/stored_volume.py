"""From a parsed header and the numbers of a file to an image; what NIfTI, NRRD and MetaImage have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg.geometry import Affine
from medseg.images import Image, ImageMetadata
from medseg.io.base import ImageHeader, ReadRequest
from medseg.io.budget import check_budget, check_expansion
from medseg.io.not_finite import replace_not_finite
from medseg.io.slices import slice_of
from medseg.io.stored_numbers import Packing, StoredNumbers, read_numbers, size_verdicts, surplus_verdicts
from medseg.io.stored_order import channels_first
from medseg.verdicts import Outcome, Verdict, settled

_LARGEST_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class StoredVolume:
    """All that a header says.

    Attributes:
        numbers: the voxel values as stored.
        shape: of the stored array, the fastest axis first.
        axes: a letter for each of `shape`, C for channels.
        affine: of the spatial axes in their order.
        metadata: without verdicts.
        verdicts: what the header gave rise to, refusals as well.
    """

    numbers: StoredNumbers
    shape: tuple[int, ...]
    axes: str
    affine: Affine
    metadata: ImageMetadata
    verdicts: tuple[Verdict, ...] = ()

    @property
    def dtype(self) -> np.dtype:
        """Type of the values: the stored one, or for scaled integers the smallest float that holds them."""
        stored = self.numbers.dtype
        if stored.itemsize > 8:
            return np.dtype(np.float64)
        if not self.numbers.is_scaled:
            return stored.newbyteorder("=")
        if stored.kind == "f":
            return np.dtype(np.float32 if stored.itemsize <= 4 else np.float64)
        return np.dtype(np.float32 if np.iinfo(stored).max <= _LARGEST_EXACT_IN_FLOAT32 else np.float64)


def header_of(volume: StoredVolume, request: ReadRequest) -> ImageHeader:
    """The image's header, after everything that can be asked before its voxels are read.

    Raises:
        RefusedImageError: a verdict of the header, of the file's size or of the memory budget.
    """
    numbers = volume.numbers
    judged = settled([*volume.verdicts, *size_verdicts(numbers)], allow=request.allow)
    expected = numbers.count * max(volume.dtype.itemsize, numbers.dtype.itemsize)
    check_budget(numbers.path, expected_bytes=expected)
    if numbers.packing is not Packing.PLAIN:
        stored = numbers.stored_bytes
        judged += check_expansion(numbers.path, expected_bytes=expected, stored_bytes=stored, request=request)
    where = dict(zip(volume.axes, volume.shape, strict=True))
    spatial = volume.axes.replace("C", "")
    shape = (where.get("C", 1), *(where[letter] for letter in spatial))
    return ImageHeader(shape, f"C{spatial}", volume.dtype, volume.affine, with_verdicts(volume.metadata, judged))


def image_of(volume: StoredVolume, request: ReadRequest) -> Image:
    """The image.

    Raises:
        RefusedImageError: see `header_of`; or the numbers are cut off, altered or not finite.
    """
    header = header_of(volume, request)
    flat, surplus = read_numbers(volume.numbers, volume.dtype)
    found = surplus_verdicts(volume.numbers, surplus)
    if not request.as_labels:  # labels are refused with their own reason
        found += replace_not_finite(flat, path=Path(volume.metadata.source))
    metadata = with_verdicts(header.metadata, settled(found, allow=request.allow))
    array, _ = channels_first(flat.reshape(volume.shape, order="F"), volume.axes)
    image = Image(array, header.affine, axes=header.axes, metadata=metadata)
    return image if request.slice_index is None else slice_of(image, request.slice_index)


def with_verdicts(metadata: ImageMetadata, verdicts: Sequence[Verdict]) -> ImageMetadata:
    """`metadata` with further verdicts, each among the notes as well."""
    flags = tuple(verdict for verdict in verdicts if verdict.outcome is not Outcome.CONVERT)
    return dataclasses.replace(
        metadata,
        verdicts=(*metadata.verdicts, *flags),
        notes=(*metadata.notes, *(verdict.note for verdict in flags)),
    )
