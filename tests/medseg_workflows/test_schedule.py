"""A case that kills its worker is named after a second try alone; no other case is lost with it."""

import sys
from collections import Counter

import pytest
from medseg_workflows.cluster import ClusterPlan, connect
from medseg_workflows.schedule import is_worker_death, run_each
from support.bad_cases import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def test_only_the_cases_that_kill_their_worker_are_lost(tmp_path):
    good = [f"case-{number:02d}" for number in range(8)]
    jobs = ["poison", *good[:4], "unlucky", "error", *good[4:]]
    with connect(ClusterPlan(workers=2)) as client:
        outcomes = list(run_each(client, run, jobs, tmp_path))
    assert Counter(job for job, _ in outcomes) == Counter(jobs)
    by_job = dict(outcomes)
    assert [job for job in good if by_job[job] != job.upper()] == []
    assert {job for job, outcome in outcomes if is_worker_death(outcome)} == {"poison"}
    assert by_job["unlucky"] == "UNLUCKY"
    assert repr(by_job["error"]) == "ValueError('error failed')"
    assert len(list(tmp_path.glob("poison.*"))) == 2
    assert len(list(tmp_path.glob("error.*"))) == 1
