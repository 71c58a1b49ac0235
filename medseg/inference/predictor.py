"""A trained model, ready to segment images: the one path from an image to a label map on the image's own grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from medseg.errors import GeometryError
from medseg.geometry import Grid
from medseg.images import Image, ImageMetadata, LabelMap, LabelTable
from medseg.images.slices import slice_of_volume
from medseg.inference.device import Precision, choose_precision
from medseg.inference.finished_mask import finished, needs_probabilities
from medseg.inference.input_contract import doubts, fit_channels, in_contract_axes, seen_spacing_mm
from medseg.inference.manifest import PackageManifest
from medseg.inference.objects import ObjectRow, measure_objects
from medseg.inference.restore import Restored, answer, grid_of, label_values
from medseg.inference.sliding_window import Progress, tiled_logits
from medseg.inference.workplace import Workplace, memory_errors, moved_to
from medseg.transforms import build_preparation

Cancelling = Callable[[], bool]
"""Answers whether the user wants the job to stop."""


@dataclass(frozen=True)
class Call:
    """What a caller of `predict` wants beside the label map, and where it is computed."""

    place: Workplace
    with_probabilities: bool = False
    progress: Progress | None = None
    cancelled: Cancelling | None = None

    def part(self, index: int, count: int) -> Call:
        """The same for part `index` of `count` equal ones."""
        progress = self.progress
        if progress is None:
            return self
        return replace(self, progress=lambda fraction: progress((index + fraction) / count))


@dataclass(frozen=True)
class Prediction:
    """What a model finds in an image.

    Attributes:
        label_map: on the image's grid, with the model's classes; its metadata's notes say what to know about it.
        probabilities: (K, *spatial) on the image's grid, one channel a class; None unless asked for.
        uncertainty: None; a single pass of a network has none.
        objects: connected regions of the classes.
        fallbacks: what was done for want of memory, in order, a sentence each; the label map's notes hold them too.
    """

    label_map: LabelMap
    probabilities: Image | None
    uncertainty: Image | None
    objects: tuple[ObjectRow, ...]
    fallbacks: tuple[str, ...] = ()


class Predictor:
    """A network with everything that is needed to run it over images.

    Args:
        network: with its weights.
        manifest: of its package.
        device: where it runs; the CPU where that has no memory for it.
        precision: numbers it computes with.
    """

    finds_objects: ClassVar[bool] = False
    """Whether the label maps hold object numbers rather than classes."""

    def __init__(
        self, network: nn.Module, *, manifest: PackageManifest, device: torch.device, precision: Precision
    ) -> None:
        self.network = network.eval()
        self.manifest = manifest
        self.device, self._fallbacks = moved_to(self.network, device)
        is_slow = bool(self._fallbacks) and precision == "bf16"
        self.precision: Precision = choose_precision(self.device) if is_slow else precision
        self._prepare = build_preparation(manifest.transforms, training=False)

    @property
    def labels(self) -> LabelTable:
        """Classes of the label maps that the model makes."""
        return self.manifest.answer_table

    def predict(
        self,
        image: Image,
        *,
        with_probabilities: bool = False,
        progress: Progress | None = None,
        cancelled: Cancelling | None = None,
    ) -> Prediction:
        """Segment `image`.

        The label map has the axes, size and affine of `image`, whatever the network sees in between. A 2-D model goes
        through a volume slice by slice along the axis called Z.

        Args:
            image: of the model's modality and number of channels.
            with_probabilities: also return the probability of each class at each voxel.
            progress: called with the finished fraction, 0 to 1.
            cancelled: asked before each tile.

        Raises:
            InputError: the image has the wrong channels or holds NaN.
            GeometryError: the image has the wrong number of axes, or no voxel size where the model needs one.
            ModelPackageError: the network answers with NaN or at the wrong size.
            OutOfMemoryError: not even the CPU has enough memory.
            Cancelled: `cancelled` said so.
        """
        call = Call(self._workplace(), with_probabilities or self._needs_probabilities, progress, cancelled)
        with memory_errors(doing=f"an image of {' x '.join(map(str, image.spatial_shape))} voxels"):
            return self._predict(image, call, with_probabilities=with_probabilities)

    def _predict(self, image: Image, call: Call, *, with_probabilities: bool) -> Prediction:
        contract = self.manifest.input
        plain, notes = fit_channels(image, contract)
        slice_axis = self._slice_axis(plain)
        if slice_axis is None:
            example, restored = plain, self._predict_whole(plain, call)
        else:
            example, restored = slice_of_volume(plain, slice_axis, 0), self._predict_slices(plain, slice_axis, call)
        notes += self._doubts(plain, spacing_mm=seen_spacing_mm(example, contract))
        answered = self._answered(restored, slice_axis)
        kept = answered if with_probabilities else replace(answered, probabilities=None)
        fallbacks = (*self._fallbacks, *call.place.fallbacks)
        return replace(self._finish(plain, kept, notes=notes + fallbacks), fallbacks=fallbacks)

    def logits(self, image: Image) -> tuple[torch.Tensor, Grid]:
        """Logits (K, *spatial), float32, on the network's grid, and that grid.

        Args:
            image: with the channels and the number of axes that the network takes.

        Raises:
            MedsegError: as for `predict`.
        """
        return self._logits(image, Call(self._workplace()))

    def _doubts(self, image: Image, *, spacing_mm: tuple[float, ...]) -> tuple[str, ...]:
        absolute = self.manifest.values_are_absolute
        return doubts(image, self.manifest.input, spacing_mm=spacing_mm, values_are_absolute=absolute)

    @property
    def _needs_probabilities(self) -> bool:
        return needs_probabilities(self.manifest.inference.postprocessing)

    def _answered(self, restored: Restored, _slice_axis: int | None) -> Restored:
        """What is handed out, from the answer on the whole of the image's grid."""
        return finished(restored, self.manifest.inference.postprocessing)

    def _workplace(self) -> Workplace:
        """The device, for one image: the next one finds it as if nothing had happened."""
        return Workplace(self.network, device=self.device, precision=self.precision)

    def _logits(self, image: Image, call: Call) -> tuple[torch.Tensor, Grid]:
        tensor = self._prepare({"image": in_contract_axes(image, self.manifest.input)})["image"]
        logits = tiled_logits(
            call.place,
            tensor,
            tile_size=self.manifest.transforms.patch_size,
            overlap_fraction=self.manifest.inference.overlap_fraction,
            mirror=self.manifest.inference.mirror,
            progress=call.progress,
            cancelled=call.cancelled,
        )
        return logits, grid_of(tensor)

    def _predict_whole(self, image: Image, call: Call) -> Restored:
        logits, grid = self._logits(image, call)
        return answer(
            logits,
            source=grid,
            target=image.grid,
            inference=self.manifest.inference,
            with_probabilities=call.with_probabilities,
        )

    def _predict_slices(self, image: Image, axis: int, call: Call) -> Restored:
        """Each slice on its own, put together along spatial axis `axis`."""
        count = image.spatial_shape[axis]
        whole: Restored | None = None
        for index in range(count):
            part = self._predict_whole(slice_of_volume(image, axis, index), call.part(index, count))
            whole = _empty_like(part, image.spatial_shape) if whole is None else whole
            place = (slice(None),) * axis + (index,)
            whole.class_indices[place] = part.class_indices
            whole.confidence[place] = part.confidence
            if whole.probabilities is not None and part.probabilities is not None:
                whole.probabilities[(slice(None), *place)] = part.probabilities
        if whole is None:
            message = "the image has no slices."
            raise GeometryError(message)
        return whole

    def _slice_axis(self, image: Image) -> int | None:
        return slice_axis(image, self.manifest)

    def _finish(self, image: Image, restored: Restored, *, notes: tuple[str, ...]) -> Prediction:
        metadata = replace(
            image.metadata,
            value_unit=None,
            channel_names=(),
            notes=(*image.metadata.notes, *notes),
            extra={**image.metadata.extra, **identity(self.manifest)},
        )
        label_map = self._label_map(restored, image, metadata)
        probabilities = None
        if restored.probabilities is not None:
            named = replace(metadata, channel_names=self.manifest.label_table.names)
            probabilities = Image(restored.probabilities, affine=image.affine, axes=image.axes, metadata=named)
        objects = measure_objects(label_map, image=image, confidence=restored.confidence)
        return Prediction(label_map, probabilities, uncertainty=None, objects=objects)

    def _label_map(self, restored: Restored, image: Image, metadata: ImageMetadata) -> LabelMap:
        values = label_values(restored.class_indices, self.labels)
        return LabelMap(values, image.affine, image.axes[1:], self.labels, metadata=metadata)


