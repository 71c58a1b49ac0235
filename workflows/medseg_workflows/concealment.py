"""Batches whose results name no patient: the secret key, and the list that says which case is which."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path

from medseg.errors import InputError
from medseg.files import write_text_atomically
from medseg.io.dicom.pseudonyms import make_key, read_key
from medseg_workflows.manifest import find_cases


def key_of(path: Path | None, *, output: Path, is_wanted: bool) -> bytes | None:
    """The key in `path`, made where there is none yet; None where no key is wanted.

    Raises:
        InputError: a key without the wish or a wish without a key, a key among the results, or one that is too short.
        StorageError: a new key cannot be written.
    """
    if not is_wanted:
        if path is None:
            return None
        message = f"--key-file {path}: a key serves --deidentify only. Give that too, or leave the key out."
        raise InputError(message)
    if path is None:
        message = "--deidentify: expected --key-file, from which names of cases are made. Name a file, old or new."
        raise InputError(message)
    if path.resolve().is_relative_to(output.resolve()):
        message = f"--key-file {path}: the key must not lie with the results. Keep it elsewhere."
        raise InputError(message)
    if not path.exists():
        make_key(path)
    return read_key(path)


def write_case_list(key_file: Path, inputs: Path, *, key: bytes, allow: Collection[str]) -> Path:
    """Write which case is which image, beside the key, and return the file; it identifies patients as the key does.

    Raises:
        InputError: see `find_cases`.
        StorageError: it cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["case", "source", "series"])
    for job in find_cases(inputs, allow=allow, key=key):
        writer.writerow([job.case_id, job.source, job.series_uid or ""])
    path = key_file.with_name(f"{key_file.name}.cases.csv")
    write_text_atomically(path, stream.getvalue())
    return path
