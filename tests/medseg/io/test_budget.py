"""Memory is refused by arithmetic, before it is allocated."""

from pathlib import Path

import pytest

from medseg.errors import ConfigError
from medseg.io.base import ReadRequest
from medseg.io.budget import (
    MAX_BYTES_VARIABLE,
    Budget,
    check_budget,
    check_expansion,
    current_budget,
    most_inflated,
    within_budget,
)
from medseg.verdicts import RefusedImageError

FILE = Path("scan.nii")


def test_what_fits_exactly_passes_and_one_byte_more_is_refused() -> None:
    with within_budget(Budget(1000)):
        check_budget(FILE, expected_bytes=500, copies=2)
        with pytest.raises(RefusedImageError, match=r"scan\.nii: its header asks for 1002 bytes .*\[over-budget"):
            check_budget(FILE, expected_bytes=501, copies=2)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(RefusedImageError, match="over-budget"):
        check_budget(FILE, expected_bytes=-1)


def test_the_environment_states_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_BYTES_VARIABLE, "4096")
    assert current_budget() == Budget(4096)


@pytest.mark.parametrize("wrong", ["", "0", "-1", "2 GB"])
def test_a_budget_that_is_no_positive_number_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_BYTES_VARIABLE, wrong)
    with pytest.raises(ConfigError, match=MAX_BYTES_VARIABLE):
        current_budget()


def test_the_inner_budget_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MAX_BYTES_VARIABLE, "7")
    with within_budget(Budget(5)):
        assert current_budget() == Budget(5)
    assert current_budget() == Budget(7)


def test_the_default_budget_is_positive_and_below_the_memory_of_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MAX_BYTES_VARIABLE, raising=False)
    assert 2**20 < current_budget().max_bytes < 2**50


def test_a_gigabyte_from_a_megabyte_is_a_bomb_unless_allowed_or_labels() -> None:
    sizes = {"expected_bytes": 2**30, "stored_bytes": 972 * 1024}
    with pytest.raises(RefusedImageError, match="--allow compression-bomb"):
        check_expansion(FILE, **sizes)
    assert check_expansion(FILE, **sizes, request=ReadRequest(as_labels=True)) == ()
    (flag,) = check_expansion(FILE, **sizes, request=ReadRequest(allow=frozenset({"compression-bomb"})))
    assert flag.code == "compression-bomb"


def test_small_or_plainly_packed_files_are_no_bombs() -> None:
    assert check_expansion(FILE, expected_bytes=64 * 2**20, stored_bytes=1) == ()
    assert check_expansion(FILE, expected_bytes=250 * 2**20, stored_bytes=2**20) == ()


def test_a_stream_may_grow_to_the_least_of_bomb_and_budget() -> None:
    with within_budget(Budget(2**40)):
        assert most_inflated(1) == 64 * 2**20
        assert most_inflated(2**20) == 250 * 2**20
    with within_budget(Budget(1000)):
        assert most_inflated(2**20) == 1000
