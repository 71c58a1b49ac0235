"""What the samples of a TIFF's pixels are: measurements, colours, palette numbers, opacity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medseg.io.base import ReadRequest
from medseg.io.refusals import flag, refuse
from medseg.verdicts import Verdict

_OTHER_SPACES = frozenset({"SEPARATED", "CIELAB", "ICCLAB", "ITULAB", "LOGL", "LOGLUV"})
_OPACITIES = frozenset({1, 2})
"""Values of ExtraSamples (TIFF 6.0, section 18): associated and unassociated alpha."""
_UPRIGHT = 1


def check_colour_space(page: Any, *, path: Path) -> None:
    """Pass when the samples are grey, RGB or palette numbers once they are decoded.

    Raises:
        RefusedImageError: inks, luminance and chrominance, or another space ("colour-space").
    """
    name = getattr(page.photometric, "name", "")
    # In JPEG streams the codec turns luminance and chrominance into RGB; nobody does so in other ones.
    is_raw_ycbcr = name == "YCBCR" and "JP" not in getattr(page.compression, "name", "")
    if name in _OTHER_SPACES or is_raw_ycbcr:
        cause = f"expected grey values or RGB, got the colour space {name}"
        refuse(path, "colour-space", cause, "Convert it to RGB in an image editor")


def has_alpha(page: Any) -> bool:
    """Whether the last sample of each pixel is an opacity."""
    extras = [int(extra) for extra in page.extrasamples]
    return page.samplesperpixel > 1 and bool(extras) and extras[-1] in _OPACITIES


def palette_of(tif: Any, *, request: ReadRequest) -> NDArray[np.uint8] | None:
    """(3, n) colours that stand for the numbers of the image; None where the numbers are what counts.

    That is so for labels, for grey ramps, and in microscopy (ImageJ, OME): a lookup table only paints measurements.
    """
    page = tif.series[0].keyframe
    is_palette = getattr(page.photometric, "name", "") == "PALETTE" and page.samplesperpixel == 1
    if not is_palette or request.as_labels or tif.is_imagej or tif.is_ome or page.colormap is None:
        return None
    stored = np.asarray(page.colormap)
    colours = (stored if stored.max() <= 255 else stored >> 8).astype(np.uint8)  # some writers leave out the scaling
    ramp = np.arange(colours.shape[1]) * (255 // max(colours.shape[1] - 1, 1))
    return None if (colours == ramp).all() else colours


def expanded(array: NDArray[np.integer], colours: NDArray[np.uint8], *, path: Path) -> tuple[NDArray, Verdict]:
    """The colours, (3, *spatial), of an `array` of palette numbers, (1, *spatial), and a flag that says so."""
    found = colours[:, array[0]]
    return found, flag(path, "palette-expanded", "palette numbers were turned into colours")


def colour_flags(tif: Any, *, path: Path) -> list[Verdict]:
    """Doubts about what the pixels mean."""
    series = tif.series[0]
    page, flags = series.keyframe, []
    if getattr(page.photometric, "name", "") == "MINISWHITE":
        cause = "the file asks to show low values bright; the values are kept as stored"
        flags.append(flag(path, "inverted-greys", cause))
    if getattr(page.photometric, "name", "") == "PALETTE" and (tif.is_imagej or tif.is_ome):
        flags.append(flag(path, "lookup-table", "the file has a lookup table; the values are kept as stored"))
    if getattr(page.planarconfig, "name", "") == "SEPARATE" and page.samplesperpixel == 3 and series.kind != "ome":
        cause = "its three planes are taken as colours, as the file says; give --axes ZYX if they are slices"
        flags.append(flag(path, "planes-are-colours", cause))
    orientation = page.tags.get("Orientation")
    if orientation is not None and orientation.value != _UPRIGHT:
        cause = "the file asks to be shown turned or mirrored; images and masks alike are taken as stored"
        flags.append(flag(path, "turned", cause))
    return flags
