"""Short forms of the two verdicts that readers give: refused, and taken with a doubt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from medseg.images import ImageMetadata
from medseg.verdicts import Outcome, RefusedImageError, Verdict, settled


def refuse(path: Path, code: str, cause: str, remedy: str, *, may_be_allowed: bool = False) -> NoReturn:
    """Refuse the image at `path`.

    Raises:
        RefusedImageError: always.
    """
    raise RefusedImageError([Verdict(Outcome.REFUSE, code, path, cause, remedy, may_be_allowed)])


def refuse_unless_allowed(path: Path, code: str, cause: str, remedy: str, *, allow: frozenset[str]) -> Verdict:
    """The flag that is left when the user allowed `code`.

    Raises:
        RefusedImageError: the user did not.
    """
    return settled([Verdict(Outcome.REFUSE, code, path, cause, remedy, may_be_allowed=True)], allow=allow)[0]


def flag(path: Path, code: str, cause: str) -> Verdict:
    """A doubt with which the image is taken all the same."""
    return Verdict(Outcome.FLAG, code, path, cause)


def with_verdicts(metadata: ImageMetadata, *verdicts: Verdict) -> ImageMetadata:
    """`metadata` with further flags, in its notes as well."""
    notes = tuple(verdict.note for verdict in verdicts)
    return replace(metadata, verdicts=(*metadata.verdicts, *verdicts), notes=(*metadata.notes, *notes))
