"""Colour pictures as pictures of brightness."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medseg.images.image import Image

_LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness that an eye sees (ITU-R BT.601)."""

_COLOUR_NAMES = ("r", "g", "b")
"""First letters of the channel names of a colour picture."""


def is_colour(image: Image) -> bool:
    """Whether the three channels are red, green and blue, as far as their names say."""
    names = tuple(name[:1].lower() for name in image.metadata.channel_names)
    return image.num_channels == 3 and names in {(), _COLOUR_NAMES}


def brightness(image: Image) -> Image:
    """A colour picture's brightness, float32, in one channel (ITU-R BT.601); grey stored as colour keeps its values.

    Args:
        image: of channels red, green and blue.
    """
    grey = np.tensordot(np.asarray(_LUMINANCE), image.array.astype(np.float32), axes=1)[np.newaxis]
    return image.replace(array=grey.astype(np.float32), metadata=replace(image.metadata, channel_names=()))
