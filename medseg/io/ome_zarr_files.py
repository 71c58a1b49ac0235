"""The files of a Zarr store as they lie on disk: JSON, arrays and chunk names, read without any Zarr library.

A store is input from elsewhere: its metadata may name codecs that run code, other folders, or terabytes. All of that is
judged here, before a library sees it. Formats: Zarr 2 (https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html) and
Zarr 3 (https://zarr-specs.readthedocs.io/en/latest/v3/core/index.html).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medseg.errors import MedsegError
from medseg.io.inside import is_inside
from medseg.io.refusals import refuse

DAMAGED = "damaged-metadata"
_COPY_AGAIN = "Copy or export the whole folder again"
_GROUP_FILES = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_LARGEST_JSON = 16 * 2**20
_MOST_CHUNKS = 2**24
"""Chunks whose presence is looked up; more of them are a damaged header or need another chunk size."""
_CODECS_2 = frozenset(
    {"blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "shuffle", "delta", "fixedscaleoffset", "bitround"}
)
"""Compressors and filters of Zarr 2 that only transform numbers. Not among them: pickle, json2, msgpack2, vlen-*."""
_CODECS_3 = frozenset({"bytes", "transpose", "blosc", "gzip", "zstd", "crc32c", "sharding_indexed"})
_MOST_WIDENED = 8
"""Bytes of a chunk before its filters for one after: a filter may store wider numbers, a bomb does more."""
_BLOSC_HEADER = struct.Struct("<4xI4xI")
_TYPES_3 = frozenset(
    {"bool", "float16", "float32", "float64", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))}
)


@dataclass(frozen=True)
class ZarrArray:
    """What the metadata of one array says.

    Attributes:
        folder: where it lies.
        zarr_format: 2 or 3.
        shape: sizes of all stored axes.
        chunks: size of a chunk file along each (of a shard where there are shards).
        dtype: of the values.
        key_prefix: first part of a chunk's name, empty for Zarr 2.
        separator: between the numbers in a chunk's name.
        is_blosc: whether a chunk file is one Blosc buffer, whose header is checked.
    """

    folder: Path
    zarr_format: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    key_prefix: str
    separator: str
    is_blosc: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array when unpacked."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one chunk when unpacked."""
        return prod(self.chunks) * self.dtype.itemsize

    def num_chunks_in(self, region: Sequence[slice]) -> int:
        """How many chunks `region`, one slice with start and stop an axis, touches."""
        return prod(len(numbers) for numbers in self._numbers(region))

    def chunk_paths(self, region: Sequence[slice]) -> Iterator[Path]:
        """Files of the chunks that `region` touches, whether they exist or not."""
        for numbers in product(*self._numbers(region)):
            parts = ([self.key_prefix] if self.key_prefix else []) + [str(number) for number in numbers]
            yield self.folder / self.separator.join(parts)

    def _numbers(self, region: Sequence[slice]) -> list[range]:
        return [range(cut.start // size, ceil(cut.stop / size)) for cut, size in zip(region, self.chunks, strict=True)]


def is_zarr_folder(path: Path) -> bool:
    """Whether `path` is a folder that is a Zarr group or array, or is called one."""
    return path.is_dir() and (path.name.lower().endswith(".zarr") or holds_zarr(path))


def holds_zarr(path: Path) -> bool:
    """Whether the folder `path` has the metadata of a Zarr group or array."""
    return any((path / name).is_file() for name in _GROUP_FILES)


def attributes_of(folder: Path, *, root: Path) -> tuple[Mapping[str, Any], int] | None:
    """The user attributes of a group and its Zarr format; None where `folder` is no group.

    Raises:
        RefusedImageError: the JSON is damaged, or lies outside `root`.
    """
    if (folder / "zarr.json").is_file():
        content = read_json(folder / "zarr.json", root=root)
        if content.get("node_type") != "group":
            return None
        return _mapping(content.get("attributes", {}), folder / "zarr.json"), 3
    if not (folder / ".zgroup").is_file():
        return None
    read_json(folder / ".zgroup", root=root)
    attributes = read_json(folder / ".zattrs", root=root) if (folder / ".zattrs").is_file() else {}
    return attributes, 2


def array_at(folder: Path, *, root: Path, zarr_format: int) -> ZarrArray:
    """What the metadata of the array in `folder` says.

    Raises:
        RefusedImageError: it is missing, damaged, outside `root`, or asks for values or codecs that are not numbers.
    """
    name = "zarr.json" if zarr_format == 3 else ".zarray"
    path = folder / name
    if not path.is_file():
        refuse(root, DAMAGED, f"expected an array in {_inner(folder, root)}, it has no {name}", _COPY_AGAIN)
    content = read_json(path, root=root)
    try:
        found = _array_3(folder, content) if zarr_format == 3 else _array_2(folder, content)
    except MedsegError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        refuse(path, DAMAGED, "expected the shape, chunks and type of an array", _COPY_AGAIN)
    if not 0 < len(found.shape) == len(found.chunks) or min(*found.shape, *found.chunks) < 1:
        refuse(path, DAMAGED, f"expected positive sizes, got shape {found.shape} in chunks {found.chunks}", _COPY_AGAIN)
    return found


def read_json(path: Path, *, root: Path) -> Mapping[str, Any]:
    """The JSON object in a file of the store.

    Raises:
        RefusedImageError: it leads out of `root`, is larger than 16 MiB, or no JSON object.
    """
    check_inside(path, root=root)
    if path.stat().st_size > _LARGEST_JSON:
        refuse(path, DAMAGED, "expected metadata of some kilobytes, got more than 16 MiB", _COPY_AGAIN)
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        refuse(path, DAMAGED, "expected JSON, and it is damaged or cut off", _COPY_AGAIN)
    return _mapping(content, path)


def member(root: Path, name: str, *, within: Path) -> Path:
    """The folder `name` below `within`, a name that the metadata gives.

    Raises:
        RefusedImageError: it would lie outside `root`.
    """
    parts = PurePosixPath(name)
    if not name or parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name:
        refuse(root, "outside-folder", "the metadata names a member outside the folder", "Do not use this file")
    path = within / name
    if path.exists():
        check_inside(path, root=root)
    return path


def check_inside(path: Path, *, root: Path) -> None:
    """Pass when `path`, its links followed, lies in `root`.

    Raises:
        RefusedImageError: it leads elsewhere.
    """
    if not is_inside(path, root):
        cause = f"{_inner(path, root)} is a link that leads out of the folder or nowhere"
        refuse(root, "outside-folder", cause, "Replace it by a copy of what it should be")


def check_chunks(array: ZarrArray, region: Sequence[slice], *, root: Path) -> tuple[int, int]:
    """How many chunk files of `region` there are, and how many bytes they hold.

    Raises:
        RefusedImageError: one leads out of `root` or is no file, or there are too many.
    """
    if array.num_chunks_in(region) > _MOST_CHUNKS:
        cause = f"its {array.num_chunks_in(region)} chunks are too many to be looked up"
        refuse(array.folder, "over-budget", cause, "Read a region of it, or save it in larger chunks")
    checked: set[Path] = set()
    present = stored = 0
    for path in array.chunk_paths(region):
        if path.parent not in checked and path.parent.exists():
            check_inside(path.parent, root=root)
            checked.add(path.parent)
        if path.is_symlink():
            check_inside(path, root=root)
        if path.is_file():
            present += 1
            size = path.stat().st_size
            stored += size
            if array.is_blosc:
                _check_blosc(path, size, array, root=root)
        elif path.exists():
            refuse(root, DAMAGED, f"expected a file, and {_inner(path, root)} is none", _COPY_AGAIN)
    return present, stored


def _check_blosc(path: Path, size: int, array: ZarrArray, *, root: Path) -> None:
    """Pass when a chunk is as long as its header says (https://blosc.org/c-blosc: nbytes, cbytes); Blosc does not look.

    Raises:
        RefusedImageError: it is cut off, or unpacks to something other than a chunk.
    """
    with path.open("rb") as stream:
        head = stream.read(_BLOSC_HEADER.size)
    unpacked, packed = _BLOSC_HEADER.unpack(head) if len(head) == _BLOSC_HEADER.size else (0, -1)
    if packed != size or unpacked > _MOST_WIDENED * array.chunk_bytes:
        cause = f"the chunk {_inner(path, root)} is damaged or cut off"
        refuse(root, "damaged-chunk", cause, _COPY_AGAIN)


def _array_2(folder: Path, content: Mapping[str, Any]) -> ZarrArray:
    codecs = [content.get("compressor"), *(content.get("filters") or [])]
    names = [str(codec["id"]) for codec in codecs if codec is not None]
    _check_codecs(names, _CODECS_2, folder)
    given = content["dtype"]
    dtype = np.dtype(given) if isinstance(given, str) else np.dtype(object)
    _check_type(dtype.kind in "biuf", folder)
    return ZarrArray(
        folder,
        2,
        _sizes(content["shape"]),
        _sizes(content["chunks"]),
        dtype,
        "",
        _separator(content, "dimension_separator", "."),
        is_blosc=names[:1] == ["blosc"] and content.get("compressor") is not None,
    )


def _array_3(folder: Path, content: Mapping[str, Any]) -> ZarrArray:
    _check_codecs(list(_codec_names(content["codecs"])), _CODECS_3, folder)
    _check_type(content["data_type"] in _TYPES_3, folder)
    grid, encoding = content["chunk_grid"], content["chunk_key_encoding"]
    if grid["name"] != "regular" or encoding["name"] not in {"default", "v2"} or content.get("storage_transformers"):
        refuse(folder, "unknown-layout", "its chunks are laid out in a way that medseg does not know", _COPY_AGAIN)
    is_default = encoding["name"] == "default"
    separator = _separator(encoding.get("configuration", {}), "separator", "/" if is_default else ".")
    chunks = _sizes(grid["configuration"]["chunk_shape"])
    dtype = np.dtype(content["data_type"])
    prefix, is_blosc = "c" if is_default else "", content["codecs"][-1]["name"] == "blosc"
    return ZarrArray(folder, 3, _sizes(content["shape"]), chunks, dtype, prefix, separator, is_blosc=is_blosc)


def _codec_names(codecs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for codec in codecs:
        yield str(codec["name"])
        for inner in ("codecs", "index_codecs"):
            yield from _codec_names(codec.get("configuration", {}).get(inner, ()))


def _check_codecs(names: Sequence[str], known: frozenset[str], folder: Path) -> None:
    if not set(names) <= known:
        cause = f"its chunks are packed by a codec other than {', '.join(sorted(known))}; some of those run code"
        refuse(folder, "unknown-codec", cause, "Save it again with blosc, zstd or gzip")


def _check_type(is_number: bool, folder: Path) -> None:  # noqa: FBT001 - the condition is the sentence
    if not is_number:
        refuse(folder, "not-numbers", "expected real numbers, got values of another type", "Export numbers")


def _sizes(given: Any) -> tuple[int, ...]:
    if not all(isinstance(size, int) and not isinstance(size, bool) for size in given):
        raise TypeError
    return tuple(given)


def _separator(content: Mapping[str, Any], name: str, default: str) -> str:
    separator = content.get(name, default)
    if separator not in {".", "/"}:
        raise ValueError
    return str(separator)


def _mapping(content: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        refuse(path, DAMAGED, "expected a JSON object", _COPY_AGAIN)
    return content


def _inner(path: Path, root: Path) -> str:
    """Where in the store, for a message that names the store already."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
