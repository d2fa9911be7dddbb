"""Batch norm over the pictures of all ranks, so that a shared batch is normalised as one process would.

`torch.nn.SyncBatchNorm` does this on CUDA alone, and has no form for the processes that tests run on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.training import parallel


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose statistics in training are those of every rank's (N, C, H, W), gradients and all."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or parallel.world() == 1:
            return super().forward(x)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = parallel.average(wide.mean((0, 2, 3)))
        centred = wide - mean[:, None, None]
        var = parallel.average(centred.square().mean((0, 2, 3)))
        self._remember(mean.detach(), var.detach(), x.numel() // x.shape[1] * parallel.world())
        gain = self.weight * (var + self.eps).rsqrt()
        return (centred * gain[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * count / max(1, count - 1), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1


def share_batch_norms(network: nn.Module) -> None:
    """Make every batch norm of `network` a `SharedBatchNorm2d`, in place; names and weights stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm2d
