"""The alpha channel of colour pictures, which is no measurement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medseg.errors import ImageFormatError


def without_opaque_alpha(array: NDArray, *, name: object) -> tuple[NDArray, str]:
    """`array`, (channels, *spatial), without its last channel, and a note that says so.

    Raises:
        ImageFormatError: the last channel is not opaque all over, so that dropping it would change the picture.
    """
    opaque = np.iinfo(array.dtype).max if np.issubdtype(array.dtype, np.integer) else 1
    if (array[-1] != opaque).any():
        message = (
            f"{name}: expected an opaque picture, but its alpha channel varies. "
            "Flatten it onto a background in an image editor first."
        )
        raise ImageFormatError(message)
    return array[:-1], "an alpha channel that is opaque everywhere was left out"
