"""The parts of a package's configs/inference.json that MONAI has not: reading, restoring and writing medseg's way.

`monai.bundle.run(config_file="configs/inference.json", bundle_root=".", dataset_dir=FOLDER)` in a package's folder
writes a mask for each image of FOLDER.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.config.type_definitions import KeysCollection
from monai.inferers.inferer import Inferer
from monai.transforms.transform import MapTransform
from torch import Tensor, nn

from medseg.config import TransformsConfig, parse_config
from medseg.images import Image, LabelMap
from medseg.inference.device import choose_precision
from medseg.inference.finished_mask import finished
from medseg.inference.package import read_manifest
from medseg.inference.restore import answer, grid_of, label_values
from medseg.inference.sliding_window import sliding_window_logits
from medseg.io import read_image, write_label_map
from medseg.transforms import build_preparation

SOURCE_KEY = "source"
"""Key under which the image as it was read goes along, for its grid."""


class Prepared(MapTransform):
    """Images, or paths of images, as the network sees them; the image that was read goes along under "source".

    Args:
        keys: of the images.
        settings: the model's transforms.
    """

    def __init__(self, keys: KeysCollection, *, settings: Mapping[str, Any]) -> None:
        super().__init__(keys)
        config = parse_config(TransformsConfig, settings, source="preprocessing")
        self.prepare = build_preparation(config, training=False)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read and prepare."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            image = sample[key] if isinstance(sample[key], Image) else read_image(Path(sample[key]))
            sample[SOURCE_KEY] = image
            sample[key] = self.prepare({"image": image})["image"]
        return sample


class TileInferer(Inferer):
    """medseg's own sliding window, for networks of valid convolutions and for averaging over mirrored copies."""

    def __init__(self, *, tile_size: Sequence[int], overlap_fraction: float, mirror: bool) -> None:
        super().__init__()
        self.tile_size = tuple(tile_size)
        self.overlap_fraction = overlap_fraction
        self.mirror = mirror

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        """Logits (N, K, *spatial) of `inputs`, (N, C, *spatial)."""
        del args, kwargs
        if not isinstance(network, nn.Module):
            message = f"expected a torch module as the network, got {type(network).__name__}."
            raise TypeError(message)
        device = inputs.device
        answers = [
            sliding_window_logits(
                network,
                image,
                tile_size=self.tile_size,
                overlap_fraction=self.overlap_fraction,
                mirror=self.mirror,
                device=device,
                precision=choose_precision(device, "fp32"),
            )
            for image in inputs
        ]
        return torch.stack(answers).to(device)


class ToLabelMapd(MapTransform):
    """Logits as label maps on the grid of the image that was read.

    Args:
        keys: of the logits, (K, *spatial) on the grid of the prepared image.
        bundle_root: the package.
        image_key: of the prepared image.
    """

    def __init__(self, keys: KeysCollection, *, bundle_root: str, image_key: str = "image") -> None:
        super().__init__(keys)
        manifest = read_manifest(Path(bundle_root))
        self.labels = manifest.label_table
        self.inference = manifest.inference
        self.image_key = image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Restore."""
        sample = dict(data)
        image: Image = sample[SOURCE_KEY]
        for key in self.key_iterator(sample):
            logits = sample[key].detach().as_subclass(Tensor).float().cpu().clone()
            restored = answer(
                logits,
                source=grid_of(sample[self.image_key]),
                target=image.grid,
                inference=self.inference,
                with_probabilities=False,
            )
            mask = finished(restored, self.inference.postprocessing).class_indices
            sample[key] = LabelMap(
                array=label_values(mask, self.labels),
                affine=image.affine,
                axes=image.axes[1:],
                labels=self.labels,
            )
        return sample


class WriteLabelMapd(MapTransform):
    """Label maps written to a folder under the name of their image: .tif for two axes, .nii.gz for three."""

    def __init__(self, keys: KeysCollection, *, output_dir: str) -> None:
        super().__init__(keys)
        self.output_dir = Path(output_dir)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write and pass on."""
        sample = dict(data)
        image: Image = sample[SOURCE_KEY]
        stem = Path(image.metadata.source).name.removesuffix(".gz").rsplit(".", 1)[0] or "image"
        for key in self.key_iterator(sample):
            suffix = "tif" if image.affine.ndim == 2 else "nii.gz"
            self.output_dir.mkdir(parents=True, exist_ok=True)
            write_label_map(sample[key], self.output_dir / f"{stem}.{suffix}", source=image)
        return sample


class BundleEvaluator:
    """Runs a network over a data set, one image at a time; needs no pytorch-ignite, unlike MONAI's own.

    Args:
        device: where the network runs.
        dataset: samples with "image", (C, *spatial).
        network: with its weights.
        inferer: of MONAI's kind.
        postprocessing: applied to each sample with its "pred", (K, *spatial).
    """

    def __init__(
        self,
        *,
        device: torch.device,
        dataset: Iterable[Mapping[str, Any]],
        network: nn.Module,
        inferer: Inferer,
        postprocessing: Callable[[Mapping[str, Any]], Any],
    ) -> None:
        self.device = device
        self.dataset = dataset
        self.network = network
        self.inferer = inferer
        self.postprocessing = postprocessing

    def run(self) -> None:
        """Predict, restore and write each image."""
        with torch.no_grad():
            for sample in self.dataset:
                image = sample["image"].as_subclass(Tensor).unsqueeze(0).to(self.device)
                prediction = self.inferer(image, self.network)[0]
                self.postprocessing({**sample, "pred": prediction})
