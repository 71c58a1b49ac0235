"""Several models asked about the same image: the mean of their probabilities.

Hansen and Salamon 1990, doi 10.1109/34.58871; DeconvNet and FCN together: Noh 2015, section 4.2,
doi 10.1109/ICCV.2015.178.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medseg.errors import InputError
from medseg.images import Image, LabelTable
from medseg.inference.finished_mask import finished
from medseg.inference.objects import measure_objects
from medseg.inference.predictor import Prediction, Predictor
from medseg.inference.restore import Restored, close_boundaries, label_values

_MOST_UINT8 = 256

_LEFT_OUT = "the models declare different steps for the finished mask, so none were applied"


class Ensemble:
    """Models with the same classes, whose probabilities are averaged voxel by voxel on the image's own grid.

    The members may be of any network, patch size, preparation and number of spatial axes: each answers as it does
    alone, with its own calibration, and has the same weight. Closing of boundaries and steps for the finished mask are
    applied to the mean where all members declare the same, else not at all. Beside the mean, the answer of one member
    at a time is held.

    Args:
        members: one or more, none of them a model of single objects.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        if not members:
            message = "ensemble: expected one model or more, got none."
            raise InputError(message)
        first = members[0]
        for member in members:
            if member.finds_objects:
                message = f"ensemble: {member.manifest.name} finds single objects, which have no mean. Leave it out."
                raise InputError(message)
        for other in members[1:]:
            if _classes(other.labels) != _classes(first.labels):
                message = (
                    f"ensemble: the models have different classes: {first.manifest.name} has "
                    f"{', '.join(first.labels.names)}; {other.manifest.name} has {', '.join(other.labels.names)}. "
                    "Take models that were trained on the same labels."
                )
                raise InputError(message)
        self.members = tuple(members)

    @property
    def labels(self) -> LabelTable:
        """Classes that the models tell apart."""
        return self.members[0].labels

    def predict(
        self,
        image: Image,
        *,
        with_probabilities: bool = False,
        progress: Callable[[float], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        """Segment `image` by the mean of the members' probabilities; of equal ones the lower class counts.

        Args:
            image: see `Predictor.predict`.
            with_probabilities: also return the mean probability of each class at each voxel.
            progress: called with the finished fraction, 0 to 1.
            cancelled: asked before each tile.

        Raises:
            MedsegError: as for `Predictor.predict`, from the first member that cannot do it.
        """
        total: NDArray[np.float32] | None = None
        parts: list[Prediction] = []
        for index, member in enumerate(self.members):
            part = member.predict(
                image,
                with_probabilities=True,
                progress=_part_of(progress, index, len(self.members)),
                cancelled=cancelled,
            )
            assert part.probabilities is not None  # noqa: S101 - asked for, and no member finds objects
            if total is None:
                total = np.array(part.probabilities.array, dtype=np.float32)
            else:
                total += part.probabilities.array
            parts.append(replace(part, probabilities=None, objects=()))
        assert total is not None  # noqa: S101 - there is at least one member
        total /= len(self.members)
        return self._finished(image, _most_probable(total), parts, with_probabilities=with_probabilities)

    def _finished(
        self, image: Image, mean: Restored, parts: Sequence[Prediction], *, with_probabilities: bool
    ) -> Prediction:
        settings = [member.manifest.inference for member in self.members]
        declared = [(each.close_boundaries, each.postprocessing) for each in settings]
        agree = all(entry == declared[0] for entry in declared)
        closing, steps = declared[0] if agree else (None, ())
        if closing is not None:
            mean = close_boundaries(mean, closing)
        mean = finished(mean, steps)
        notes = _unique(note for part in parts for note in part.label_map.metadata.notes)
        first = parts[0].label_map
        metadata = replace(
            first.metadata,
            notes=notes if agree else (*notes, _LEFT_OUT),
            extra={**first.metadata.extra, **self._identity()},
        )
        label_map = first.replace(array=label_values(mean.class_indices, self.labels), metadata=metadata)
        probabilities = None
        if with_probabilities and mean.probabilities is not None:
            named = replace(metadata, channel_names=self.labels.names)
            probabilities = Image(mean.probabilities, affine=image.affine, axes=image.axes, metadata=named)
        return Prediction(
            label_map,
            probabilities,
            uncertainty=None,
            objects=measure_objects(label_map, image=image, confidence=mean.confidence),
            fallbacks=_unique(note for part in parts for note in part.fallbacks),
        )

    def _identity(self) -> dict[str, str]:
        manifests = [member.manifest for member in self.members]
        return {
            "model": " + ".join(manifest.name for manifest in manifests),
            "model_version": " + ".join(manifest.version for manifest in manifests),
            "weights_sha256": " + ".join(manifest.weights_sha256 for manifest in manifests),
        }


def _classes(labels: LabelTable) -> tuple[tuple[int, ...], tuple[str, ...]]:
    return labels.values, labels.names


def _part_of(progress: Callable[[float], None] | None, index: int, count: int) -> Callable[[float], None] | None:
    return None if progress is None else lambda fraction: progress((index + fraction) / count)


def _most_probable(probabilities: NDArray[np.float32]) -> Restored:
    """One class after the other: numpy's argmax would take 8 bytes a voxel."""
    confidence = probabilities[0].copy()
    indices = np.zeros(confidence.shape, dtype=np.uint8 if len(probabilities) <= _MOST_UINT8 else np.uint16)
    for index, channel in enumerate(probabilities):
        indices[channel > confidence] = index
        np.maximum(confidence, channel, out=confidence)
    return Restored(indices, confidence, probabilities)


def _unique(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))
