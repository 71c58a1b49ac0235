"""Whether an image is what a model was made for: small differences are mended or noted, others refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medseg.errors import InputError
from medseg.geometry.orientation import reordering_to
from medseg.images import Image, brightness, is_colour
from medseg.inference.manifest import InputContract

_SPACING_TOLERANCE = 0.1
"""Share by which a voxel size may lie outside the trained range before it is worth a note."""

_MOST_VALUES_LOOKED_AT = 1_000_000


def fit_channels(image: Image, contract: InputContract) -> tuple[Image, tuple[str, ...]]:
    """The image with as many channels as the model takes, and notes on what was done.

    A colour picture for a model of one channel is turned into brightness.

    Raises:
        InputError: any other difference in the number of channels.
    """
    wanted = len(contract.channels)
    if image.num_channels == wanted:
        return image, ()
    if wanted == 1 and is_colour(image):
        return brightness(image), ("the colour picture was turned into brightness, as the model takes one channel",)
    names = f" ({', '.join(image.metadata.channel_names)})" if image.metadata.channel_names else ""
    name = image.metadata.source or "the image"
    message = (
        f"{name}: the model takes {wanted} channel(s) ({', '.join(contract.channels)}), "
        f"the image has {image.num_channels}{names}. Write the channels it needs to a file of their own."
    )
    raise InputError(message)


def in_contract_axes(image: Image, contract: InputContract) -> Image:
    """The image with its axes in the order of the training images, by their letters.

    Volumes that are brought into an anatomical order, and axes of other letters, stay as they are.
    """
    letters, wanted = image.axes[1:], contract.axes[1:]
    if contract.orientation is not None or letters == wanted or sorted(letters) != sorted(wanted):
        return image
    order = [letters.index(letter) for letter in wanted]
    index_map = np.zeros((len(order) + 1,) * 2)
    index_map[-1, -1] = 1.0
    index_map[order, range(len(order))] = 1.0
    return image.replace(
        array=image.array.transpose(0, *(1 + axis for axis in order)),
        affine=image.affine.after_index_map(index_map),
        axes=contract.axes,
        metadata=replace(image.metadata, instance_uids=()),
    )


def doubts(
    image: Image, contract: InputContract, *, spacing_mm: Sequence[float], values_are_absolute: bool
) -> tuple[str, ...]:
    """Sentences on how the image differs from the training images.

    Args:
        image: the whole of it, its values as stored.
        contract: of the model.
        spacing_mm: its voxel size along the axes that the network sees.
        values_are_absolute: whether a value means the same in every image, as HU do; else the model scales each image
            by its own values, and where these lie means nothing.
    """
    found = (
        _modality_doubt(image, contract),
        _spacing_doubt(image, contract, spacing_mm),
        _value_doubt(image, contract if values_are_absolute else None),
    )
    return tuple(sentence for sentence in found if sentence is not None)


def seen_spacing_mm(image: Image, contract: InputContract) -> tuple[float, ...]:
    """Voxel size of `image` in the order in which the network sees its axes."""
    if contract.orientation is not None:
        return reordering_to(image.affine, contract.orientation).apply_to_grid(image.grid).spacing_mm
    return in_contract_axes(image, contract).spacing_mm


def _modality_doubt(image: Image, contract: InputContract) -> str | None:
    stated = image.metadata.modality
    if stated is None or contract.modality is None or stated == contract.modality:
        return None
    return f"the model was trained on {contract.modality} images, this one is {stated}; do not rely on the result"


def _spacing_doubt(image: Image, contract: InputContract, spacing_mm: Sequence[float]) -> str | None:
    ranges = contract.spacing_range_mm
    if ranges is None:
        return None
    if not image.metadata.spacing_is_known:
        return "the image states no voxel size, so it could not be compared with that of the training images"
    if all(
        low * (1 - _SPACING_TOLERANCE) <= value <= high * (1 + _SPACING_TOLERANCE)
        for value, (low, high) in zip(spacing_mm, ranges, strict=True)
    ):
        return None
    size = " x ".join(f"{value:g}" for value in spacing_mm)
    trained = " x ".join(f"{low:g}-{high:g}" for low, high in ranges)
    return f"the voxel size, {size} mm, is outside that of the training images, {trained} mm; look at the result"


def _value_doubt(image: Image, contract: InputContract | None) -> str | None:
    step = max(1, image.array.size // _MOST_VALUES_LOOKED_AT)
    values = image.array.reshape(-1)[::step]
    low, high = float(values.min()), float(values.max())
    if low == high:
        return f"all voxels have the value {low:g}: there is nothing to see in this image"
    known = None if contract is None else contract.intensity
    trained = [] if known is None else list(known.percentiles.values())
    if trained and (high < min(trained) or low > max(trained)):
        return (
            f"the image's values, {low:g} to {high:g}, lie outside those of the training images, "
            f"{min(trained):g} to {max(trained):g}; do not rely on the result"
        )
    return None
