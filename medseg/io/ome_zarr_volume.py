"""An OME-Zarr image that stays on disk: parts of it are read, at the resolution that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.geometry import Affine
from medseg.images import Image, ImageMetadata
from medseg.io.base import check_axes_letters
from medseg.io.budget import OVER_BUDGET, check_budget, check_expansion, current_budget
from medseg.io.foreign_errors import check_exists, translated_errors
from medseg.io.ome_zarr_files import ZarrArray, check_chunks
from medseg.io.ome_zarr_metadata import Multiscale, read_multiscale
from medseg.io.refusals import flag, refuse, refuse_unless_allowed
from medseg.io.stored_order import affine_of_axes, channels_first, native
from medseg.verdicts import RefusedImageError, Verdict

FORMAT = "ome-zarr"
_REMEDY = "Copy the whole folder again, or export it anew."
_COPIES = 2.0
"""A region while it is read: the array, and its chunks in the making."""


@dataclass(frozen=True)
class OmeZarrVolume:
    """An open OME-Zarr image; nothing but its metadata has been read.

    Attributes:
        path: its folder.
        multiscale: its metadata.
        stored_axes: one letter of T, C, Z, Y, X an axis of the stored arrays, "?" for an axis of length 1 that has
            another meaning.
        allow: codes of refusals that the user overrules.
        as_labels: whether the numbers are labels.
    """

    path: Path
    multiscale: Multiscale
    stored_axes: str
    allow: frozenset[str] = frozenset()
    as_labels: bool = False

    @property
    def axes(self) -> str:
        """As `Image.axes`: channels first, then the spatial axes in stored order."""
        return "C" + "".join(letter for letter in self.stored_axes if letter in "ZYX")

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """For each level, finest first, the shape of its image: channels, then voxels along each spatial axis."""
        return tuple(self._image_shape(level.array) for level in self.multiscale.levels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image of the finest level."""
        return self.levels[0]

    @property
    def dtype(self) -> np.dtype:
        """Type of the values of the image."""
        stored = self.multiscale.levels[0].array.dtype
        return np.dtype(np.uint8) if stored.kind == "b" else stored.newbyteorder("=")

    @property
    def num_times(self) -> int:
        """Number of points in time."""
        return self.multiscale.levels[0].array.shape[self.stored_axes.index("T")] if "T" in self.stored_axes else 1

    @property
    def metadata(self) -> ImageMetadata:
        """As `Image.metadata`, save for what only the chunks can tell."""
        return ImageMetadata(
            source=str(self.path),
            format=FORMAT,
            spacing_is_known=self._size_is_known,
            channel_names=self.multiscale.channel_names if "C" in self.stored_axes else (),
            notes=tuple(verdict.note for verdict in self.multiscale.verdicts),
            verdicts=self.multiscale.verdicts,
        )

    def affine(self, level: int = 0) -> Affine:
        """Voxel index at `level` -> world mm, RAS: the axis named x along world x, y along y, z along z.

        Where the file states no unit of length, the voxels of level 0 count as 1 and those of other levels in relation.

        Raises:
            InputError: there is no such level.
        """
        chosen = self.multiscale.levels[self._checked_level(level)]
        finest = self.multiscale.levels[0]
        spacing, origin = {}, {}
        for axis, letter in enumerate(self.stored_axes):
            if letter not in "ZYX":
                continue
            unit = self.multiscale.mm_per_unit[letter] if self._size_is_known else 1 / finest.scale[axis]
            away = chosen.translation[axis] - (0 if self._size_is_known else finest.translation[axis])
            spacing[letter], origin[letter] = chosen.scale[axis] * unit, away * unit
        return affine_of_axes(self.axes[1:], spacing_mm=spacing, origin_mm=origin)

    def read(
        self,
        region: Sequence[tuple[int, int]] | None = None,
        *,
        level: int = 0,
        channel: int | None = None,
        time: int = 0,
    ) -> Image:
        """A part of the image; only the chunks that it touches are read.

        Args:
            region: first voxel and the one after the last along each spatial axis, counted at `level`; all where
                absent.
            level: resolution, 0 is the finest.
            channel: the one channel wanted; all where absent.
            time: point in time.

        Raises:
            InputError: no such level, channel or point in time, or a region that leaves the image.
            RefusedImageError: it does not fit into memory, leads out of the folder, or has no chunks at all.
            ImageFormatError: a chunk is damaged.
        """
        array = self.multiscale.levels[self._checked_level(level)].array
        box = self._box(array, region)
        cuts = self._cuts(array, box, channel=channel, time=time)
        self._check_memory(array, cuts, is_whole=region is None and channel is None)
        flags = self._check_presence(array, cuts)
        values, axes = channels_first(native(self._stored(array, cuts)), self.axes_kept)
        shift = np.eye(len(box) + 1)
        shift[:-1, -1] = [start for start, _ in box]
        metadata = self.metadata
        names = metadata.channel_names
        metadata = replace(
            metadata,
            notes=(*metadata.notes, *(verdict.note for verdict in flags)),
            verdicts=(*metadata.verdicts, *flags),
            channel_names=names if channel is None or not names else (names[channel],),
            extra={"level": level} if level else {},
        )
        return Image(values, self.affine(level).after_index_map(shift), axes=axes, metadata=metadata)

    @property
    def axes_kept(self) -> str:
        """Letters of the stored axes that an image keeps, in stored order."""
        return "".join(letter for letter in self.stored_axes if letter in "CZYX")

    @property
    def _size_is_known(self) -> bool:
        return set(self.axes[1:]) <= set(self.multiscale.mm_per_unit)

    def _image_shape(self, array: ZarrArray) -> tuple[int, ...]:
        sizes = dict(zip(self.stored_axes, array.shape, strict=True))
        return tuple(sizes.get(letter, 1) for letter in self.axes)

    def _checked_level(self, level: int) -> int:
        if not 0 <= level < len(self.multiscale.levels):
            message = f"{self.path}: expected a level between 0 and {len(self.multiscale.levels) - 1}, got {level}."
            raise InputError(message)
        return level

    def _box(self, array: ZarrArray, region: Sequence[tuple[int, int]] | None) -> list[tuple[int, int]]:
        sizes = self._image_shape(array)[1:]
        if region is None:
            return [(0, size) for size in sizes]
        fits = len(region) == len(sizes) and all(
            0 <= start < stop <= size for (start, stop), size in zip(region, sizes, strict=True)
        )
        if not fits:
            message = f"{self.path}: expected a region inside the {sizes} voxels of its level, got {list(region)}."
            raise InputError(message)
        return [(int(start), int(stop)) for start, stop in region]

    def _cuts(
        self, array: ZarrArray, box: Sequence[tuple[int, int]], *, channel: int | None, time: int
    ) -> tuple[slice, ...]:
        """One slice with start and stop for each stored axis."""
        ranges = dict(zip(self.axes[1:], box, strict=True))
        num_channels = self._image_shape(array)[0]
        for what, index, count in (("channel", channel, num_channels), ("point in time", time, self.num_times)):
            if index is not None and not 0 <= index < count:
                message = f"{self.path}: expected a {what} between 0 and {count - 1}, got {index}."
                raise InputError(message)
        ranges["C"] = (0, num_channels) if channel is None else (channel, channel + 1)
        ranges["T"] = (time, time + 1)
        ranges["?"] = (0, 1)
        return tuple(slice(*ranges[letter]) for letter in self.stored_axes)

    def _check_memory(self, array: ZarrArray, cuts: Sequence[slice], *, is_whole: bool) -> None:
        wanted = _bytes_of(array, cuts)
        try:
            check_budget(self.path, expected_bytes=max(wanted, array.chunk_bytes), copies=_COPIES)
        except RefusedImageError:
            budget = current_budget().max_bytes
            sizes = [_level_bytes(level.array, self.stored_axes) for level in self.multiscale.levels]
            fitting = [number for number, size in enumerate(sizes) if size * _COPIES <= budget]
            if not is_whole or not fitting:
                raise
            cause = (
                f"it asks for {_COPIES * wanted / 2**20:.3g} MiB of memory, and {budget / 2**20:.3g} MiB may be used"
            )
            remedy = f"Level {fitting[0]} would fit (level={fitting[0]}), or read regions with open_ome_zarr"
            refuse(self.path, OVER_BUDGET, cause, remedy)

    def _check_presence(self, array: ZarrArray, cuts: Sequence[slice]) -> tuple[Verdict, ...]:
        present, stored = check_chunks(array, cuts, root=self.path)
        expected = array.num_chunks_in(cuts)
        flags = check_expansion(
            self.path, expected_bytes=present * array.chunk_bytes, stored_bytes=stored, request=self
        )
        if present == expected:
            return flags
        cause = f"{expected - present} of {expected} chunks are not there, which stands for the fill value"
        if present == 0 and not self.as_labels:
            remedy = "Copy the whole folder again"
            return (*flags, refuse_unless_allowed(self.path, "no-chunks", cause, remedy, allow=self.allow))
        return (*flags, flag(self.path, "missing-chunks", cause))

    def _stored(self, array: ZarrArray, cuts: tuple[slice, ...]) -> NDArray:
        """The values of `cuts`, without the axes that an image does not keep."""
        import zarr
        from zarr.storage import LocalStore

        with translated_errors(self.path, expected="an OME-Zarr image", remedy=_REMEDY):
            store = LocalStore(array.folder, read_only=True)
            opened = zarr.open_array(store=store, mode="r", zarr_format=array.zarr_format)  # type: ignore[arg-type]
            values = np.asarray(opened[cuts])
        dropped = tuple(axis for axis, letter in enumerate(self.stored_axes) if letter not in "CZYX")
        return values.squeeze(axis=dropped)


