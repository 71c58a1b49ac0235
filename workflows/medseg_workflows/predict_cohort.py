"""One case of a batch, as a worker process does it."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from medseg import __version__
from medseg.errors import MedsegError, ModelPackageError
from medseg.files import remove, remove_leftovers, write_text_atomically
from medseg.io.base import ReadRequest
from medseg.io.dispatch import check_label_target
from medseg.io.isolated import ReadingLimits, read_isolated
from medseg.io.mask_format import MASK_FORMATS, mask_format
from medseg_workflows.ledger import DONE, FAILED, CaseRecord
from medseg_workflows.manifest import CaseJob, content_hash

if TYPE_CHECKING:
    from medseg.images import Image
    from medseg.inference import PackageManifest, Prediction, Predictor

RECORD = "case.json"
"""Written last: a folder without it is no result."""


@dataclass(frozen=True)
class PredictionSettings:
    """What decides the result of a case beside its image.

    Attributes:
        model: folder of the model package.
        model_sha256: digest of its manifest, which holds the checksum of the weights (`model_digest`).
        mask_format: suffix of the mask; None is like the input.
        device: auto, cpu, cuda or mps.
        reading: what reading one image may cost; it decides whether there is a result, not which.
    """

    model: Path
    model_sha256: str
    mask_format: str | None
    device: str
    reading: ReadingLimits = field(default_factory=ReadingLimits)

    def key(self, job: CaseJob) -> str:
        """SHA-256 over the image's content, the model and the settings."""
        allowed = ",".join(job.allow)
        parts = (job.content_hash, allowed, self.model_sha256, str(self.mask_format), __version__)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def model_digest(manifest: PackageManifest) -> str:
    """SHA-256 of all that a package declares: steps after the network and thresholds change a mask as weights do."""
    return hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()


def predict_case(job: CaseJob, settings: PredictionSettings, output: Path) -> CaseRecord:
    """Segment one case into its folder; a case that cannot be done comes back as a failed record, not as an error."""
    started = time.monotonic()
    key = ""
    try:
        key = settings.key(job)
        image, prediction = _predict(job, settings)
        files = _write_case(job, image, prediction, settings, output / job.case_id)
    except (MedsegError, OSError, MemoryError) as error:
        cause = job.shown(" ".join(str(error).split())) or type(error).__name__
        return CaseRecord(job.case_id, job.shown_source, key, FAILED, cause, seconds=_since(started))
    return CaseRecord(
        job.case_id,
        job.shown_source,
        key,
        DONE,
        files=files,
        objects=len(prediction.objects),
        seconds=_since(started),
        notes=tuple(job.shown(note) for note in prediction.label_map.metadata.notes),
        fallbacks=prediction.fallbacks,
    )


def disown(folder: Path) -> None:
    """Take `folder` back as the result of a case: what lies there is of an earlier image, model or setting.

    Only the record goes; a mask that somebody corrected there stays.
    """
    with suppress(OSError):  # nothing there, or nothing that may be changed: then it fails where it is written
        (folder / RECORD).unlink()


def file_hashes(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of each file of a case's folder."""
    return {path.name: content_hash(path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")}


@lru_cache(maxsize=1)
def _predictor(model: Path, device: str, sha256: str) -> Predictor:
    """The predictor of this process: loaded once, then kept for all cases of this very model.

    Raises:
        ModelPackageError: the package is another one by now than at the start of the batch.
    """
    from medseg.inference import load_model

    predictor = load_model(str(model), device=device)
    if model_digest(predictor.manifest) != sha256:
        message = f"{model}: the model was replaced while the batch ran. Go on with --resume, and leave it alone."
        raise ModelPackageError(message)
    return predictor


def _predict(job: CaseJob, settings: PredictionSettings) -> tuple[Image, Prediction]:
    # In a child process: a decoder that hangs, crashes or eats memory costs this case and not the worker.
    request = ReadRequest(series_uid=job.series_uid, allow=frozenset(job.allow))
    image = read_isolated(job.source, request, limits=settings.reading)
    check_label_target(Path(_mask_name(image, settings)), source=image)
    return image, _predictor(settings.model, settings.device, settings.model_sha256).predict(image)


def _mask_name(image: Image, settings: PredictionSettings) -> str:
    return f"mask.{mask_format(settings.mask_format, image_format=image.metadata.format)}"


def _write_case(
    job: CaseJob, image: Image, prediction: Prediction, settings: PredictionSettings, folder: Path
) -> dict[str, str]:
    from medseg.inference import objects_csv
    from medseg.io import write_label_map
    from medseg.reports import write_overlay

    remove_leftovers(folder)
    disown(folder)
    mask = folder / _mask_name(image, settings)
    write_label_map(prediction.label_map, mask, source=image)
    for earlier in {folder / f"mask.{suffix}" for suffix in MASK_FORMATS} - {mask}:
        remove(earlier)
    write_overlay(
        folder / "overlay.png", image=image, reference=None, prediction=prediction.label_map, title=job.case_id
    )
    write_text_atomically(folder / "objects.csv", objects_csv(prediction.objects, ndim=image.affine.ndim))
    write_text_atomically(folder / RECORD, _case_json(job, image, prediction, settings))
    return file_hashes(folder)


def _case_json(job: CaseJob, image: Image, prediction: Prediction, settings: PredictionSettings) -> str:
    manifest = _predictor(settings.model, settings.device, settings.model_sha256).manifest
    content = {
        "case": job.case_id,
        "source": job.shown_source,
        "source_sha256": job.content_hash,
        "model": manifest.name,
        "weights_sha256": manifest.weights_sha256,
        "medseg_version": __version__,
        "size_voxel": image.spatial_shape,
        "spacing_mm": image.spacing_mm if image.metadata.spacing_is_known else None,
        "axes": image.axes,
        "modality": image.metadata.modality,
        "labels": [asdict(label) for label in prediction.label_map.labels],
        "objects": len(prediction.objects),
        "fallbacks": list(prediction.fallbacks),
        "notes": [job.shown(note) for note in prediction.label_map.metadata.notes],
        "notice": manifest.notice,
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
