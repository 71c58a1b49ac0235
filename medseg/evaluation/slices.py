"""Choosing slices of a stack, and taking a stack apart."""

from __future__ import annotations

import dataclasses

from medseg.errors import InputError
from medseg.images import LabelMap
from medseg.io.slices import sliced_affine


def parse_slices(text: str) -> tuple[int, ...]:
    """The slice numbers, from 0, that `text` names: "7", "20-23" (both ends included) or "0,5,20-23".

    Raises:
        InputError: `text` is none of these.
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            message = f"slices: expected numbers from 0 like 7, 20-23 or 0,5,20-23, got {text!r}."
            raise InputError(message)
        numbers.extend(range(int(first), int(last) + 1 if dash else int(first) + 1))
    if len(set(numbers)) != len(numbers):
        message = f"slices: expected each slice once, got {text!r}."
        raise InputError(message)
    return tuple(numbers)


def check_slices(label_map: LabelMap, numbers: tuple[int, ...], *, name: str) -> None:
    """Pass when `label_map` is a stack that has all these slices along its first axis.

    Raises:
        InputError: it is no stack, a file whose slices lie along another axis, or it has fewer.
    """
    if label_map.array.ndim != 3:
        message = f"{name}: --slices needs a stack, got an image of {label_map.array.ndim} axes. Leave --slices out."
        raise InputError(message)
    if label_map.metadata.format and label_map.axes.find("Z") > 0:  # arrays come as their owner says
        message = (
            f"{name}: expected a stack with its slices along the first axis, got the axes {label_map.axes}. "
            "Convert it to .tif first: medseg convert --labels."
        )
        raise InputError(message)
    beyond = [number for number in numbers if number >= label_map.array.shape[0]]
    if beyond:
        message = f"{name}: expected slices between 0 and {label_map.array.shape[0] - 1}, got {beyond[0]}."
        raise InputError(message)


def take_slice(label_map: LabelMap, number: int) -> LabelMap:
    """Slice `number` along the first axis, as a map of two axes."""
    return label_map.replace(
        array=label_map.array[number],
        affine=sliced_affine(label_map.affine),
        axes=label_map.axes[1:],
        metadata=dataclasses.replace(label_map.metadata, instance_uids=()),
    )
