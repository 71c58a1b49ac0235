"""What region losses need of a softmax, with a backward that keeps the probabilities and nothing else of their size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def softmax_sums(logits: Tensor, target: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
    """Log probability of each voxel's own class, and the probabilities of each class summed over voxels.

    With p the softmax of the logits z, t the own class, and G and B the gradients of the two results, the gradient is

        dz_k = p_k (B_k - s) + [k = t] G,  s = G + sum over c of B_c p_c

    at every voxel that counts, and 0 elsewhere. Whatever a loss makes of the two is then a matter of tensors without
    a class axis, so many classes cost little more than their softmax and its gradient. There is no second derivative.

    Args:
        logits: shape (N, K, *spatial).
        target: class indices, shape (N, *spatial).
        counted: false where a voxel is left out of the sums, shape (N, *spatial); None where all count.

    Returns:
        Shapes (N, *spatial) and (N, K).
    """
    own, sums = _SoftmaxSums.apply(logits, target, counted)
    return own, sums


class _SoftmaxSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        probabilities, own = _softmax(logits, target)
        if counted is not None:
            probabilities.mul_(counted.unsqueeze(1))
        ctx.save_for_backward(probabilities, target, own, counted)
        return own, probabilities.flatten(2).sum(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, own_gradient: Tensor | None, sums_gradient: Tensor | None) -> tuple[Tensor, None, None]:
        probabilities, target, own, counted = ctx.saved_tensors
        if own_gradient is None:
            own_gradient = torch.zeros_like(own)
        if sums_gradient is None:
            sums_gradient = torch.zeros(probabilities.shape[:2], dtype=own.dtype, device=own.device)
        # Autocast would multiply in half precision.
        with torch.autocast(own.device.type, enabled=False):
            weighted = torch.matmul(sums_gradient.unsqueeze(1), probabilities.flatten(2))
        pull = weighted.view_as(own) + own_gradient
        per_class = sums_gradient.view(*sums_gradient.shape, *(1,) * (own.ndim - 1))
        gradient = torch.sub(per_class, pull.unsqueeze(1)).mul_(probabilities)
        # The own class again from the start: scattering values, not sums, is deterministic on every device.
        of_own = sums_gradient.gather(1, target.flatten(1)).view_as(own)
        own_class = own.exp() * (of_own - pull) + own_gradient
        if counted is not None:
            own_class = own_class * counted
        gradient.scatter_(1, target.unsqueeze(1), own_class.unsqueeze(1))
        return gradient, None, None


def _softmax(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax of the logits, and the logarithm of what each voxel's own class has of it."""
    # The logarithm of a quotient saves a pass of exponentials, but not for one that is rounded to 0. On a GPU, where
    # passes cost their memory traffic alone, it would not be worth the wait for the look.
    if logits.device.type == "cpu":
        probabilities = torch.softmax(logits, dim=1)
        own = _of_target(probabilities, target)
        if own.numel() and own.min() >= torch.finfo(own.dtype).tiny:
            return probabilities, own.log_()
        del probabilities
    logarithms = torch.log_softmax(logits, dim=1)
    own = _of_target(logarithms, target)
    return logarithms.exp_(), own


def _of_target(values: Tensor, target: Tensor) -> Tensor:
    return values.gather(1, target.unsqueeze(1)).squeeze(1)
