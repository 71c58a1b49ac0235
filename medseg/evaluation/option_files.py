"""The files that an option gives beside the predictions: one for a single case, else one a case in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from medseg.errors import InputError
from medseg.evaluation.cases import CasePair


def file_of_each(
    pairs: Sequence[CasePair],
    source: Path,
    *,
    option: str,
    remedy: str,
    in_folder: Callable[[Sequence[str]], Sequence[Path]],
) -> Sequence[Path]:
    """The file of each pair; a single pair takes a single file whatever its name.

    Args:
        pairs: the cases.
        source: what the user gave.
        option: as the user wrote it, for messages.
        remedy: what to do where there is nothing at `source`, a sentence.
        in_folder: finds the files of cases in `source`, in their order, or raises `InputError`.

    Raises:
        InputError: no such path, one file for several cases, or a case without a file.
    """
    if not source.exists():
        message = f"{option} {source}: no such file or folder. {remedy}"
        raise InputError(message)
    if source.is_dir():
        return in_folder([pair.case_id for pair in pairs])
    if len(pairs) > 1:
        message = f"{option} {source}: expected a folder for {len(pairs)} cases, got a file. Give a folder."
        raise InputError(message)
    return (source,)
