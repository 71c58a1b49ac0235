"""A batch from its first case to its summary: what is done is kept, what fails is named, the rest goes on."""

from __future__ import annotations

import csv
import io
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.files import check_writable, write_text_atomically
from medseg.io import links_out_of
from medseg.io.budget import current_budget
from medseg.io.isolated import DEFAULT_SECONDS, ReadingLimits
from medseg.io.mask_format import check_mask_format
from medseg.printable import printable
from medseg_workflows.batch_report import write_batch_report
from medseg_workflows.cluster import ClusterPlan, connect
from medseg_workflows.ledger import DONE, FAILED, CaseRecord, append_record, read_records
from medseg_workflows.manifest import CaseJob, find_cases
from medseg_workflows.predict_cohort import PredictionSettings, file_hashes, predict_case

if TYPE_CHECKING:
    from distributed import Client, Future


@dataclass(frozen=True)
class BatchPlan:
    """What a batch does.

    Attributes:
        inputs: folder of images.
        model: package, run folder or installed name.
        output: folder for the results.
        mask_format: suffix of the masks; None is like the input.
        device: auto, cpu, cuda or mps.
        resume: keep what is done and unchanged.
        allow: codes of refusals that the user overrules.
        key: secret key for names of cases that lead back to no patient; None names them by their paths.
        max_read_seconds: after which the reading of one image is given up.
        cluster: where cases run.
    """

    inputs: Path
    model: str
    output: Path
    mask_format: str | None = None
    device: str = "auto"
    resume: bool = False
    allow: tuple[str, ...] = ()
    key: bytes | None = field(default=None, repr=False)
    max_read_seconds: float = DEFAULT_SECONDS
    cluster: ClusterPlan = field(default_factory=ClusterPlan)


@dataclass(frozen=True)
class BatchSummary:
    """The outcome of a batch.

    Attributes:
        records: one a case, in the order of the cases.
        kept: how many were done by an earlier run and kept.
    """

    records: tuple[CaseRecord, ...]
    kept: int

    @property
    def failed(self) -> tuple[CaseRecord, ...]:
        """Cases without a mask."""
        return tuple(record for record in self.records if record.status == FAILED)

    def table(self) -> str:
        """What a person wants to know first, and the cause of each failure."""
        done = len(self.records) - len(self.failed)
        kept = f" ({self.kept} of them by an earlier run)" if self.kept else ""
        lines = [f"{done} cases done{kept}, {len(self.failed)} failed"]
        lines += [f"  failed  {record.case_id}: {printable(record.cause)}" for record in self.failed]
        return "\n".join(lines)


def run_batch(plan: BatchPlan) -> BatchSummary:
    """Do all cases of the plan and write ledger.jsonl, summary.csv and report.html beside them.

    Raises:
        InputError: no images, an unknown mask format, or an output folder of another batch without `resume`.
        ModelPackageError: the model cannot be loaded.
        StorageError: the output folder or the ledger cannot be written.
    """
    _check(plan)
    jobs = find_cases(plan.inputs, allow=plan.allow, key=plan.key)
    for link in links_out_of(plan.inputs):
        print(f"note: {printable(link.sentence)}", file=sys.stderr, flush=True)  # noqa: T201
    settings = _settings(plan)
    check_writable(plan.output)
    ledger = plan.output / "ledger.jsonl"
    earlier = read_records(ledger)
    records = {job.case_id: earlier[job.case_id] for job in jobs if _is_kept(job, earlier, settings, plan.output)}
    kept = len(records)
    rest = [job for job in jobs if job.case_id not in records]
    started = time.monotonic()
    for count, record in enumerate(_do_cases(rest, settings, plan), start=1):
        append_record(ledger, record)
        records[record.case_id] = record
        _say(record, count, len(rest), started)
    summary = BatchSummary(tuple(records[job.case_id] for job in jobs), kept)
    write_text_atomically(plan.output / "summary.csv", _summary_csv(summary))
    write_batch_report(summary.records, plan.output, model=settings.model)
    return summary


