"""Where networks run, and with which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

from medseg.errors import InputError

Precision = Literal["bf16", "fp32"]
"""Numbers that a network computes with; logits are added up in fp32 in both cases."""

DEVICE_NAMES = ("auto", "cpu", "cuda", "mps")


def available_devices() -> tuple[str, ...]:
    """Kinds of device that are there, the fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return tuple(name for name, is_there in there.items() if is_there)


def choose_device(request: str = "auto") -> torch.device:
    """The device to run on.

    Args:
        request: "auto" takes the fastest that is there; "cpu", "cuda", "cuda:1" and "mps" ask for one.

    Raises:
        InputError: an unknown name, or a device that is not there; the message says what is.
    """
    present = available_devices()
    kind, _, index = request.partition(":")
    if kind not in DEVICE_NAMES or (index and not (kind == "cuda" and index.isdecimal())):
        message = f"device {request!r}: expected one of {', '.join(DEVICE_NAMES)}, or cuda:N."
        raise InputError(message)
    if kind == "auto":
        return torch.device(present[0])
    if kind not in present:
        message = f"device {request}: there is none here. Present: {', '.join(present)}; choose one of them or auto."
        raise InputError(message)
    if index and int(index) >= torch.cuda.device_count():
        message = f"device {request}: there are {torch.cuda.device_count()} CUDA devices here, cuda:0 is the first."
        raise InputError(message)
    return torch.device(request)


def choose_precision(device: torch.device, request: str = "auto") -> Precision:
    """The numbers to compute with on `device`.

    Args:
        device: where the network runs.
        request: "auto" takes bf16 where the device has instructions for it (CUDA from compute capability 8.0 on; CPUs
            with AVX512_BF16 or AMX), else fp32, since emulated bf16 is slower; "bf16" and "fp32" are taken as asked.

    Raises:
        InputError: an unknown name.
    """
    if request in get_args(Precision):
        return "bf16" if request == "bf16" else "fp32"
    if request != "auto":
        message = f"precision {request!r}: expected one of auto, {', '.join(get_args(Precision))}."
        raise InputError(message)
    is_fast = _FAST_BF16.get(device.type, lambda: False)()
    return "bf16" if is_fast else "fp32"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Context in which the layers of a network compute with `precision` on `device`."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device_type=device.type, dtype=torch.bfloat16)


def _cpu_has_fast_bf16() -> bool:
    # Older versions of torch have no such query, and it knows fewer names on some processors: then bf16 is not taken.
    query = getattr(torch.cpu, "get_capabilities", dict)
    capabilities: Mapping[str, object] = query()
    return any(bool(capabilities.get(name, False)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _cuda_has_fast_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8


_FAST_BF16 = {"cpu": _cpu_has_fast_bf16, "cuda": _cuda_has_fast_bf16}
"""Kind of device -> whether it has instructions for bf16; mps has none that torch uses for all layers."""