def open_ome_zarr(path: str | Path, *, axes: str | None = None) -> OmeZarrVolume:
    """Open an OME-Zarr image (version 0.4 or 0.5) without reading its voxels.

    Args:
        path: folder of the image.
        axes: one letter of T, C, Z, Y, X an axis of the stored arrays, in place of those that the metadata states.

    Raises:
        InputError: no such folder, or axes that do not fit.
        RefusedImageError: it holds no image, or several; its metadata is damaged; it asks for codecs that medseg does
            not run; or it has an axis longer than 1 that is neither of space nor of channels nor of time.
    """
    return opened(Path(path), axes=axes)


def opened(
    path: Path, *, axes: str | None = None, allow: frozenset[str] = frozenset(), as_labels: bool = False
) -> OmeZarrVolume:
    """See `open_ome_zarr`."""
    check_exists(path)
    if not path.is_dir():
        refuse(path, "no-ome-zarr", "expected the folder of an OME-Zarr image, got a file", "Unpack or copy the folder")
    with translated_errors(path, expected="an OME-Zarr image", remedy=_REMEDY):
        multiscale = read_multiscale(path)
    shape = multiscale.levels[0].array.shape
    if axes is not None:
        letters = check_axes_letters(axes, ndim=len(shape), name=path, known="CZYXT")
        if letters != multiscale.axes:  # its units belong to other axes than the user's
            multiscale = replace(multiscale, mm_per_unit={})
    else:
        letters = multiscale.axes
        if any(letter == "?" and size > 1 for letter, size in zip(letters, shape, strict=True)):
            cause = (
                f"expected axes of time, channels and space, got another of several entries (axes {letters.lower()})"
            )
            remedy = f"Give --axes with one letter of T, C, Z, Y, X for each of the {len(shape)}"
            refuse(path, "unknown-axes", cause, remedy)
    return OmeZarrVolume(path, multiscale, letters, allow, as_labels)


def _bytes_of(array: ZarrArray, cuts: Sequence[slice]) -> int:
    size = array.dtype.itemsize
    for cut in cuts:
        size *= cut.stop - cut.start
    return size


def _level_bytes(array: ZarrArray, axes: str) -> int:
    """Bytes of one point in time of a level."""
    return array.nbytes // (array.shape[axes.index("T")] if "T" in axes else 1)
