"""The header and the orientation of a PNG, found by walking over its chunks: pillow unpacks the pixels to tell."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from medseg.io.refusals import refuse

PNG_START = b"\x89PNG\r\n\x1a\n"
UPRIGHT = 1
EXIF_ORIENTATION = 0x0112
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type -> samples a pixel."""
_MOST_DEFLATED = 1100
"""Bytes that one of a deflated stream can become; the format ends at 1032."""
_MOST_CHUNKS = 100_000
_LARGEST_EXIF = 2**20


@dataclass(frozen=True)
class PngHeader:
    """What the chunks of a PNG say (ISO/IEC 15948, section 11).

    Attributes:
        width: pixels a row.
        height: rows.
        depth: bits a sample.
        samples: samples a pixel.
        orientation: that of EXIF, 1 to 8.
    """

    width: int
    height: int
    depth: int
    samples: int
    orientation: int


def read_png_header(path: Path) -> PngHeader:
    """The header of the PNG at `path`.

    Raises:
        RefusedImageError: it does not begin with a header, or states more pixels than a file of its size can become.
    """
    size = path.stat().st_size
    orientation = UPRIGHT
    with path.open("rb") as stream:
        head = stream.read(33)
        if len(head) < 33 or head[12:16] != b"IHDR":
            refuse(path, "damaged-header", "expected a PNG that begins with its header", "Copy or export it again")
        width, height, depth, colour_type = struct.unpack(">IIBB", head[16:26])
        for _ in range(_MOST_CHUNKS):
            start = stream.read(8)
            if len(start) < 8:
                break
            (length,) = struct.unpack(">I", start[:4])
            if start[4:] == b"eXIf" and length <= _LARGEST_EXIF:
                orientation = _orientation(stream.read(length))
                break
            if stream.seek(length + 4, 1) >= size:
                break
    header = PngHeader(width, height, depth, _SAMPLES.get(colour_type, 1), orientation)
    if (width * depth * header.samples + 7) // 8 * height > _MOST_DEFLATED * size:
        cause = f"its header states {width} x {height} pixels, and the file is too small to hold them"
        refuse(path, "truncated", cause, "Copy or export it again")
    return header


def _orientation(content: bytes) -> int:
    from PIL import Image as Pillow

    exif = Pillow.Exif()
    exif.load(content)
    found = exif.get(EXIF_ORIENTATION, UPRIGHT)
    return found if found in range(1, 9) else UPRIGHT
