"""Model packages: folders with a manifest, weights and a card, written whole and read without trust.

medseg reads `medseg.json` and `models/model.safetensors` and nothing else of a package: nothing is unpickled, evaluated
or imported from one, whatever else lies in its folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from medseg.config import parse_config
from medseg.errors import ConfigError, InputError, MedsegError, ModelPackageError, StorageError
from medseg.inference.bundle_files import bundle_inference, bundle_metadata
from medseg.inference.card import model_card
from medseg.inference.manifest import SCHEMA_VERSION, Architecture, PackageManifest
from medseg.models import DetectionNetwork, build_model

MANIFEST_FILE = "medseg.json"
WEIGHTS_FILE = "models/model.safetensors"
CARD_FILE = "docs/README.md"
METADATA_FILE = "configs/metadata.json"
INFERENCE_FILE = "configs/inference.json"


def write_package(
    folder: Path,
    *,
    network: nn.Module,
    manifest: PackageManifest,
    card: str | None = None,
    pictures: Sequence[Path] = (),
) -> Path:
    """Write a model package and return `folder`.

    Everything is written into a temporary folder beside `folder`, which then takes its name; a package that stood
    there is removed after that. The same weights and manifest give the same bytes.

    Args:
        folder: the package; an existing folder is replaced only when it is a package itself, or empty.
        network: its weights are stored.
        manifest: everything about it; `weights_sha256` is filled in.
        card: the model card in Markdown; absent builds it from the manifest.
        pictures: copied beside the card and shown in the card built from the manifest.

    Raises:
        InputError: `folder` holds something else.
        StorageError: the package could not be written; nothing under `folder` has changed.
    """
    folder = Path(folder)
    if folder.exists() and not _is_replaceable(folder):
        message = f"{folder}: exists and is not a model package. Choose another folder for the package."
        raise InputError(message)
    weights = _weights_bytes(network)
    complete = manifest.replace(weights_sha256=hashlib.sha256(weights).hexdigest())
    names = tuple(f"picture_{number}{path.suffix}" for number, path in enumerate(pictures, start=1))
    text = card if card is not None else model_card(complete, pictures=names)
    contents = {
        MANIFEST_FILE: _json_bytes(complete.model_dump(mode="json")),
        WEIGHTS_FILE: weights,
        CARD_FILE: text.encode(),
        **_bundle_files(complete, network),
        **{f"docs/{name}": path.read_bytes() for name, path in zip(names, pictures, strict=True)},
    }
    _write_folder(folder, contents)
    return folder


def _bundle_files(manifest: PackageManifest, network: nn.Module) -> dict[str, bytes]:
    """What makes the package a MONAI bundle; none where the network finds objects, which MONAI cannot put to use."""
    if isinstance(network, DetectionNetwork):
        return {}
    return {
        METADATA_FILE: _json_bytes(bundle_metadata(manifest)),
        INFERENCE_FILE: _json_bytes(bundle_inference(manifest, network=network)),
    }


def read_manifest(folder: Path) -> PackageManifest:
    """The manifest of a package.

    Raises:
        ModelPackageError: it is missing, damaged, has unknown keys or wrong values, or was made by a newer medseg.
    """
    path = Path(folder) / MANIFEST_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"{folder}: not a model package, {MANIFEST_FILE} is missing. Give a package or a run folder."
        raise ModelPackageError(message) from error
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        message = f"{path}: cannot be read as JSON ({' '.join(str(error).split())}). Copy the package anew."
        raise ModelPackageError(message) from error
    if not isinstance(content, dict):
        message = f"{path}: expected a JSON object, got {type(content).__name__}. Copy the package anew."
        raise ModelPackageError(message)
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        message = (
            f"{path}: has schema_version {version}, this medseg reads up to {SCHEMA_VERSION}. "
            "Update medseg to use this model."
        )
        raise ModelPackageError(message)
    try:
        return parse_config(PackageManifest, content, source=str(path))
    except ConfigError as error:
        raise ModelPackageError(str(error)) from error


def load_network(folder: Path) -> nn.Module:
    """The network of a package with its weights, in eval mode on the CPU.

    Raises:
        ModelPackageError: the manifest or the weights are missing or damaged, the weights are not those that the
            manifest names, or they do not fit the network.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    weights = _read_weights(folder / WEIGHTS_FILE, sha256=manifest.weights_sha256)
    network = _build(manifest.architecture, source=folder / MANIFEST_FILE)
    _check_fit(weights, network.state_dict(), source=folder / WEIGHTS_FILE)
    network.load_state_dict(weights)
    return network.eval()


def _read_weights(path: Path, *, sha256: str) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        message = f"{path}: is missing. medseg opens safetensors only, never pickled weights (.pt, .pth, .ckpt)."
        raise ModelPackageError(message) from error
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror or error})."
        raise ModelPackageError(message) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        message = (
            f"{path}: the weights are damaged or were exchanged: expected SHA-256 {sha256[:12] or '(none stated)'}..., "
            f"got {found[:12]}.... Copy the package anew from where it came."
        )
        raise ModelPackageError(message)
    try:
        # The bytes that were hashed are the bytes that are read, not the file a second time.
        return safetensors.torch.load(content)
    except SafetensorError as error:
        message = f"{path}: is no safetensors file ({error}). Copy the package anew from where it came."
        raise ModelPackageError(message) from error


def _build(architecture: Architecture, *, source: Path) -> nn.Module:
    try:
        # The fresh weights are overwritten; drawing them must not move anyone's random state.
        with torch.random.fork_rng(devices=[]):
            return build_model(
                architecture.name,
                in_channels=architecture.in_channels,
                num_classes=architecture.num_classes,
                spatial_dims=architecture.spatial_dims,
                **architecture.options,
            )
    except (MedsegError, TypeError, ValueError) as error:
        message = (
            f"{source}: this medseg cannot build its network {architecture.name!r}: {error} "
            "The package may be from another version of medseg."
        )
        raise ModelPackageError(message) from error


def _check_fit(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, source: Path) -> None:
    missing = [name for name in expected if name not in weights]
    extra = sorted(name for name in weights if name not in expected)
    problems = [
        f"{len(names)} {what} ({names[0]})" for what, names in (("missing", missing), ("unknown", extra)) if names
    ]
    problems += [
        f"{name} has shape {tuple(weights[name].shape)}, the network has {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and tensor.shape != weights[name].shape
    ]
    if problems:
        message = f"{source}: the weights do not fit the network of the manifest: {'; '.join(problems[:3])}."
        raise ModelPackageError(message)


def _weights_bytes(network: nn.Module) -> bytes:
    # Copies, because safetensors refuses tensors that share memory.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    return safetensors.torch.save(state, metadata={"format": "pt"})


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _is_replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST_FILE).is_file() or not any(folder.iterdir()))


def _write_folder(folder: Path, contents: Mapping[str, bytes]) -> None:
    token = secrets.token_hex(4)
    temporary = folder.with_name(f".{token}.part.{folder.name}")
    old = folder.with_name(f".{token}.old.{folder.name}")
    try:
        for name, content in contents.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _exchange(temporary, folder, old)
    except OSError as error:
        message = f"cannot write {folder}: {error.strerror or error}. Free some space or choose another folder."
        raise StorageError(message) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(new: Path, folder: Path, old: Path) -> None:
    """Give `new` the name `folder`; what stood there becomes `old`, or stays where that fails."""
    if not folder.exists():
        new.rename(folder)
        return
    folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        old.rename(folder)
        raise
