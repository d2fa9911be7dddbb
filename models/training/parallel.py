"""Many processes under `torchrun`: averaged gradients, gathers that keep gradients, one writer.

Gradients are averaged by hand. DistributedDataParallel hooks the ordinary backward pass and so misses the second-order
passes of R1 and path length: its first-step gradients are silently wrong there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather


def start(device: str) -> torch.device:
    """Join the group that `torchrun` describes in the environment (nothing to do without it); return this rank's device.

    Args:
        device: `"cpu"`, `"cuda"`, or `"auto"` for CUDA where there is one.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(device)


def stop() -> None:
    """Leave the group."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, 0 without a group."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes there are, 1 without a group."""
    return dist.get_world_size() if dist.is_initialized() else 1


def barrier() -> None:
    """Wait for every rank."""
    if dist.is_initialized():
        dist.barrier()


def agree(flag: bool, device: torch.device) -> bool:
    """Whether any rank says yes: a signal reaches one process first, and all must stop at the same step."""
    if world() == 1:
        return flag
    said = torch.tensor(float(flag), device=device)
    dist.all_reduce(said, op=dist.ReduceOp.MAX)
    return bool(said.item())


def sync_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients over ranks, in one flat all-reduce. Every rank must hold gradients for the same parameters."""
    if world() == 1:
        return
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads:
        return
    flat = torch.cat([grad.reshape(-1).float() for grad in grads])
    dist.all_reduce(flat)
    flat /= world()
    offset = 0
    for grad in grads:
        grad.copy_(flat[offset : offset + grad.numel()].view_as(grad))
        offset += grad.numel()


def sync_weights(modules: Iterable[nn.Module]) -> None:
    """Give every rank the parameters and buffers of rank 0."""
    if world() == 1:
        return
    with torch.no_grad():
        for module in modules:
            for tensor in (*module.parameters(), *module.buffers()):
                dist.broadcast(tensor, src=0)


def gather(rows: Tensor) -> Tensor:
    """(B, ...) on each rank -> (W * B, ...) of all, in global sample order, gradients flowing back to each rank's rows."""
    if world() == 1:
        return rows
    parts = torch.stack(list(all_gather(rows.contiguous())), dim=1)  # (B, W, ...): global sample = l * W + r
    return parts.flatten(0, 1)


def mean(value: Tensor) -> Tensor:
    """The mean over ranks of a scalar or tensor, without gradients."""
    if world() == 1:
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world()
