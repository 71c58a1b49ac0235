"""One image or label map on disk, named so that it can be read later, in another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medseg.images import Image, LabelKind, LabelMap, LabelTable, brightness, is_colour
from medseg.io.base import ReadRequest
from medseg.io.dispatch import read_labels_with, read_with
from medseg.io.label_values import map_values


@dataclass(frozen=True)
class ImageSource:
    """An image on disk, or one slice of a stack.

    Attributes:
        path: file or DICOM folder.
        axes: the file's axes where it does not state them itself.
        slice_index: index along the first spatial axis of a stack, which then becomes a 2-D image; None is all of it.
        as_brightness: whether a colour picture is turned into one channel of brightness.
    """

    path: Path
    axes: str | None = None
    slice_index: int | None = None
    as_brightness: bool = False

    def read(self) -> Image:
        """Read the image.

        Raises:
            InputError: no such file or slice.
            ImageFormatError: see `medseg.io.read_image`.
        """
        image = read_with(self.path, ReadRequest(axes=self.axes, slice_index=self.slice_index))
        return brightness(image) if self.as_brightness and is_colour(image) else image


@dataclass(frozen=True)
class LabelSource:
    """A label map on disk, or one slice of a stack.

    Attributes:
        path: file.
        labels: meaning of the values after `value_map`.
        kind: semantic or instances.
        axes: the file's axes where it does not state them itself.
        slice_index: as in `ImageSource`.
        value_map: value in the file -> value in the label map, where the file uses other numbers than the table.
    """

    path: Path
    labels: LabelTable
    kind: LabelKind = LabelKind.SEMANTIC
    axes: str | None = None
    slice_index: int | None = None
    value_map: Mapping[int, int] | None = None

    def read(self) -> LabelMap:
        """Read the label map.

        Raises:
            ImageFormatError: see `medseg.io.read_label_map`.
            LabelError: values that are not in `value_map`, or not in `labels`.
        """
        request = ReadRequest(axes=self.axes, slice_index=self.slice_index, as_labels=True)
        if self.value_map is None:
            return read_labels_with(self.path, request, labels=self.labels, kind=self.kind)
        stored = read_labels_with(self.path, request, labels=None, kind=self.kind)
        array = map_values(stored.array, self.value_map, name=self.path)
        label_map = stored.replace(array=array, labels=self.labels)
        label_map.check_values(name=str(self.path))
        return label_map