def slice_axis(image: Image, manifest: PackageManifest) -> int | None:
    """Spatial axis along which a 2-D model goes through `image`; None where the model takes it whole.

    Raises:
        GeometryError: the model takes volumes, and the image is none.
    """
    wanted, got = manifest.architecture.spatial_dims, image.affine.ndim
    if wanted == got:
        return None
    name = image.metadata.source or "the image"
    if wanted > got:
        message = (
            f"{name}: the model {manifest.name} takes volumes, the image has {got} spatial axes "
            f"({image.axes}). Give the whole stack as one file, or use a 2-D model."
        )
        raise GeometryError(message)
    return image.axes.index("Z") - 1


def check_image(image: Image, manifest: PackageManifest) -> tuple[str, ...]:
    """Sentences on how `image` differs from what the model was made for, without running it.

    Raises:
        InputError: the image has the wrong channels.
        GeometryError: it has too few axes.
    """
    plain, notes = fit_channels(image, manifest.input)
    axis = slice_axis(plain, manifest)
    example = plain if axis is None else slice_of_volume(plain, axis, 0)
    spacing_mm = seen_spacing_mm(example, manifest.input)
    absolute = manifest.values_are_absolute
    return (*notes, *doubts(plain, manifest.input, spacing_mm=spacing_mm, values_are_absolute=absolute))


def identity(manifest: PackageManifest) -> dict[str, str]:
    """What a result says of the model that made it."""
    return {
        "model": manifest.name,
        "model_version": manifest.version,
        "weights_sha256": manifest.weights_sha256,
    }


def _empty_like(part: Restored, spatial_shape: tuple[int, ...]) -> Restored:
    kept = part.probabilities
    return Restored(
        np.zeros(spatial_shape, dtype=part.class_indices.dtype),
        np.zeros(spatial_shape, dtype=np.float32),
        None if kept is None else np.zeros((kept.shape[0], *spatial_shape), dtype=np.float32),
    )
