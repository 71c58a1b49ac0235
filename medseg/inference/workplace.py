"""Where the windows of an image are computed, and what is done when its memory does not suffice.

A window goes through the network alone and the answers are put together in main memory, so there is no smaller step
left than these two: what the allocator keeps for later is given back and the window tried again; after that the rest of
the image is computed on the CPU. The overlap of the windows is never touched: another one would be another answer.
"""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

from medseg.errors import OutOfMemoryError
from medseg.inference.device import Precision, autocast, choose_precision

Answer = TypeVar("Answer")

_SIGNS = (
    "defaultcpuallocator",
    "not enough memory",
    "out of memory",  # also of MPS, and of CUDA outside torch's own allocator
    "cublas_status_alloc_failed",
)
"""Words of errors that torch raises as plain RuntimeError when an allocation failed."""
_REMEDY = "Close other programs, crop the image, or use a machine with more memory"

_EMPTY_CACHE: dict[str, Callable[[], None]] = {"cuda": torch.cuda.empty_cache, "mps": torch.mps.empty_cache}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, in the memory of a device or in that of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


@contextmanager
def memory_errors(*, doing: str) -> Iterator[None]:
    """Turn a failed allocation in the block into an error of one line.

    Raises:
        OutOfMemoryError: there is not enough memory for what the block does.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, OutOfMemoryError) or not is_out_of_memory(error):
            raise
        message = f"not enough memory for {doing}. {_REMEDY}."
        raise OutOfMemoryError(message) from None


class Workplace:
    """A network on a device, and after that on the CPU, for one image.

    The network itself stays where it is; the CPU gets a copy.

    Args:
        network: in eval mode and on `device`.
        device: where windows are computed first.
        precision: see `medseg.inference.choose_precision`.

    Attributes:
        network: what computes the windows now.
        device: where it does.
        fallbacks: what was done for want of memory, in order, a sentence each.
    """

    def __init__(self, network: nn.Module, *, device: torch.device, precision: Precision) -> None:
        self.network = network
        self.device = device
        self.fallbacks: list[str] = []
        self._precision = precision
        self._has_released = False

    def answer(self, source: Tensor, compute: Callable[[nn.Module, Tensor], Answer]) -> Answer:
        """What `compute` makes of the network and the window `source`; `compute` brings it to the CPU itself.

        Raises:
            OutOfMemoryError: even the CPU has not enough memory for it.
        """
        while (answer := self._attempt(source, compute)) is None:
            # Only here is the memory of the failed attempt free: inside an `except` the traceback would hold it.
            self._step_down(source)
        return answer

    def _attempt(self, source: Tensor, compute: Callable[[nn.Module, Tensor], Answer]) -> Answer | None:
        try:
            with torch.no_grad(), autocast(self.device, self._precision):
                return compute(self.network, source.to(self.device))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _step_down(self, source: Tensor) -> None:
        gc.collect()
        _EMPTY_CACHE.get(self.device.type, _nothing)()
        if not self._has_released:
            self._has_released = True
            self.fallbacks.append(f"{self._name} ran out of memory; what was kept in reserve was given back.")
            return
        if self.device.type == "cpu":
            size = " x ".join(map(str, source.shape[2:]))
            message = f"not enough memory on the CPU for a window of {size} voxels. {_REMEDY}."
            raise OutOfMemoryError(message)
        self.fallbacks.append(f"{self._name} ran out of memory again; the rest was computed on the CPU.")
        self.device = torch.device("cpu")
        if self._precision == "bf16":  # which the CPU may not be fast at
            self._precision = choose_precision(self.device)
        with memory_errors(doing="a copy of the network on the CPU"):
            self.network = copy_on_cpu(self.network)

    @property
    def _name(self) -> str:
        return "the CPU" if self.device.type == "cpu" else f"the device {self.device}"


def moved_to(network: nn.Module, device: torch.device) -> tuple[torch.device, tuple[str, ...]]:
    """Move `network` to `device`, or to the CPU where the device has no memory for it; say where it is and why.

    Returns:
        Where it is, and a sentence where that is not `device`.
    """
    try:
        network.to(device)
    except (RuntimeError, MemoryError) as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    else:
        return device, ()
    network.to("cpu")
    _EMPTY_CACHE.get(device.type, _nothing)()
    return torch.device("cpu"), (f"the device {device} has no memory for the network; the CPU was taken.",)


def copy_on_cpu(network: nn.Module) -> nn.Module:
    """A copy of `network` whose weights lie in main memory, made without a second copy on its device."""
    moved: dict[int, object] = {}
    for parameter in network.parameters():
        moved[id(parameter)] = nn.Parameter(parameter.detach().cpu(), requires_grad=False)
    for buffer in network.buffers():
        moved[id(buffer)] = buffer.detach().cpu()
    # What deepcopy finds in this table it takes to be copied already.
    return copy.deepcopy(network, moved)


def _nothing() -> None:
    pass
