"""A trained detection network, ready to find the objects of images of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medseg.errors import Cancelled, InputError, ModelPackageError
from medseg.geometry.tiling import tile_slices
from medseg.images import Image, LabelKind, LabelMap
from medseg.images.spatial import resample_to
from medseg.inference.device import Precision, autocast, choose_device, choose_precision
from medseg.inference.input_contract import doubts, fit_channels, in_contract_axes, seen_spacing_mm
from medseg.inference.installed import find_model
from medseg.inference.manifest import PackageManifest
from medseg.inference.object_painting import PaintedObjects, join_tiles, paint
from medseg.inference.objects import ObjectRow, measure_objects
from medseg.inference.package import load_network, read_manifest
from medseg.inference.predictor import Cancelling, Prediction, Predictor, identity, slice_of_volume
from medseg.inference.restore import grid_of
from medseg.inference.sliding_window import Progress
from medseg.models import DetectionNetwork, Detections
from medseg.models.detection import SMALLEST_SIDE


class ObjectPredictor(Predictor):
    """A detection network with everything that is needed to run it over images.

    The answer is a map of object numbers; where masks overlap, the object with the higher score has the pixel. Images
    larger than a tile are worked through in overlapping tiles, whose objects are joined.
    """

    def predict(
        self,
        image: Image,
        *,
        with_probabilities: bool = False,
        progress: Progress | None = None,
        cancelled: Cancelling | None = None,
    ) -> Prediction:
        """Find the objects of `image`; see `Predictor.predict`. Each row of the objects has the object's score.

        Raises:
            InputError: probabilities of classes are asked for, which there are none of; the rest as for `Predictor`.
            GeometryError: as for `Predictor`.
            ModelPackageError: the network answers with NaN.
            Cancelled: `cancelled` said so.
        """
        if with_probabilities:
            message = (
                f"model {self.manifest.name}: finds single objects and has no class probabilities of voxels. "
                "Leave them out; the table of objects holds their scores."
            )
            raise InputError(message)
        contract = self.manifest.input
        plain, notes = fit_channels(image, contract)
        axis = self._slice_axis(plain)
        count = 1 if axis is None else plain.spatial_shape[axis]
        parts = [plain] if axis is None else [slice_of_volume(plain, axis, index) for index in range(count)]
        found = []
        for index, part in enumerate(parts):
            found.append(self._find(part, progress=_part_of(progress, index, count), cancelled=cancelled))
        painted = found[0] if axis is None else _stacked(found, axis)
        notes += doubts(plain, contract, spacing_mm=seen_spacing_mm(parts[0], contract))
        return self._described(plain, painted, notes)

    def _find(self, image: Image, *, progress: Progress | None, cancelled: Cancelling | None) -> PaintedObjects:
        """The objects of a picture, on its own grid."""
        seen = in_contract_axes(image, self.manifest.input)
        tensor = self._prepare({"image": seen})["image"]
        found = self._find_tiled(tensor.as_subclass(Tensor), progress=progress, cancelled=cancelled)
        grid = grid_of(tensor)
        if grid.is_same_as(image.grid):
            return found
        there = LabelMap(found.numbers, grid.affine, seen.axes[1:], self.labels, LabelKind.INSTANCES)
        return replace(found, numbers=np.asarray(resample_to(there, image.grid).array, dtype=np.uint32))

    def _find_tiled(self, image: Tensor, *, progress: Progress | None, cancelled: Cancelling | None) -> PaintedObjects:
        settings = self.manifest.inference
        shape = tuple(image.shape[1:])
        side = settings.objects.tile_size
        sides = [max(side, size) for size in self.manifest.transforms.patch_size]
        places = tile_slices(shape, sides, overlap_fraction=settings.overlap_fraction)
        tiles = []
        for number, place in enumerate(places, start=1):
            if cancelled is not None and cancelled():
                message = "the prediction was cancelled."
                raise Cancelled(message)
            painted = paint(
                self._detect(image[(slice(None), *place)]),
                spatial_shape=[one.stop - one.start for one in place],
                min_score=settings.objects.min_score,
                mask_threshold=settings.objects.mask_threshold,
            )
            tiles.append((place, painted))
            if progress is not None:
                progress(number / len(places))
        return join_tiles(tiles, spatial_shape=shape)

    def _detect(self, tile: Tensor) -> Detections:
        """The objects of a tile, (C, height, width), on the CPU."""
        missing = [max(0, SMALLEST_SIDE - size) for size in tile.shape[1:]]
        if any(missing):
            # What is found in the margin lies outside the tile's own pixels and is cut off when it is painted.
            widths = [(0, 0), *((0, more) for more in missing)]
            tile = torch.from_numpy(np.pad(tile.numpy(), widths, mode="edge"))
        with torch.no_grad(), autocast(self.device, self.precision):
            found = self.network(tile.unsqueeze(0).to(self.device))[0]
        on_cpu = Detections(found.boxes.cpu(), found.classes.cpu(), found.scores.float().cpu(), found.masks.cpu())
        if not all(bool(torch.isfinite(one).all()) for one in (on_cpu.boxes, on_cpu.scores, on_cpu.masks)):
            message = (
                "the network answered with NaN or infinity. Its weights are damaged or overflow in this precision: "
                "train again with a lower learning rate, or run with fp32."
            )
            raise ModelPackageError(message)
        return on_cpu

    def _described(self, image: Image, painted: PaintedObjects, notes: tuple[str, ...]) -> Prediction:
        metadata = replace(
            image.metadata,
            value_unit=None,
            channel_names=(),
            notes=(*image.metadata.notes, *notes),
            extra={**image.metadata.extra, **identity(self.manifest)},
        )
        numbers = painted.numbers
        if len(painted.scores) <= np.iinfo(np.uint16).max:
            numbers = numbers.astype(np.uint16)
        label_map = LabelMap(numbers, image.affine, image.axes[1:], self.labels, LabelKind.INSTANCES, metadata)
        rows = [self._scored(row, painted) for row in measure_objects(label_map, image=image)]
        return Prediction(label_map, probabilities=None, uncertainty=None, objects=tuple(rows))

    def _scored(self, row: ObjectRow, painted: PaintedObjects) -> ObjectRow:
        place = row.object_id - 1
        name = self.labels.names[int(painted.classes[place])]
        return replace(row, label=name, score=float(painted.scores[place]))


def make_predictor(
    network: nn.Module, *, manifest: PackageManifest, device: torch.device, precision: Precision
) -> Predictor:
    """The predictor that fits the network's kind of answer."""
    kind = ObjectPredictor if isinstance(network, DetectionNetwork) else Predictor
    return kind(network, manifest=manifest, device=device, precision=precision)


def load_model(path_or_name: str | Path, *, device: str = "auto", precision: str = "auto") -> Predictor:
    """The model of a package, ready to predict.

    Args:
        path_or_name: see `medseg.inference.find_model`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "bf16" or "fp32".

    Raises:
        UnknownNameError: there is no such model.
        ModelPackageError: the package is damaged or does not fit this medseg.
        InputError: the device is not there.
    """
    folder = find_model(path_or_name)
    place = choose_device(device)
    return make_predictor(
        load_network(folder),
        manifest=read_manifest(folder),
        device=place,
        precision=choose_precision(place, precision),
    )


def _stacked(found: list[PaintedObjects], axis: int) -> PaintedObjects:
    """The slices of a volume; an object of one slice is none of another's."""
    before = np.cumsum([0, *(len(one.scores) for one in found[:-1])])
    numbers = [
        np.where(one.numbers > 0, one.numbers + np.uint32(first), np.uint32(0))
        for one, first in zip(found, before, strict=True)
    ]
    return PaintedObjects(
        np.stack(numbers, axis=axis),
        np.concatenate([one.scores for one in found]),
        np.concatenate([one.classes for one in found]),
    )


def _part_of(progress: Progress | None, index: int, count: int) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda fraction: progress((index + fraction) / count)
