"""The alpha channel of colour pictures, which is no measurement."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medseg.io.refusals import flag, refuse
from medseg.verdicts import Verdict


def without_constant_alpha(array: NDArray, *, path: Path) -> tuple[NDArray, Verdict]:
    """`array`, (channels, *spatial), without its last channel, and a flag that says so.

    Raises:
        RefusedImageError: the last channel is not the same all over, so that dropping it would change the picture
            ("varying-alpha").
    """
    if (array[-1] != array[-1].flat[0]).any():
        cause = "expected an opaque picture, but its alpha channel varies"
        refuse(path, "varying-alpha", cause, "Flatten it onto a background in an image editor first")
    opaque = np.iinfo(array.dtype).max if np.issubdtype(array.dtype, np.integer) else 1
    how = "opaque everywhere" if array[-1].flat[0] == opaque else "the same everywhere"
    return array[:-1], flag(path, "alpha-dropped", f"an alpha channel that is {how} was left out")
