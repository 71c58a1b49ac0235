"""Readers that do what a decoder of another library may do to a damaged file; children are told to read with them."""

import ctypes
import os
import sys
import time
from pathlib import Path

import numpy as np

from medseg.geometry import Affine, WorldFrame
from medseg.images import Image
from medseg.io.base import ReadRequest


def _good(path: Path) -> Image:
    array = np.arange(24, dtype=np.int16).reshape(1, 4, 6)
    return Image(array.transpose(0, 2, 1), Affine(np.diag([2.0, 3.0, 1.0]), frame=WorldFrame.RAS), axes="CXY")


def _hang(path: Path) -> Image:
    ctypes.CDLL(None).sleep(60)  # in native code: no exception of Python's gets in
    return _good(path)


def _crash(path: Path) -> Image:
    ctypes.string_at(0)
    return _good(path)


def _abort(path: Path) -> Image:
    os.abort()


def _exit(path: Path) -> Image:
    os._exit(3)


def _eat(path: Path) -> Image:
    held = [np.ones(2**23) for _ in range(64)]  # 64 times 64 MiB
    time.sleep(len(held))
    return _good(path)


def _chatter(path: Path) -> Image:
    os.write(1, b"PATIENT^NAME\n" * 100)
    sys.stderr.write("PATIENT^NAME")
    return _good(path)


def _forge(path: Path) -> Image:
    """An answer that would run a command in the parent."""

    class Command:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {path.with_suffix('.owned')}",)

    from dataclasses import replace

    image = _good(path)
    return image.replace(metadata=replace(image.metadata, extra={"x": Command()}))


def _bug(path: Path) -> Image:
    raise KeyError("PATIENT^NAME")


READERS = {
    "hang": _hang,
    "crash": _crash,
    "abort": _abort,
    "exit": _exit,
    "eat": _eat,
    "chatter": _chatter,
    "forge": _forge,
    "bug": _bug,
}


def read(path: Path, request: ReadRequest) -> Image:
    """The reader that the first word of the file's name asks for; any other name reads well."""
    return READERS.get(path.stem.split("_")[0], _good)(path)
