"""Many processes under `torchrun`: averaged gradients, gathers that keep gradients, one writer.

Gradients are averaged by hand. DistributedDataParallel hooks the ordinary backward pass and so misses the second-order
passes of R1 and path length: its first-step gradients are silently wrong there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from suite.errors import SuiteError

T = TypeVar("T")
# Longer than anything that one process does while the others wait: preparing pictures, or training before scoring.
# `torchrun` ends every process when one of them dies, so that nobody waits in vain.
LONGEST_WAIT = timedelta(days=30)


class SaidByFirst(SuiteError):
    """Rank 0's refusal on another rank: rank 0 prints it, so nobody else needs to."""


def start(device: str) -> torch.device:
    """Join the group that `torchrun` describes in the environment (nothing to do without it); return this rank's device.

    Args:
        device: `"cpu"`, `"cuda"`, `"mps"`, or `"auto"` for CUDA where there is one.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=LONGEST_WAIT)
    if device == "cuda":
        # Every step has the same shapes, so that the fastest convolution is worth looking for once.
        torch.backends.cudnn.benchmark = True
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


def first_alone(action: Callable[[], object]) -> None:
    """Run `action` on rank 0 while the others wait: what must happen once, however many processes there are.

    Raises:
        SuiteError: rank 0's refusal, on every rank (as `SaidByFirst` on the others).
    """
    outcome: list[tuple[str, int] | None] = [None]
    if rank() == 0:
        try:
            action()
        except SuiteError as error:
            outcome = [(str(error), error.exit_code)]
            if world() == 1:
                raise
            dist.broadcast_object_list(outcome)
            raise
    if world() > 1:
        dist.broadcast_object_list(outcome)
    if outcome[0] is not None:
        raise SaidByFirst(*outcome[0])


def once_a_machine(action: Callable[[], T]) -> T:
    """`action()` on every rank, but first on rank 0 alone, then on one rank of every other machine, then on the rest.

    For work whose result is kept on disk: who comes later finds it there.

    Raises:
        SuiteError: rank 0's refusal, on every rank.
    """
    if world() == 1:
        return action()
    first_alone(action)
    if rank() != 0 and int(os.environ.get("LOCAL_RANK", "0")) == 0:
        action()
    barrier()
    return action()


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether any rank says yes: a signal reaches one process first, and all must stop at the same step."""
    if world() == 1:
        return flag
    raised = torch.tensor(float(flag), device=device)
    dist.all_reduce(raised, op=dist.ReduceOp.MAX)
    return bool(raised.item())


def sync_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average the gradients over ranks, in one flat all-reduce. Every rank must hold gradients for the same parameters."""
    if world() == 1:
        return
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads:
        return
    flat = torch.cat([grad.reshape(-1).float() for grad in grads])
    _add_up(flat)
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


def _add_up(tensor: Tensor) -> None:
    """The sum over ranks, in place; a shape that is traced on `meta` stays one."""
    if tensor.device.type != "meta":
        dist.all_reduce(tensor)


class _Sum(torch.autograd.Function):
    """The sum over ranks, to any order of derivatives: every rank's result hangs on every rank's value, alike."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.detach().clone(memory_format=torch.contiguous_format)
        _add_up(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return summed(gradient)


def summed(value: Tensor) -> Tensor:
    """The sum over ranks, with gradients."""
    return value if world() == 1 else cast(Tensor, _Sum.apply(value))


def gather(rows: Tensor) -> Tensor:
    """(B, ...) on each rank -> (W * B, ...) of all, in global sample order, gradients flowing back to each rank's rows."""
    if world() == 1:
        return rows
    places = torch.nn.functional.one_hot(torch.tensor(rank()), world()).to(rows)  # global sample = l * W + r
    return summed(rows[:, None] * places.view(1, -1, *[1] * (rows.ndim - 1))).flatten(0, 1)


def own(rows: Tensor) -> Tensor:
    """(W * B, ...) in global sample order -> this rank's (B, ...): the other way round than `gather`."""
    return rows[rank() :: world()]


def average(value: Tensor) -> Tensor:
    """The mean over ranks, with gradients: a loss made of it is the same on every rank, and so is its gradient."""
    return summed(value) / world()


def means(scalars: Mapping[str, Tensor | float]) -> dict[str, float]:
    """The means over ranks of a step's numbers, by sorted name: one reduction, and one wait for the device, for all.

    A number that is not finite on one rank is so on all, which then agree on what to do about it.
    """
    names = sorted(scalars)
    if not names:
        return {}
    values = [torch.as_tensor(scalars[name], dtype=torch.float32) for name in names]
    device = max((value.device for value in values), key=lambda one: one.type != "cpu")
    return dict(zip(names, mean(torch.stack([value.detach().to(device) for value in values])).tolist()))


def mean(value: Tensor) -> Tensor:
    """The mean over ranks of a scalar or tensor, without gradients."""
    if world() == 1:
        return value.detach()
    total = value.detach().clone()
    _add_up(total)
    return total / world()
