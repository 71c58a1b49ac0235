"""A batch from its first case to its summary: what is done is kept, what fails is named, the rest goes on."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from medseg.errors import InputError
from medseg.files import check_writable, remove_leftovers, write_text_atomically
from medseg.folder_lock import one_run_at_a_time
from medseg.io import links_out_of
from medseg.io.budget import current_budget
from medseg.io.isolated import DEFAULT_SECONDS, ReadingLimits
from medseg.io.mask_format import check_mask_format
from medseg.printable import printable
from medseg_workflows.batch_report import write_batch_report
from medseg_workflows.cluster import ClusterPlan, connect
from medseg_workflows.ledger import DONE, FAILED, CaseRecord, append_record, read_records
from medseg_workflows.manifest import CaseJob, find_cases
from medseg_workflows.predict_cohort import PredictionSettings, disown, file_hashes, model_digest, predict_case
from medseg_workflows.schedule import is_worker_death, run_each


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
        InputError: no images, an unknown mask format, an output folder of another batch without `resume`, or one that
            another run writes to.
        ModelPackageError: the model cannot be loaded.
        StorageError: the output folder or the ledger cannot be written.
    """
    _check(plan)
    jobs = find_cases(plan.inputs, allow=plan.allow, key=plan.key)
    for link in links_out_of(plan.inputs):
        _note(link.sentence)
    settings = _settings(plan)
    check_writable(plan.output)
    with one_run_at_a_time(plan.output, say=_note):
        _check(plan)  # once more, now that nobody else can write there
        return _run(plan, jobs, settings)


def _run(plan: BatchPlan, jobs: Sequence[CaseJob], settings: PredictionSettings) -> BatchSummary:
    ledger = plan.output / "ledger.jsonl"
    earlier = read_records(ledger)
    records = {job.case_id: earlier[job.case_id] for job in jobs if _is_kept(job, earlier, settings, plan.output)}
    kept = len(records)
    rest = [job for job in jobs if job.case_id not in records]
    started = time.monotonic()
    try:
        with closing(_do_cases(rest, settings, plan)) as finished:
            for count, record in enumerate(finished, start=1):
                if record.status == FAILED:
                    disown(plan.output / record.case_id)
                append_record(ledger, record)
                records[record.case_id] = record
                _say(record, count, len(rest), started)
    except (KeyboardInterrupt, SystemExit):
        _drop_unfinished([job for job in rest if job.case_id not in records], plan)
        _note(f"{len(records)} of {len(jobs)} cases are done; go on with --resume.")
        raise
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
    sha256 = model_digest(read_manifest(folder))
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


def _do_cases(jobs: list[CaseJob], settings: PredictionSettings, plan: BatchPlan) -> Generator[CaseRecord, None, None]:
    if not jobs:
        return
    with connect(plan.cluster) as client:
        for job, outcome in run_each(client, predict_case, jobs, settings, plan.output.resolve()):
            yield _record_of(job, outcome)


def _record_of(job: CaseJob, outcome: CaseRecord | BaseException) -> CaseRecord:
    if isinstance(outcome, CaseRecord):
        return outcome
    lost = "its worker process died, also with no other case beside it (out of memory, or a crash)"
    cause = lost if is_worker_death(outcome) else f"unexpected error: {outcome!r}"
    return CaseRecord(job.case_id, job.shown_source, "", FAILED, job.shown(" ".join(cause.split())))


def _drop_unfinished(jobs: Sequence[CaseJob], plan: BatchPlan) -> None:
    """Delete what the workers of this machine, which have ended, were about to write."""
    if plan.cluster.scheduler is not None:
        return  # a worker of a cluster may still be at it
    for job in jobs:
        remove_leftovers(plan.output / job.case_id)


def _note(text: str) -> None:
    print(f"note: {printable(text)}", file=sys.stderr, flush=True)  # noqa: T201


def _say(record: CaseRecord, count: int, total: int, started: float) -> None:
    left = (time.monotonic() - started) / count * (total - count)
    outcome = f"{record.objects} objects" if record.status == DONE else f"FAILED: {printable(record.cause)}"
    outcome += "".join(f"; {sentence}" for sentence in record.fallbacks)
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
