"""The files that an image file is made of: most are one, some are a header with its numbers beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from medseg.errors import MedsegError
from medseg.io import metaimage, nifti, nrrd
from medseg.io.dispatch import reader_of

_DATA_FILE: Mapping[str, Callable[[Path], Path]] = MappingProxyType(
    {
        nifti.NiftiReader.format: nifti.data_file,
        nrrd.NrrdReader.format: nrrd.data_file,
        metaimage.MetaImageReader.format: metaimage.data_file,
    }
)
"""Format -> what finds the file with the numbers; other formats keep all in one."""


def stored_files(path: Path) -> tuple[Path, ...]:
    """The file at `path`, and the one with its numbers where the header says that they lie in another.

    Of a file that is damaged or missing it is the file alone: reading it says why.
    """
    try:
        find = _DATA_FILE.get(reader_of(path).format)
        data = path if find is None else find(path)
    except MedsegError:
        return (path,)
    return (path,) if data.resolve() == path.resolve() else (path, data)
