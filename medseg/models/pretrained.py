"""Trunks that start from published weights, where the user has the file: torchvision's ImageNet weights."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import safetensors.torch
import torch
from torch import Tensor, nn

from medseg.errors import ConfigError, InputError

_COUNTER = "num_batches_tracked"
"""Batches that a batch norm has seen: older files lack it, and nothing depends on it."""


@runtime_checkable
class PublishedTrunk(Protocol):
    """A trunk that torchvision publishes weights for.

    Attributes:
        published_as: name of torchvision's builder.
    """

    published_as: str

    def published_names(self) -> Mapping[str, str]:
        """Name of each own weight -> its name in torchvision's file; that of the first convolution first."""
        ...


def load_pretrained(network: nn.Module, path: Path) -> str:
    """Give the trunk of `network` the weights of a file and return the file's SHA-256, in hexadecimal digits.

    The fully connected layers of an FCN take theirs, too. Where the network has c channels in place of 3, each gets
    the first convolution's weights summed over the colours, divided by c: c equal channels then give the features
    that a grey picture gives the published network.

    Args:
        network: changed in place.
        path: state dict of torchvision's model, .pth or .pt (read without unpickling code) or .safetensors.

    Raises:
        ConfigError: the network has no trunk that weights are published for, or the file's do not fit it.
        InputError: the file cannot be read.
    """
    trunk = getattr(network, "trunk", None)
    if not isinstance(trunk, PublishedTrunk):
        message = (
            f"model.pretrained: {type(network).__name__} has no trunk that ImageNet weights are published for. "
            "Leave it out."
        )
        raise ConfigError(message)
    weights, sha256 = _read(path)
    names = {f"trunk.{own}": theirs for own, theirs in trunk.published_names().items()}
    names |= _with_parameters(getattr(network, "published_layers", {}))
    first = next(iter(names))
    state = network.state_dict()
    with torch.no_grad():
        for own, theirs in names.items():
            if theirs not in weights and theirs.endswith(_COUNTER):
                continue
            given = weights.get(theirs)
            fitted = None if given is None else _fitted(given, state[own], is_first=own == first)
            if fitted is None:
                got = "is missing" if given is None else f"has shape {tuple(given.shape)}"
                message = (
                    f"{path}: does not hold the weights of torchvision's {trunk.published_as} that this network "
                    f"takes: {theirs} {got}, expected {tuple(state[own].shape)}."
                )
                raise ConfigError(message)
            state[own] = fitted
        network.load_state_dict(state)
    return sha256


def _with_parameters(layers: Mapping[str, str]) -> dict[str, str]:
    return {f"{own}.{name}": f"{theirs}.{name}" for own, theirs in layers.items() for name in ("weight", "bias")}


def _fitted(given: Tensor, own: Tensor, *, is_first: bool) -> Tensor | None:
    """The weights in the shape of `own`; None where they do not fit."""
    if given.shape == own.shape:
        return given
    if is_first and given.ndim == own.ndim and given.shape[1] == 3 and given[:, :1].shape == own[:, :1].shape:
        return (given.sum(dim=1, keepdim=True) / own.shape[1]).expand_as(own).clone()
    # A fully connected layer as a convolution as wide as what it sees: torchvision flattens channels, rows, columns.
    if given.ndim == 2 and own.ndim == 4 and len(given) == len(own) and given.numel() == own.numel():
        return given.reshape(own.shape)
    return None


def _unpickled(content: bytes) -> object:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


_READERS: Mapping[str, Callable[[bytes], object]] = {
    ".pth": _unpickled,
    ".pt": _unpickled,
    ".safetensors": safetensors.torch.load,
}


def _read(path: Path) -> tuple[Mapping[str, Tensor], str]:
    path = Path(path).expanduser()
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        message = f"model.pretrained: {path}: expected a file of weights ending in {', '.join(_READERS)}."
        raise InputError(message)
    try:
        content = path.read_bytes()
        weights = reader(content)
    except OSError as error:
        message = f"model.pretrained: {path}: cannot be read ({error.strerror or error}). Name the file of weights."
        raise InputError(message) from error
    except Exception as error:  # the border: torch hands on what unpickling a damaged file raises, some ten types
        message = f"{path}: is no file of weights, or a damaged one. Give a state dict that torchvision publishes."
        raise InputError(message) from error
    if not isinstance(weights, Mapping) or not all(isinstance(entry, Tensor) for entry in weights.values()):
        message = f"{path}: expected names and tensors, a state dict. Save model.state_dict(), not more than it."
        raise InputError(message)
    return weights, hashlib.sha256(content).hexdigest()
