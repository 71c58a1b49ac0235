"""Which compressed DICOM pixels can be decoded here, and what a compressed frame says about itself."""

from __future__ import annotations

from pathlib import Path

from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medseg.io.refusals import refuse
from medseg.printable import printable

NATIVE: frozenset[str] = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}
)
"""Uncompressed pixels."""

_LOSSLESS: tuple[UID, ...] = (
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
)
_LOSSY: tuple[UID, ...] = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000)
"""Transfer syntaxes that CT and MR archives hold (PS3.5 section 10). JPEG 2000 and HTJ2K without "Lossless" in
their names may hold either."""

_ENCAPSULATED = "1.2.840.10008.1.2.4."
"""Transfer syntaxes of the JPEG and MPEG families."""
_PACKAGES = "pylibjpeg with pylibjpeg-libjpeg and pylibjpeg-openjpeg, or python-gdcm"

_JPEG2000_FAMILY = frozenset({JPEG2000, JPEG2000Lossless})
_OPENJPEG = "pylibjpeg"

_LONGEST_UID = 64

_SEGMENT_START = 0xFF
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
"""JPEG markers SOF0 to SOF15 and SOF55 (JPEG-LS): length, precision, rows, columns follow (ITU-T T.81 B.2.2)."""
_JPEG2000_SIZE = b"\xff\x4f\xff\x51"
"""Start of a JPEG 2000 codestream and its SIZ marker (ITU-T T.800 A.5.1)."""


def undecodable_transfer_syntaxes() -> tuple[str, ...]:
    """Names of the checked transfer syntaxes whose pixels no installed decoder reads."""
    return tuple(uid.name for uid in (*_LOSSLESS, *_LOSSY) if not get_decoder(uid).is_available)


def decoder_of(transfer_syntax: str, *, path: Path) -> Decoder:
    """The decoder of a transfer syntax.

    Raises:
        RefusedImageError: there is none, or its packages are not installed; the message names both.
    """
    uid = UID(transfer_syntax)
    try:
        decoder = get_decoder(uid)
    except NotImplementedError:
        refuse(
            path,
            "no-decoder",
            f"no decoder exists here for pixels in the transfer syntax {_shown(uid)}",
            "Convert the file with dcmdjpeg or gdcmconv --raw first",
        )
    if not decoder.is_available:
        refuse(
            path,
            "no-decoder",
            f"no installed package decodes pixels in the transfer syntax {_shown(uid)}",
            f"Install {_PACKAGES}",
        )
    return decoder


def plugin_of(decoder: Decoder) -> str:
    """The one of pydicom's plugins to decode with; "" leaves the choice to pydicom.

    pydicom asks GDCM first, and GDCM ends the whole process on some damaged JPEG 2000 streams.
    """
    return _OPENJPEG if decoder.UID in _JPEG2000_FAMILY and _OPENJPEG in decoder.available_plugins else ""


def is_lossy_syntax(transfer_syntax: str) -> bool:
    """Whether pixels in this transfer syntax have lost something, or may have."""
    return transfer_syntax.startswith(_ENCAPSULATED) and transfer_syntax not in _LOSSLESS


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 frame states itself; None where it states none (RLE)."""
    start = frame.find(_JPEG2000_SIZE, 0, 512)
    if start >= 0:
        width, height, left, top = (int.from_bytes(frame[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
        return height - top, width - left
    if frame[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(frame) and frame[at] == _SEGMENT_START:
        marker = frame[at + 1]
        if marker in _FRAME_HEADERS:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        # Fill bytes may stand before a marker; every segment up to the frame header states its length.
        at += 1 if marker == _SEGMENT_START else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None


def _shown(uid: UID) -> str:
    """What the file states, as one line and never longer than a UID may be (PS3.5 section 9)."""
    stated = printable(str(uid))[:_LONGEST_UID]
    return f"{uid.name} ({stated})" if uid.name != str(uid) else stated
