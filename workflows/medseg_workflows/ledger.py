"""What is done: one line a finished case, appended after its files stand under their final names."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from medseg.errors import StorageError

DONE = "done"
FAILED = "failed"


@dataclass(frozen=True)
class CaseRecord:
    """The outcome of one case.

    Attributes:
        case_id: name of its result folder.
        source: where the image lies.
        key: SHA-256 over the image, the model and the settings: the same key gives the same result.
        status: "done" or "failed".
        cause: why it failed; empty when done.
        files: name -> SHA-256 of each result file.
        objects: number of objects found.
        seconds: time of reading, predicting and writing.
        notes: what the person who uses the mask should know.
        fallbacks: what was done for want of memory, in order; also among the notes.
    """

    case_id: str
    source: str
    key: str
    status: str
    cause: str = ""
    files: dict[str, str] = field(default_factory=dict)
    objects: int = 0
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()


def append_record(path: Path, record: CaseRecord) -> None:
    """Append `record` to the ledger and flush it to disk.

    Raises:
        StorageError: the disk is full, the folder cannot be written, or the ledger is a link.
    """
    if path.is_symlink():
        message = f"{path} is a link, and the ledger is only written to a file of its own. Remove the link."
        raise StorageError(message)
    line = json.dumps(asdict(record), ensure_ascii=False) + "\n"
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
            if stream.tell() and not _ends_with_newline(path):
                stream.write("\n")
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}. Free some space, then go on with --resume."
        raise StorageError(message) from error


def read_records(path: Path) -> dict[str, CaseRecord]:
    """The latest record of each case; empty where there is no ledger.

    A line that a crash cut short is passed over: its case counts as not done.
    """
    records: dict[str, CaseRecord] = {}
    if not path.exists():
        return records
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            content = json.loads(line)
            lists = {"notes": tuple(content["notes"]), "fallbacks": tuple(content.get("fallbacks", ()))}
            record = CaseRecord(**{**content, **lists})
        except (json.JSONDecodeError, TypeError, KeyError):
            continue
        records[record.case_id] = record
    return records


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
