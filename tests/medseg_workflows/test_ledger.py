"""The ledger survives what a night can bring."""

import pytest
from medseg_workflows.ledger import DONE, FAILED, CaseRecord, append_record, read_records

from medseg.errors import StorageError

DONE_CASE = CaseRecord("a", "a.png", "key", DONE, files={"mask.png": "00"}, objects=3, seconds=1.5, notes=("note",))


def test_a_record_reads_back_as_it_was_written(tmp_path):
    append_record(tmp_path / "ledger.jsonl", DONE_CASE)
    assert read_records(tmp_path / "ledger.jsonl") == {"a": DONE_CASE}


def test_no_ledger_means_nothing_done(tmp_path):
    assert read_records(tmp_path / "ledger.jsonl") == {}


def test_the_latest_record_of_a_case_counts(tmp_path):
    append_record(tmp_path / "ledger.jsonl", CaseRecord("a", "a.png", "key", FAILED, "disk full"))
    append_record(tmp_path / "ledger.jsonl", DONE_CASE)
    assert read_records(tmp_path / "ledger.jsonl")["a"].status == DONE


def test_a_line_cut_short_by_a_crash_is_not_done_and_spoils_nothing_after_it(tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    append_record(ledger, DONE_CASE)
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + whole[: len(whole) // 2])
    append_record(ledger, CaseRecord("b", "b.png", "key", DONE))
    assert sorted(read_records(ledger)) == ["a", "b"]


def test_a_ledger_that_cannot_be_written_says_how_to_go_on(tmp_path):
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(StorageError, match="go on with --resume"):
        append_record(tmp_path / "ledger.jsonl", DONE_CASE)
