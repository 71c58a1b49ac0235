"""The data file that a header names: beside the header or below it, nowhere else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from medseg.verdicts import Outcome, RefusedImageError, Verdict


def detached_file(header: Path, name: str) -> Path:
    """The file called `name` by the header at `header`.

    Raises:
        RefusedImageError: the name leads out of the header's folder, through a link as well, or there is no such file.
    """
    folder = header.parent.resolve()
    candidate = (folder / PurePosixPath(name.replace("\\", "/"))).resolve()
    if not candidate.is_relative_to(folder):
        cause = "its header names a data file outside its folder"
        raise RefusedImageError([Verdict(Outcome.REFUSE, "outside-folder", header, cause, "Copy both to one folder")])
    if not candidate.is_file():
        cause = "the data file that its header names is not beside it"
        raise RefusedImageError([Verdict(Outcome.REFUSE, "no-data-file", header, cause, "Copy both to one folder")])
    return candidate
