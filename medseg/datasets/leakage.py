"""Whether one image stands on two sides of a split under two names, by its bytes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from medseg.datasets.case import Case, Splits
from medseg.errors import InputError

_CHUNK_BYTES = 1 << 20


def check_contents(splits: Splits, cases: Sequence[Case], *, name: str) -> None:
    """Pass when no two cases of different lists are byte for byte the same image.

    Of a folder (a DICOM series), contents count and names do not. Only images of equal size are read. An image that
    was converted or compressed anew has other bytes and is not found.

    Args:
        splits: who trains, chooses and tests.
        cases: all cases.
        name: of the data set, for the message.

    Raises:
        InputError: two are the same; the message names both cases, their files and their lists.
    """
    by_id = {case.case_id: case for case in cases}
    alike: dict[tuple[int, int | None], list[tuple[str, Case]]] = defaultdict(list)
    for listed, ids in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
        for case_id in ids:
            if case_id in by_id:
                image = by_id[case_id].image
                alike[_num_bytes(image.path), image.slice_index].append((listed, by_id[case_id]))
    for candidates in alike.values():
        if len({listed for listed, _ in candidates}) > 1:
            _check_hashes(candidates, name=name)


def _check_hashes(candidates: list[tuple[str, Case]], *, name: str) -> None:
    seen: dict[str, tuple[str, Case]] = {}
    for listed, case in candidates:
        other, first = seen.setdefault(_content_hash(case.image.path), (listed, case))
        if other != listed:
            message = (
                f"{name}: cases {first.case_id!r} ({first.image.path}, in {other}) and {case.case_id!r} "
                f"({case.image.path}, in {listed}) are the same image. Remove one, or put both into one list."
            )
            raise InputError(message)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _num_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _content_hash(path: Path) -> str:
    """SHA-256 of a file, or of the sorted SHA-256 of a folder's files, whatever these are called."""
    hashes = sorted(_file_hash(file) for file in _files(path))
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
