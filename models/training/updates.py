"""Parts of every method's update: gradient accumulation, mixed precision, moving averages, freezing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from models.training import parallel
from models.training.settings import LoopSettings
from suite.errors import SuiteError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def parts(count: int, micro_batch: int) -> list[slice]:
    """Split `count` samples into equal strided parts of at most `micro_batch` (0: one part).

    Strided parts keep the groups of StyleGAN2's minibatch standard deviation as they would be in the whole batch, as long
    as a part is a multiple of the group.
    """
    if micro_batch <= 0 or micro_batch >= count:
        return [slice(0, count)]
    number = -(-count // micro_batch)
    while count % number:
        number += 1
    return [slice(start, None, number) for start in range(number)]


def accumulate(count: int, micro_batch: int, loss: Callable[[slice], Tensor], scale: float = 1.0) -> Tensor:
    """Back-propagate the mean of `loss` over the parts of a batch, one part at a time; returns that mean, detached."""
    chunks = parts(count, micro_batch)
    total = None
    for chunk in chunks:
        value = loss(chunk) / len(chunks)
        (value * scale).backward()
        total = value.detach() if total is None else total + value.detach()
    assert total is not None
    return total


def optimizer_step(optimizer: torch.optim.Optimizer, clip: float = 0.0) -> None:
    """Average the gradients over ranks, optionally clip their norm, step, and drop them."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    parallel.sync_gradients(parameters)
    if clip > 0:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


@torch.no_grad()
def update_ema(ema: nn.Module, network: nn.Module, decay: float) -> None:
    """`ema = decay * ema + (1 - decay) * network` over parameters; buffers are copied."""
    torch._foreach_lerp_(list(ema.parameters()), list(network.parameters()), 1 - decay)
    for kept, new in zip(ema.buffers(), network.buffers()):
        kept.copy_(new)


def refuse_fp16(settings: LoopSettings, who: str) -> None:
    """SuiteError for precision "fp16": these losses are not scaled, and small gradients would vanish; bf16 keeps them."""
    if settings.precision == "fp16":
        raise SuiteError(f"--set precision=fp16: {who} trains in float32 or bf16, whose gradients need no scaling")


def precision(name: str, device: torch.device) -> AbstractContextManager[object]:
    """Autocast to "bf16" or "fp16", or nothing for "float32" and on "meta", which traces shapes and has no autocast."""
    return torch.autocast(device.type, DTYPES[name]) if name in DTYPES and device.type != "meta" else nullcontext()


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """No autocast inside, whatever is outside."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


@contextmanager
def requires_grad_only(*trained: nn.Module, among: Iterable[nn.Module]) -> Iterator[None]:
    """Let gradients reach the parameters of `trained` alone among `among`; afterwards all ask for gradients again."""
    everything = list(among)
    for module in everything:
        module.requires_grad_(any(module is one for one in trained))
    try:
        yield
    finally:
        for module in everything:
            module.requires_grad_(True)
