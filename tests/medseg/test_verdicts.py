"""Verdicts: what a person may overrule, and what nobody may."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from medseg.verdicts import Outcome, RefusedImageError, Verdict, settled

GAP = Verdict(Outcome.REFUSE, "missing-slice", Path("ct"), "a slice is missing", "Export it again", may_be_allowed=True)
NO_PLACE = Verdict(Outcome.REFUSE, "no-position", Path("ct/1.dcm"), "no position", "Export it again")


def test_a_sentence_names_file_cause_code_remedy_and_the_way_out():
    assert GAP.sentence == (
        "ct: a slice is missing [missing-slice]. Export it again. Or take it as it is with --allow missing-slice."
    )


def test_a_refusal_that_may_be_allowed_becomes_a_flag_that_says_who_did():
    (verdict,) = settled([GAP], allow=frozenset({"missing-slice"}))
    assert verdict.outcome is Outcome.FLAG
    assert verdict.cause == "a slice is missing; allowed by the user"


def test_a_refusal_stands_without_the_users_word():
    with pytest.raises(RefusedImageError, match="missing-slice"):
        settled([GAP], allow=frozenset({"another"}))


def test_what_cannot_be_known_cannot_be_allowed():
    with pytest.raises(RefusedImageError, match="no-position"):
        settled([GAP, NO_PLACE], allow=frozenset({"no-position", "missing-slice"}))


def test_a_refusal_crosses_processes_with_its_verdicts():
    error = pickle.loads(pickle.dumps(RefusedImageError([NO_PLACE, GAP])))
    assert error.verdicts == (NO_PLACE, GAP)
    assert str(error) == NO_PLACE.sentence
