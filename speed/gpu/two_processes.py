"""`python -m speed.gpu.two_processes FOLDER DEVICE RANK`: one of two processes that take BlendGAN's step together."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from models.training import parallel
from speed.gpu.trainings import one_step


def main(folder: Path, device: torch.device, rank: int) -> None:
    """NCCL gives a card to one process only; gloo shares it."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    store = torch.distributed.FileStore(str(folder / "store"), 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    losses = one_step("blendgan", device)
    if rank == 0:
        torch.save(losses, folder / "losses.pt")
    parallel.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), torch.device(sys.argv[2]), int(sys.argv[3]))
