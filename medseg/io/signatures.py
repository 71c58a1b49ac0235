"""What a file is by its first bytes; suffixes can lie."""

from __future__ import annotations

from pathlib import Path

from medseg.io.nifti_header import is_image_of_pair, is_nifti
from medseg.io.stored_numbers import Packing, unpacked_start

_NUM_BYTES = 544
_MAGIC = {
    b"NRRD000": "nrrd",
    b"ObjectType": "metaimage",
    b"NDims": "metaimage",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "png",
}
_DICOM_MAGIC = slice(128, 132)


def formats_by_content(path: Path) -> tuple[str, ...]:
    """The formats that the first bytes of a file fit, as `Reader.format` names them; several for hybrids."""
    try:
        start, packing = unpacked_start(path, num_bytes=_NUM_BYTES)
    except OSError:
        return ()
    if is_nifti(start) or is_image_of_pair(path):
        return ("nifti",)
    if packing is not Packing.PLAIN:
        return ()
    found = [name for magic, name in _MAGIC.items() if start.startswith(magic)]
    if start[_DICOM_MAGIC] == b"DICM":
        found.append("dicom")
    return tuple(found)
