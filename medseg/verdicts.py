"""What was decided about an image before it was used: taken, taken with a doubt, split into several, or refused.

A verdict is for people and for programs: its code is stable and may be named in `--allow`, its sentence says which
file, what was found and what to do. Neither holds the text of a header, which may identify a patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from medseg.errors import ImageFormatError


class Outcome(StrEnum):
    """The outcomes, from the best to the worst."""

    CONVERT = "convert"
    FLAG = "flag"
    SPLIT = "split"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Verdict:
    """One finding and what follows from it.

    Attributes:
        outcome: what follows.
        code: stable name of the finding, "missing-slice".
        path: the file, or the folder where no single file is to blame.
        cause: what was expected and what came, without a full stop.
        remedy: what the user can do, without a full stop.
        may_be_allowed: whether a person may overrule a refusal with `--allow CODE`. Never true where the true volume
            cannot be known.
    """

    outcome: Outcome
    code: str
    path: Path
    cause: str
    remedy: str = ""
    may_be_allowed: bool = False

    @property
    def sentence(self) -> str:
        """File, cause, remedy and code in one line."""
        remedies = [self.remedy] if self.remedy else []
        if self.outcome is Outcome.REFUSE and self.may_be_allowed:
            remedies.append(f"Or take it as it is with --allow {self.code}")
        return ". ".join([f"{self.path}: {self.cause} [{self.code}]", *remedies]) + "."

    @property
    def note(self) -> str:
        """Cause and code, for lists that name the file already."""
        return f"{self.cause} [{self.code}]"

    def overruled(self) -> Verdict:
        """The same finding after a person allowed it: a flag that says so."""
        return Verdict(Outcome.FLAG, self.code, self.path, f"{self.cause}; allowed by the user")


class RefusedImageError(ImageFormatError):
    """An image is refused; `verdicts` says why, the worst first."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts = tuple(verdicts)
        super().__init__(self.verdicts[0].sentence)

    def __reduce__(self) -> tuple[type[RefusedImageError], tuple[tuple[Verdict, ...]]]:
        return type(self), (self.verdicts,)


def settled(verdicts: Sequence[Verdict], *, allow: frozenset[str]) -> tuple[Verdict, ...]:
    """The verdicts after the user's word: refusals in `allow` that may be overruled become flags.

    Raises:
        RefusedImageError: a refusal is left.
    """
    judged = tuple(
        verdict.overruled()
        if verdict.outcome is Outcome.REFUSE and verdict.may_be_allowed and verdict.code in allow
        else verdict
        for verdict in verdicts
    )
    refusals = [verdict for verdict in judged if verdict.outcome is Outcome.REFUSE]
    if refusals:
        raise RefusedImageError(refusals)
    return judged
