"""A tiny adversarial pair that exercises everything the shared loop promises."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.training import parallel, updates
from models.training.rng import StepRNG
from models.training.training_module import Batch


class ToyTraining:
    """Generator and discriminator of a few weights, with R1 (a second-order gradient), an EMA and a queue."""

    sheet_columns = 2

    def __init__(self, device: torch.device | str = "cpu", batch: int = 4, micro_batch: int = 0) -> None:
        generator = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3 * 32 * 32)).to(device)
        critic = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Softplus(), nn.Flatten(), nn.Linear(64, 1)).to(device)
        self.networks: dict[str, nn.Module] = {"g": generator, "d": critic, "g_ema": copy.deepcopy(generator)}
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "g": torch.optim.Adam(generator.parameters(), 1e-3, (0.0, 0.99)),
            "d": torch.optim.Adam(critic.parameters(), 1e-3, (0.0, 0.99)),
        }
        self.state: dict[str, Any] = {"queue": torch.zeros(8, device=device), "at": 0}
        self.constant: frozenset[str] = frozenset()
        self.batch_sizes = {"photo": batch // parallel.world()}
        self.micro_batch = micro_batch

    def step(self, batch: Batch, draws: StepRNG) -> dict[str, Tensor]:
        real = batch.images["photo"]
        count = len(real)
        g, d, ema = self.networks["g"], self.networks["d"], self.networks["g_ema"]
        z = draws.normal("z", count, (4,), real.device)

        def d_loss(part: slice) -> Tensor:
            pixels = real[part].detach().requires_grad_(True)
            said = d(pixels)
            (slope,) = torch.autograd.grad(said.sum(), pixels, create_graph=True)
            fake = g(z[part]).view(-1, 3, 32, 32).detach()
            return F.softplus(-said).mean() + F.softplus(d(fake)).mean() + slope.square().sum((1, 2, 3)).mean()

        with updates.requires_grad_only(d, among=(g, d)):
            d_value = updates.accumulate(count, self.micro_batch, d_loss)
            updates.optimizer_step(self.optimizers["d"])
        with updates.requires_grad_only(g, among=(g, d)):
            g_value = updates.accumulate(
                count, self.micro_batch, lambda part: F.softplus(-d(g(z[part]).view(-1, 3, 32, 32))).mean()
            )
            updates.optimizer_step(self.optimizers["g"])
        updates.update_ema(ema, g, 0.9)
        self.state["queue"][self.state["at"] % 8] = g_value
        self.state["at"] += 1
        return {"d_loss": d_value, "g_loss": g_value}

    def sample(self, batch: Batch, draws: StepRNG) -> Tensor:
        return batch.images["photo"][:2]