def _check(plan: BatchPlan) -> None:
    check_mask_format(plan.mask_format)
    if plan.key is not None and plan.mask_format == "dcm":
        message = (
            "--deidentify --format dcm: a DICOM segmentation repeats the patient of its series. "
            "De-identify the series first (medseg deidentify) and run the batch on the copies."
        )
        raise InputError(message)
    if (plan.output / "ledger.jsonl").exists() and not plan.resume:
        message = f"{plan.output} holds an earlier batch. Go on with --resume, or choose another --output."
        raise InputError(message)
    inside = plan.output.resolve().is_relative_to(plan.inputs.resolve()) if plan.inputs.is_dir() else False
    if inside:
        message = f"--output {plan.output} lies inside {plan.inputs}, so masks would become inputs. Choose another."
        raise InputError(message)


def _settings(plan: BatchPlan) -> PredictionSettings:
    from medseg.inference import find_model, read_manifest

    folder = find_model(plan.model)
    sha256 = read_manifest(folder).weights_sha256
    return PredictionSettings(folder.resolve(), sha256, plan.mask_format, plan.device, _reading_limits(plan))


def _reading_limits(plan: BatchPlan) -> ReadingLimits:
    """The workers of this machine share its memory; those of a cluster each ask their own."""
    share = None if plan.cluster.scheduler is not None else current_budget().max_bytes // max(1, plan.cluster.workers)
    return ReadingLimits(plan.max_read_seconds, share)


def _is_kept(job: CaseJob, earlier: dict[str, CaseRecord], settings: PredictionSettings, output: Path) -> bool:
    """Whether an earlier run did this very case and all its files still stand unchanged."""
    record = earlier.get(job.case_id)
    if record is None or record.status != DONE:
        return False
    folder = output / job.case_id
    return folder.is_dir() and file_hashes(folder) == record.files and settings.key(job) == record.key


def _do_cases(jobs: list[CaseJob], settings: PredictionSettings, plan: BatchPlan) -> Iterator[CaseRecord]:
    if not jobs:
        return
    with connect(plan.cluster) as client:
        yield from _as_they_finish(client, jobs, settings, plan.output.resolve())


def _as_they_finish(
    client: Client, jobs: list[CaseJob], settings: PredictionSettings, output: Path
) -> Iterator[CaseRecord]:
    from distributed import as_completed

    waiting = iter(jobs)
    running: dict[Future, CaseJob] = {}

    def submit(job: CaseJob) -> Future:
        # Two cases with equal content are still two cases: pure=False keeps Dask from merging them.
        future = client.submit(predict_case, job, settings, output, pure=False)
        running[future] = job
        return future

    # One case a worker at a time: when a process dies, no waiting case is suspected with the one that killed it.
    workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    finished = as_completed([submit(job) for job in itertools.islice(waiting, workers)])
    for future in finished:
        yield _record_of(future, running.pop(future))
        for job in waiting:
            finished.add(submit(job))
            break


def _record_of(future: Future, job: CaseJob) -> CaseRecord:
    error = future.exception()
    if error is None:
        return future.result()
    lost = type(error).__name__ == "KilledWorker"
    cause = "its worker process died (out of memory, or a decoder crashed)" if lost else f"unexpected error: {error!r}"
    return CaseRecord(job.case_id, job.shown_source, "", FAILED, job.shown(" ".join(cause.split())))


def _say(record: CaseRecord, count: int, total: int, started: float) -> None:
    left = (time.monotonic() - started) / count * (total - count)
    outcome = f"{record.objects} objects" if record.status == DONE else f"FAILED: {printable(record.cause)}"
    print(f"[{count}/{total}, about {left:.0f} s left] {record.case_id}: {outcome}", file=sys.stderr, flush=True)  # noqa: T201


def _summary_csv(summary: BatchSummary) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["case", "status", "cause", "objects", "seconds", "source", "notes"])
    for record in summary.records:
        notes = " | ".join(record.notes)
        writer.writerow(
            [record.case_id, record.status, record.cause, record.objects, record.seconds, record.source, notes]
        )
    return stream.getvalue()
