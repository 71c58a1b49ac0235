"""The border where other libraries' exceptions become medseg's."""

from __future__ import annotations

import logging
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from medseg.errors import GeometryError, ImageFormatError, InputError, MedsegError

_LONGEST_CAUSE = 160
"""Characters of a foreign message that are handed on; some print whole headers."""

_REPEAT_HEADERS = {"pydicom", "highdicom"}
"""Packages whose exceptions quote the values of data elements."""

_RUST_PANIC = "pyo3_runtime"
"""Module of the exception of decoders written in Rust; it is no `Exception`, so that it would end the program."""


_LOGGERS = ("pydicom", "nibabel.global", "tifffile")
"""Loggers of reading libraries that repeat what headers say."""
_is_reading: ContextVar[bool] = ContextVar("is_reading", default=False)


def _may_log(_: logging.LogRecord) -> bool:
    return not _is_reading.get()


for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(_may_log)


@contextmanager
def translated_errors(path: Path, *, expected: str, remedy: str) -> Iterator[None]:
    """Run a block of reading code so that it can only fail with a `MedsegError` of one line.

    Warnings and log lines of the reading library are silenced: they repeat tag values, which may identify a patient.

    Args:
        path: what is read, for the message.
        expected: what it should be ("a NIfTI image").
        remedy: what the user can do, a full sentence.

    Raises:
        InputError: the file does not exist or may not be read.
        ImageFormatError: anything else that goes wrong.
    """
    before = _is_reading.get()
    _is_reading.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except GeometryError as error:
        if str(path) in str(error):
            raise
        message = f"{path}: {error} {remedy}"
        raise ImageFormatError(message) from error
    except MedsegError:
        raise
    except FileNotFoundError as error:
        message = f"{path}: the file is not there. Check the path."
        raise InputError(message) from error
    except PermissionError as error:
        message = f"{path}: the file may not be read. Check its permissions."
        raise InputError(message) from error
    except MemoryError as error:
        message = f"{path}: its header asks for more memory than there is. The file is damaged or too large."
        raise ImageFormatError(message) from error
    except Exception as error:  # the border: decoders raise some twenty types on damaged files
        message = f"{path}: expected {expected}, but it cannot be read ({_cause(error)}). {remedy}"
        raise ImageFormatError(message) from error
    except BaseException as error:
        if type(error).__module__ != _RUST_PANIC:
            raise  # Ctrl-C and the like
        message = f"{path}: expected {expected}, but its decoder failed. {remedy}"
        raise ImageFormatError(message) from error
    finally:
        _is_reading.set(before)  # not reset(): a generator may end in another context


def _cause(error: BaseException) -> str:
    """What went wrong; its kind alone where the text may repeat what a patient's header says."""
    frames = traceback.walk_tb(error.__traceback__)
    packages = {str(frame.f_globals.get("__name__", "")).partition(".")[0] for frame, _ in frames}
    return type(error).__name__ if packages & _REPEAT_HEADERS else one_line(error)


def one_line(error: BaseException) -> str:
    """The error's text on one line, cut where it rambles; its type where it has no text."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= _LONGEST_CAUSE else text[: _LONGEST_CAUSE - 3] + "..."


def check_exists(path: Path) -> None:
    """Pass when `path` is there and, if a file, is not empty.

    Raises:
        InputError: it is missing.
        ImageFormatError: it is a file of zero bytes.
    """
    try:
        is_there = path.exists()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        message = f"{path}: cannot be looked up ({error.strerror}). Check the path and its permissions."
        raise InputError(message) from error
    if not is_there:
        message = f"{path}: no such file or folder. Check the path."
        raise InputError(message)
    if path.is_file() and path.stat().st_size == 0:
        message = f"{path}: expected an image, got a file of zero bytes. Copy or export it again."
        raise ImageFormatError(message)
