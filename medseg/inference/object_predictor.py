"""A trained detection network, ready to find the objects of images of any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medseg.errors import Cancelled, InputError, ModelPackageError
from medseg.geometry.tiling import tile_slices
from medseg.images import Image, LabelKind, LabelMap
from medseg.images.slices import slice_of_volume
from medseg.images.spatial import resample_to
from medseg.inference.device import Precision, choose_device, choose_precision
from medseg.inference.input_contract import fit_channels, in_contract_axes, seen_spacing_mm
from medseg.inference.installed import find_model
from medseg.inference.manifest import PackageManifest
from medseg.inference.object_painting import PaintedObjects, join_tiles, paint
from medseg.inference.objects import ObjectRow, measure_objects
from medseg.inference.package import load_network, read_manifest
from medseg.inference.predictor import Call, Prediction, Predictor, identity
from medseg.inference.restore import grid_of
from medseg.inference.rim_predictor import RimPredictor
from medseg.inference.workplace import Workplace
from medseg.models import DetectionNetwork, Detections
from medseg.models.detection import SMALLEST_SIDE


class ObjectPredictor(Predictor):
    """A detection network with everything that is needed to run it over images.

    The answer is a map of object numbers; where masks overlap, the object with the higher score has the pixel. Images
    larger than a tile are worked through in overlapping tiles, whose objects are joined.
    """

    finds_objects = True

    def _predict(self, image: Image, call: Call, *, with_probabilities: bool) -> Prediction:
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
        found = [self._find(part, call.part(index, count)) for index, part in enumerate(parts)]
        painted = found[0] if axis is None else _stacked(found, axis)
        notes += self._doubts(plain, spacing_mm=seen_spacing_mm(parts[0], contract))
        fallbacks = (*self._fallbacks, *call.place.fallbacks)
        return replace(self._described(plain, painted, notes + fallbacks), fallbacks=fallbacks)

    def _find(self, image: Image, call: Call) -> PaintedObjects:
        """The objects of a picture, on its own grid."""
        seen = in_contract_axes(image, self.manifest.input)
        tensor = self._prepare({"image": seen})["image"]
        found = self._find_tiled(tensor.as_subclass(Tensor), call)
        grid = grid_of(tensor)
        if grid.is_same_as(image.grid):
            return found
        there = LabelMap(found.numbers, grid.affine, seen.axes[1:], self.labels, LabelKind.INSTANCES)
        return replace(found, numbers=np.asarray(resample_to(there, image.grid).array, dtype=np.uint32))

    def _find_tiled(self, image: Tensor, call: Call) -> PaintedObjects:
        settings = self.manifest.inference
        shape = tuple(image.shape[1:])
        side = settings.objects.tile_size
        sides = [max(side, size) for size in self.manifest.transforms.patch_size]
        places = tile_slices(shape, sides, overlap_fraction=settings.overlap_fraction)
        tiles = []
        for number, place in enumerate(places, start=1):
            if call.cancelled is not None and call.cancelled():
                message = "the prediction was cancelled."
                raise Cancelled(message)
            painted = paint(
                _detect(call.place, image[(slice(None), *place)]),
                spatial_shape=[one.stop - one.start for one in place],
                min_score=settings.objects.min_score,
                mask_threshold=settings.objects.mask_threshold,
            )
            tiles.append((place, painted))
            if call.progress is not None:
                call.progress(number / len(places))
        return join_tiles(tiles, spatial_shape=shape)

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
    kind: type[Predictor] = Predictor
    if isinstance(network, DetectionNetwork):
        kind = ObjectPredictor
    elif manifest.transforms.object_rims is not None:
        kind = RimPredictor
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


def _detect(place: Workplace, tile: Tensor) -> Detections:
    """The objects of a tile, (C, height, width), on the CPU."""
    missing = [max(0, SMALLEST_SIDE - size) for size in tile.shape[1:]]
    if any(missing):
        # What is found in the margin lies outside the tile's own pixels and is cut off when it is painted.
        widths = [(0, 0), *((0, more) for more in missing)]
        tile = torch.from_numpy(np.pad(tile.numpy(), widths, mode="edge"))
    found = place.answer(tile.unsqueeze(0), _first_on_cpu)
    if not all(bool(torch.isfinite(one).all()) for one in (found.boxes, found.scores, found.masks)):
        message = (
            "the network answered with NaN or infinity. Its weights are damaged or overflow in this precision: "
            "train again with a lower learning rate, or run with fp32."
        )
        raise ModelPackageError(message)
    return found


def _first_on_cpu(network: nn.Module, images: Tensor) -> Detections:
    found: Detections = network(images)[0]
    return Detections(found.boxes.cpu(), found.classes.cpu(), found.scores.float().cpu(), found.masks.cpu())
