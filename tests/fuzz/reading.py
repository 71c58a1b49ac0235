"""How the child reads a mutated file: it is described first, as `medseg info` does, then read."""

from pathlib import Path

from medseg.errors import ImageFormatError, MedsegError
from medseg.images import Image
from medseg.io import describe
from medseg.io.base import ReadRequest
from medseg.io.dispatch import read_with


def describe_and_read(path: Path, request: ReadRequest) -> Image:
    """The image; an exception of `describe` that is none of medseg's becomes a message the campaign knows."""
    try:
        describe(path)
    except MedsegError:
        pass
    except Exception as error:
        message = f"{path}: describe raised {type(error).__name__}: a fault in medseg"
        raise ImageFormatError(message) from error
    return read_with(path, request)
