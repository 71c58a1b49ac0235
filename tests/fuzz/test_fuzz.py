"""Mutated files end as an image or as one clear refusal: nothing hangs, crashes, or fills the memory.

`make fuzz` runs 50,000 cases a format (MEDSEG_FUZZ_CASES) and saves what fails to .fuzz; `python tests/fuzz/replay.py
nifti:123` runs one case again in this very process.
"""

import os
from pathlib import Path

import pytest
from fuzz.campaign import case, run
from fuzz.seeds import FORMATS

CASES = int(os.environ.get("MEDSEG_FUZZ_CASES", "500"))
FIRST = int(os.environ.get("MEDSEG_FUZZ_FIRST", "0"))


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.timeout(max(300, CASES))
def test_no_mutated_file_gets_the_better_of_its_reader(format_name, tmp_path):
    save = os.environ.get("MEDSEG_FUZZ_SAVE")
    outcome = run(format_name, range(FIRST, FIRST + CASES), tmp_path, save=Path(save) if save else None)
    print(f"{format_name}: {dict(outcome.kinds)}, slowest {outcome.slowest:.2f} s, {outcome.most_bytes >> 20} MiB")  # noqa: T201 - with -s or on a failure
    assert not outcome.failures, "\n".join(outcome.failures)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_case_is_the_same_file_every_time_and_few_are_alike(format_name):
    contents = [case(format_name, number) for number in range(20)]
    assert contents == [case(format_name, number) for number in range(20)]
    assert len(set(contents)) >= 15  # two changes may undo each other, or cut a file at the same place
