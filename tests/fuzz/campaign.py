"""Running mutated files through the readers, and what may come of it.

Case `n` of a format is the same file every time (for one set of seeds), so that a failure is a format and a number.
"""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fuzz.mutators import mutated
from fuzz.seeds import CANARY, FORMATS, seeds

from medseg.errors import MedsegError
from medseg.io.base import ReadRequest
from medseg.io.isolated import READER_DIED, READER_HANGS, ReadingLimits, ReadingProcess
from medseg.verdicts import RefusedImageError

SEED = 20260729
MAX_SECONDS = 10.0
ROOM_BYTES = 256 * 2**20
COPIES = 4
_LIMITS = ReadingLimits(max_seconds=MAX_SECONDS, max_bytes=2**30)


@dataclass
class Outcome:
    """What came of many cases.

    Attributes:
        failures: "format:number: what is wrong".
        kinds: how often each kind of end.
        slowest: seconds of the slowest case.
        most_bytes: memory of the hungriest, beyond what its process had.
    """

    failures: list[str] = field(default_factory=list)
    kinds: Counter = field(default_factory=Counter)
    slowest: float = 0.0
    most_bytes: int = 0


def case(format_name: str, number: int) -> tuple[str, bytes]:
    """File name and content of one case."""
    rng = np.random.default_rng([SEED, FORMATS.index(format_name), number])
    choices = seeds(format_name)
    name, content = choices[int(rng.integers(len(choices)))]
    return name, mutated(content, format_name, rng)


def run(format_name: str, numbers: range, folder: Path, *, save: Path | None = None) -> Outcome:
    """Read the cases in one child process that is replaced when one of them ends it."""
    outcome = Outcome()
    with ReadingProcess(reader="fuzz.reading:describe_and_read") as process:
        for number in numbers:
            name, content = case(format_name, number)
            path = folder / name
            path.write_bytes(content)
            started = time.perf_counter()
            kind, complaint = _judged(process, path)
            path.unlink()
            outcome.slowest = max(outcome.slowest, time.perf_counter() - started)
            outcome.most_bytes = max(outcome.most_bytes, process.peak_bytes)
            outcome.kinds[kind] += 1
            if complaint:
                outcome.failures.append(f"{format_name}:{number} ({name}): {complaint}")
                _keep(save, format_name, number, name, content, complaint)
    return outcome


def _judged(process: ReadingProcess, path: Path) -> tuple[str, str]:
    """The kind of end, and what is wrong with it ("" where nothing is)."""
    expected = 0
    process.peak_bytes = 0
    try:
        image = process.read(path, ReadRequest(), limits=_LIMITS)
        expected, kind, complaint = image.array.nbytes, "read", ""
    except RefusedImageError as error:
        code = error.verdicts[0].code
        kind, complaint = code, str(error) if code in {READER_DIED, READER_HANGS} else _words(error, path)
    except MedsegError as error:
        kind, complaint = type(error).__name__, _words(error, path)
    if not complaint and process.peak_bytes > COPIES * expected + ROOM_BYTES:
        complaint = f"took {process.peak_bytes >> 20} MiB for an image of {expected >> 20} MiB"
    return kind, complaint


def _words(error: MedsegError, path: Path) -> str:
    """What is wrong with a message."""
    text = str(error)
    wrong = {
        "a foreign exception got out": "a fault in medseg" in text,
        "more than one line": "\n" in text,
        "no file": path.name not in text,
        "a patient's name": CANARY in text,
    }
    said = [what for what, is_so in wrong.items() if is_so]
    return f"{', '.join(said)}: {text!r}" if said else ""


def _keep(folder: Path | None, format_name: str, number: int, name: str, content: bytes, complaint: str) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{format_name}-{number}-{name}").write_bytes(content)
    note = {"format": format_name, "number": number, "seed": SEED, "complaint": complaint}
    note["real_data"] = bool(os.environ.get("MEDSEG_DATA_DIR"))
    (folder / f"{format_name}-{number}.json").write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
