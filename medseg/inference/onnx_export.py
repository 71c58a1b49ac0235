"""Model packages as ONNX files, for programs without PyTorch.

An ONNX file holds the network alone: what must happen to an image before and to the scores after it stands in the
file's metadata, in words of the package's manifest. Format: https://onnx.ai/onnx/repo-docs/IR.html.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medseg.errors import InputError, ModelPackageError
from medseg.files import atomic_path
from medseg.inference.installed import find_model
from medseg.inference.manifest import PackageManifest
from medseg.inference.package import load_network, read_manifest
from medseg.inference.sliding_window import accepted_tile_size
from medseg.models import DetectionNetwork
from medseg.optional_imports import require

INPUT_NAME, OUTPUT_NAME = "image", "logits"

_TOLERANCE = 1e-3
"""Greatest difference between both answers, over the greatest logit."""

_MOST_BYTES = 2**31 - 2**20
"""An ONNX file is one protobuf message, which ends at 2 GiB; a little is left for the graph."""

_OF_MANIFEST = ("name", "version", "description", "licence", "notice", "weights_sha256")
_AS_JSON = ("architecture", "labels", "input", "transforms", "inference")


class OnnxExport(NamedTuple):
    """What was written.

    Attributes:
        path: the ONNX file.
        tile_size: spatial size, in voxels, of the one input (1, C, *tile_size) that the file takes.
        difference: greatest absolute difference between the logits of ONNX Runtime and of PyTorch on one random tile;
            None where ONNX Runtime is not installed.
    """

    path: Path
    tile_size: tuple[int, ...]
    difference: float | None


def export_onnx(path_or_name: str | Path, path: Path) -> OnnxExport:
    """Write the network of a model package as an ONNX file and compare its answer with the network's.

    Input "image", float32 (1, C, *tile), prepared as metadata "medseg.transforms" and "medseg.input" say; output
    "logits", float32 (1, K, *tile without its context), class k as entry k of "medseg.labels".

    Args:
        path_or_name: see `medseg.inference.find_model`.
        path: the file, ending in .onnx.

    Raises:
        InputError: `path` has another ending, or the network finds objects.
        DependencyError: onnxscript is not installed.
        ModelPackageError: the package is damaged, its network has an operation that ONNX lacks or is too large for
            one file, or ONNX Runtime answers otherwise than the network; nothing is written then.
        StorageError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        message = f"{path}: expected a file name that ends in .onnx."
        raise InputError(message)
    folder = find_model(path_or_name)
    manifest, network = read_manifest(folder), load_network(folder)
    if isinstance(network, DetectionNetwork):
        message = (
            f"model {manifest.name}: finds single objects, and an ONNX file of medseg answers with class scores of "
            "pixels. Use the model package with PyTorch."
        )
        raise InputError(message)
    tile_size = accepted_tile_size(network, manifest.transforms.patch_size)
    shape = (1, manifest.architecture.in_channels, *tile_size)
    example = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    with atomic_path(path) as temporary:
        write_onnx(network, example, temporary, name=manifest.architecture.name, metadata=onnx_metadata(manifest))
        difference = compare_with_onnx(network, example, temporary)
    return OnnxExport(path, tile_size, difference)


def write_onnx(network: nn.Module, example: Tensor, path: Path, *, name: str, metadata: dict[str, str]) -> None:
    """Write `network` in eval mode for inputs of the shape of `example`.

    Raises:
        DependencyError: onnxscript is not installed.
        ModelPackageError: ONNX lacks an operation, or the weights are too large for one file.
    """
    require("onnxscript", extra="onnx")
    size = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    if size > _MOST_BYTES:
        message = f"network {name!r}: its weights have {size:,} bytes, an ONNX file holds {_MOST_BYTES:,}."
        raise ModelPackageError(message)
    with _quiet_exporter():
        try:
            program = torch.onnx.export(
                network.eval(),
                (example,),
                dynamo=True,
                verbose=False,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            reason = str(error.__cause__ or error).strip().partition("\n")[0][:200]
            message = f"network {name!r} cannot be written as ONNX: {reason}. Use the model package with PyTorch."
            raise ModelPackageError(message) from error
    assert program is not None  # noqa: S101 - only the older exporter returns nothing
    program.model.metadata_props.update(metadata)
    program.save(str(path), external_data=False)


def onnx_metadata(manifest: PackageManifest) -> dict[str, str]:
    """What an ONNX file says of its model: keys "medseg.*", texts and, where a value has parts, JSON."""
    content: dict[str, Any] = manifest.model_dump(mode="json")
    plain = {f"medseg.{key}": str(content[key]) for key in _OF_MANIFEST}
    return plain | {f"medseg.{key}": json.dumps(content[key], ensure_ascii=False) for key in _AS_JSON}


def compare_with_onnx(network: nn.Module, example: Tensor, path: Path) -> float | None:
    """Greatest absolute difference between the file's answer to `example` and that of `network`.

    None where ONNX Runtime is not installed.

    Raises:
        ModelPackageError: they differ by more than rounding.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    onnxruntime = require("onnxruntime", extra="onnx")
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {INPUT_NAME: example.numpy()})
    with torch.no_grad():
        expected = network(example)
    difference = float((torch.from_numpy(answer) - expected).abs().max())
    if not difference <= _TOLERANCE * float(expected.abs().max()):
        message = (
            f"the ONNX file answers otherwise than the network (by up to {difference:.3g}); it was not kept. "
            "Another version of torch or onnxruntime may translate it rightly."
        )
        raise ModelPackageError(message)
    return difference


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter logs hints for its developers as warnings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
