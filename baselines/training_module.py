"""Base class of the baselines' training modules: updates with accumulation, learning rates, moving averages, sample sheets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import torch
from torch import Tensor

from baselines.blocks import l1
from baselines.clusters import StyleClusters
from baselines.crops import augmented, centre_crop
from baselines.settings import BaselineSettings, GameSettings
from models.training import parallel, updates
from models.training.rng import StepRNG
from models.training.training_module import Batch
from suite.errors import SuiteError

# Methods call what they put in (`enc_c.of`, `gen.decode`), which `nn.Module` does not know.
Networks = dict[str, Any]
Scalars = dict[str, Tensor]
Tensors = Mapping[str, Tensor]
Rebuilt = Callable[[Tensors], list[tuple[Tensor, Tensor]]]
SHEET_ROWS = 4


class BaselineTraining:
    """Base of the five trainees (see `models.training.training_module.TrainingModule`).

    A method's `step` makes its draws for the whole batch first and then calls `update` once an optimiser group, so that
    accumulating over small parts gives the whole batch's gradients. `rate(step)` scales every learning rate.
    """

    sheet_columns = 4
    # Pictures of each domain that a sample of the batch needs: one for every role it is drawn for.
    roles = 1
    # Optimiser -> the most that its gradients' norm may be, once they are averaged over ranks.
    clips: ClassVar[Mapping[str, float]] = {}

    def __init__(
        self, settings: BaselineSettings, networks: Networks, device: torch.device, frozen: Collection[str] = ()
    ) -> None:
        if settings.precision == "fp16":
            raise SuiteError(
                "--set precision=fp16: the baselines train in float32 or bf16; their losses need no scaling"
            )
        if settings.checkpointing:
            raise SuiteError("--set checkpointing: not for the baselines; lower --set micro_batch to save memory")
        networks = dict(networks)
        if settings.art_domains > 1 and settings.art_labels == "kmeans":
            networks["clusters"] = StyleClusters(settings.art_domains)
            frozen = (*frozen, "clusters")
        self.settings, self.device = settings, device
        self.networks = networks
        self.constant = frozenset(frozen)
        self.frozen = {*frozen, *(name for name in networks if name.endswith("_ema"))}
        for name, network in networks.items():
            network.to(device).requires_grad_(name not in self.frozen)
            if settings.channels_last:
                network.to(memory_format=torch.channels_last)
            if settings.compile:
                network.compile()
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.state: dict[str, Any] = {}
        self.share = settings.share(parallel.world())
        self.batch_sizes = dict.fromkeys(("photo", "art"), self.roles * self.share)

    def rate(self, step: int) -> float:
        """What the learning rates are multiplied by at `step`; 1 unless the paper's schedule says otherwise."""
        return 1.0

    def begin(self, batch: Batch, draws: StepRNG) -> Batch:
        """Set the learning rates of this step; returns the batch as the authors' loader would crop it."""
        self.set_rates(draws.step)
        images = {name: self.augmented(rows, draws, name) for name, rows in batch.images.items()}
        return Batch(images, batch.labels)

    def set_rates(self, step: int) -> None:
        """Set every learning rate to that of `step`."""
        factor, momentum = self.rate(step), 0.0
        if isinstance(self.settings, GameSettings) and self.settings.warms_up(step):
            factor, momentum = factor * self.settings.warmup_rate, self.settings.warmup_momentum
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * factor
                if "betas" in group:
                    group.setdefault("initial_betas", group["betas"])
                    first, second = group["initial_betas"]
                    group["betas"] = (momentum or first, second)

    def augmented(self, images: Tensor, draws: StepRNG, name: str) -> Tensor:
        """Pictures as the authors' loader would crop them, by the draws of `name`."""
        return augmented(images, self.settings.size, self.settings.resized_crop, draws, name)

    def from_all_domains(
        self, batch: Batch, art_domain: Tensor, draws: StepRNG, role: int, photographs: float
    ) -> tuple[Tensor, Tensor]:
        """One picture per sample from photographs and art, and its domain (0 is photo): ((B, 3, L, L), (B,) int64).

        As a loader over all domains gives them: each role has draws and pictures of its own.

        Args:
            role: 0 .. `roles` - 1, whose pictures are taken.
            photographs: the chance of a photograph.
        """
        rows = slice(role * self.share, (role + 1) * self.share)
        photo = draws.uniform(f"domain/{role}", self.share, (1,), self.device)[:, 0] < photographs
        images = torch.where(photo[:, None, None, None], batch.images["photo"][rows], batch.images["art"][rows])
        return images, torch.where(photo, 0, art_domain[rows])

    def update(
        self, names: Sequence[str], tensors: Tensors, loss: Callable[[Tensors], tuple[Tensor, Scalars]]
    ) -> Scalars:
        """One optimiser step of the networks `names`; the others are held fixed, gradients and all.

        Args:
            names: of optimisers; optimiser `a+b` steps networks `a` and `b`.
            tensors: everything that has one row per sample; split into parts of `micro_batch` rows.
            loss: a part -> (mean loss over the part, scalars to report).

        Returns:
            The scalars' means over the parts.
        """
        free = {network for name in names for network in name.split("+")}
        for name, network in self.networks.items():
            network.requires_grad_(name in free and name not in self.frozen)
        for name in names:
            self.optimizers[name].zero_grad(set_to_none=True)
        stats: Scalars = {}
        for share, part in self.parts(tensors):
            with self.precision(part):
                total, scalars = loss(part)
            (total * share).backward()
            for key, value in scalars.items():
                stats[key] = stats.get(key, torch.zeros_like(value)).detach() + share * value.detach()
        for name in names:
            self.apply(name)
        return stats

    def warm_up(self, names: Sequence[str], tensors: Tensors, rebuilt: Rebuilt) -> Scalars:
        """One step before the games: the networks `names` learn to give pictures back (see `GameSettings.warmup_steps`).

        Args:
            rebuilt: a part -> pairs of a rebuilt picture and what it should be.
        """

        def loss(part: Tensors) -> tuple[Tensor, Scalars]:
            total = torch.stack([l1(made, wanted) for made, wanted in rebuilt(part)]).sum()
            return total, {"reconstruction": total}

        return self.update(names, tensors, loss)

    def apply(self, name: str) -> None:
        """Average the gradients over ranks, clip their norm where `clips` says so, and step one optimiser."""
        updates.optimizer_step(self.optimizers[name], self.clips.get(name, 0.0))

    def parts(self, tensors: Tensors) -> Iterator[tuple[float, Tensors]]:
        """The batch in parts of at most `micro_batch` rows, each with its share of the whole."""
        count = len(next(iter(tensors.values())))
        size = self.settings.micro_batch or count
        for start in range(0, count, size):
            part = {name: rows[start : start + size] for name, rows in tensors.items()}
            yield min(size, count - start) / count, part

    def precision(self, tensors: Tensors) -> AbstractContextManager[object]:
        """bf16 for the heavy layers where the settings ask for it."""
        return updates.precision(self.settings.precision, next(iter(tensors.values())).device)

    def average(self, name: str, beta: float) -> None:
        """Move `<name>_ema` towards `name` by 1 - beta."""
        source, target = list(self.networks[name].parameters()), list(self.networks[f"{name}_ema"].parameters())
        with torch.no_grad():
            torch._foreach_lerp_(target, source, 1 - beta)

    def method(self) -> Any:
        """The method's adapter over the networks in training (over their averages where it has them)."""
        raise NotImplementedError

    def sample(self, batch: Batch, draws: StepRNG) -> Tensor:
        """One row per sample: photograph, its latent-guided result, art picture, its reference-guided result."""
        photo, art = (centre_crop(batch.images[name][:SHEET_ROWS], self.settings.size) for name in ("photo", "art"))
        seeds = list(range(len(photo)))

        def columns() -> Tensor:
            method = self.method()
            made = [photo, method._latent(photo, seeds)] if "latent" in method.modes else [photo]
            return sheet([*made, art, method._reference(photo, art, seeds)])

        return self.eval_with(columns)

    def eval_with(self, make: Callable[[], Tensor]) -> Tensor:
        """`make()` with every network in eval mode and without gradients."""
        modes = {name: network.training for name, network in self.networks.items()}
        for network in self.networks.values():
            network.eval()
        try:
            with torch.no_grad():
                return make()
        finally:
            for name, network in self.networks.items():
                network.train(modes[name])

    def art_domain(self, batch: Batch) -> Tensor:
        """(B,) int64 of each art picture's domain in 1 .. art_domains; photographs are domain 0."""
        art = batch.images["art"]
        if self.settings.art_domains == 1:
            return torch.ones(len(art), dtype=torch.long, device=art.device)
        if self.settings.art_labels == "kmeans":
            return 1 + self.networks["clusters"](art)
        if "art" not in batch.labels:
            raise SuiteError("--set art_labels=style: these pictures have no column `style`; use art_labels=kmeans")
        return 1 + batch.labels["art"] % self.settings.art_domains


def adam(settings: Any, parameters: Any, lr: float | None = None, betas: tuple[float, float] = (0.5, 0.999)) -> Any:
    """Adam with the weight decay 1e-4 that MUNIT, DRIT and StarGAN v2 share."""
    parameters = [p for module in parameters for p in module.parameters()]
    return torch.optim.Adam(parameters, lr=lr or settings.lr, betas=betas, weight_decay=1e-4, foreach=True)


def sheet(columns: Sequence[Tensor]) -> Tensor:
    """Pictures side by side, one row per sample: K x (N, 3, S, S) -> (N * K, 3, S, S)."""
    return torch.stack([column.float().clamp(-1, 1) for column in columns], 1).flatten(0, 1)
