"""COCO's JSON of objects: masks as polygons or run lengths, read and written.

Lin 2014, doi 10.1007/978-3-319-10602-1_48.

COCO counts rows down and columns to the right, columns first in run lengths, and puts pixel centres at one half. Maps
here have the axes (y, x). Of masks that overlap, a label map can keep one a pixel: the later one in the
file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon as polygon_pixels

from medseg.errors import ImageFormatError, LabelError
from medseg.files import write_text_atomically
from medseg.images import LabelMap

_BITS, _GOES_ON, _SIGN, _FIRST_LETTER = 5, 0x20, 0x10, 48
"""A number in COCO's text of run lengths: digits of 5 bits, lowest first, each a letter from "0" on."""


@dataclass(frozen=True)
class CocoImage:
    """The objects of one picture.

    Attributes:
        file_name: of the picture.
        objects: its label map of object numbers, of two axes.
        scores: object number -> confidence; empty for a truth.
    """

    file_name: str
    objects: LabelMap
    scores: Mapping[int, float]


def write_coco(path: Path, images: Sequence[CocoImage]) -> None:
    """Write objects as a COCO data set of one category; annotations with scores can be scored as results as well.

    Raises:
        LabelError: a map has another number of axes than two, or several foreground classes.
        StorageError: the file cannot be written.
    """
    annotations: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    names: set[str] = set()
    for image_id, image in enumerate(images, start=1):
        foreground = image.objects.labels.foreground
        if image.objects.array.ndim != 2 or len(foreground) != 1:
            message = f"{image.file_name}: expected a picture with objects of one class for COCO's JSON."
            raise LabelError(message)
        names.add(foreground[0].name)
        height, width = image.objects.spatial_shape
        entries.append({"id": image_id, "file_name": image.file_name, "height": height, "width": width})
        for number in image.objects.present_values():
            if number:
                annotation = _annotation(image.objects.array == number, score=image.scores.get(number))
                annotations.append({"id": len(annotations) + 1, "image_id": image_id, "category_id": 1, **annotation})
    categories = [{"id": 1, "name": name} for name in sorted(names)[:1]]
    content = {"images": entries, "annotations": annotations, "categories": categories}
    write_text_atomically(path, json.dumps(content) + "\n")


def read_coco(path: Path) -> Mapping[str, Any]:
    """The content of a COCO file, its three lists checked to be there.

    Raises:
        ImageFormatError: it is no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(content[key], list) for key in ("images", "annotations", "categories")):
            return dict(content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        message = f"{path}: cannot be read as COCO's JSON of objects ({type(error).__name__}). Export it again."
        raise ImageFormatError(message) from error
    message = f"{path}: expected the lists images, annotations and categories of COCO's JSON. Export it again."
    raise ImageFormatError(message)


def object_map(annotations: Sequence[Mapping[str, Any]], *, shape: tuple[int, int]) -> NDArray[np.uint32]:
    """Object numbers 1, 2, 3, ... in the order of `annotations`; where they overlap, the later one.

    Crowd regions, which hold several objects, and objects without a pixel are left out.

    Raises:
        ImageFormatError: a segmentation that is neither polygons nor run lengths of that shape.
    """
    numbers = np.zeros(shape, dtype=np.uint32)
    count = 0
    for annotation in annotations:
        mask = np.zeros(shape, dtype=np.bool_)
        if not annotation.get("iscrowd"):
            mask = decode_mask(annotation.get("segmentation"), shape=shape)
        if mask.any():
            count += 1
            numbers[mask] = count
    return numbers


def decode_mask(segmentation: Any, *, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask, (height, width), of polygons, of run lengths or of their text.

    A pixel is inside a polygon when its centre is.

    Raises:
        ImageFormatError: something else, or of another shape.
    """
    try:
        if isinstance(segmentation, Mapping):
            counts = segmentation["counts"]
            counts = _numbers_of(counts) if isinstance(counts, str) else counts
            if tuple(segmentation["size"]) == shape and sum(counts) == shape[0] * shape[1] and min(counts) >= 0:
                values = np.arange(len(counts)) % 2 == 1
                return np.repeat(values, counts).reshape(shape, order="F")
        else:
            mask = np.zeros(shape, dtype=np.bool_)
            for corners in segmentation:
                x, y = np.asarray(corners, dtype=np.float64).reshape(-1, 2).T
                mask[polygon_pixels(y - 0.5, x - 0.5, shape)] = True
            return mask
    except (KeyError, TypeError, ValueError, IndexError) as error:
        message = f"COCO segmentation: expected polygons or run lengths, got {type(error).__name__} in reading it."
        raise ImageFormatError(message) from error
    message = f"COCO segmentation: its run lengths do not fill a picture of {shape[0]} x {shape[1]} pixels."
    raise ImageFormatError(message)


def encode_mask(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's run lengths of a mask, (height, width), as its compressed text."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff([0, *edges.tolist(), flat.size]).tolist()
    # The first run is of background, and empty where the first pixel is inside.
    return {"size": list(mask.shape), "counts": _text_of([0, *counts] if flat[0] else counts)}


def _annotation(mask: NDArray[np.bool_], *, score: float | None) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    annotation: dict[str, Any] = {
        "segmentation": encode_mask(mask),
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(mask.sum()),
        "iscrowd": 0,
    }
    return annotation if score is None else {**annotation, "score": float(score)}


def _text_of(counts: Sequence[int]) -> str:
    """Run lengths as text; from the fourth on, each as its difference to the last run of the same value."""
    letters: list[str] = []
    for index, count in enumerate(counts):
        value = count - counts[index - 2] if index > 2 else count
        goes_on = True
        while goes_on:
            digit = value & (_GOES_ON - 1)
            value >>= _BITS
            goes_on = value != (-1 if digit & _SIGN else 0)
            letters.append(chr(_FIRST_LETTER + digit + (_GOES_ON if goes_on else 0)))
    return "".join(letters)


def _numbers_of(text: str) -> list[int]:
    """The run lengths in a text of `_text_of`."""
    counts: list[int] = []
    value, shift = 0, 0
    for letter in text:
        digit = ord(letter) - _FIRST_LETTER
        value |= (digit & (_GOES_ON - 1)) << shift
        shift += _BITS
        if digit & _GOES_ON:
            continue
        if digit & _SIGN:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    return counts
