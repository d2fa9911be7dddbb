"""Fine-tuning a face model on art (Pinkney and Adler 2020, Sec. 2) with StyleGAN2's losses; the face model stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from baselines.toonify.method import Toonify, swapped
from baselines.toonify.networks import face_model, networks, shaped, table
from baselines.toonify.settings import ToonifySettings
from baselines.training_module import BaselineTraining, Scalars, Tensors, sheet
from models.networks.discriminators import Discriminator
from models.networks.stylegan2 import Generator
from models.training import updates
from models.training.losses import d_logistic, g_nonsaturating, r1
from models.training.rng import StepRNG
from models.training.training_module import Batch
from models.weights import load_state
from models.weights.layouts import DISCRIMINATOR


class ToonifyTraining(BaselineTraining):
    """D, R1 every few steps, then the art generator and its average; photographs are not looked at."""

    settings: ToonifySettings

    def __init__(self, settings: ToonifySettings, device: torch.device) -> None:
        face, state = face_model(settings.start)
        settings, judge = shaped(settings, state, face.path), face.part(DISCRIMINATOR)
        nets: dict[str, Any] = networks(settings)
        nets["dis"] = Discriminator(settings.size, table(settings))
        if device.type != "meta":
            for name in ("face", "art"):
                load_state(nets[name], state, face.path.name)
                nets[name].load_metadata(face.facts)
            if judge is not None:
                load_state(nets["dis"], judge, face.path.name)
        nets["dis"].shared = True
        nets["art_ema"] = copy.deepcopy(nets["art"])
        super().__init__(settings, nets, device, frozen=("face",))
        self.optimizers = {
            "art": torch.optim.Adam(nets["art"].parameters(), settings.lr, (0.0, 0.99)),
            "dis": self._lazy(nets["dis"]),
        }
        self.batch_sizes = {"art": self.share}

    def _lazy(self, network: torch.nn.Module) -> torch.optim.Optimizer:
        # Every r1_every-th step counts as two (Karras et al. 2020, appendix B).
        ratio = self.settings.r1_every / (self.settings.r1_every + 1)
        return torch.optim.Adam(network.parameters(), self.settings.lr * ratio, (0.0, 0.99**ratio))

    def parts(self, tensors: Tensors) -> Iterator[tuple[float, Tensors]]:
        """Strided, so that the discriminator compares the same pictures as in the whole batch."""
        cuts = updates.parts(len(next(iter(tensors.values()))), self.settings.micro_batch)
        for cut in cuts:
            yield 1 / len(cuts), {name: rows[cut] for name, rows in tensors.items()}

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        batch = self.begin(batch, draws)
        art: Generator = self.networks["art"]
        real = batch.images["art"]
        count = len(real)
        noise = draws.noise(art.noise_shapes(), count, self.device)
        tensors = {"real": real} | {f"noise{k}": layer for k, layer in enumerate(noise)}
        tensors |= {name: draws.normal(name, count, (art.style_dim,), self.device) for name in ("z_dis", "z_art")}

        def pictures(part: Tensors, z: str) -> Tensor:
            return art(part[z], noise=[part[f"noise{k}"] for k in range(art.n_noise)])[0]

        def on_dis(part: Tensors) -> tuple[Tensor, Scalars]:
            with torch.no_grad():
                fake = pictures(part, "z_dis")
            loss = d_logistic(self.networks["dis"](part["real"]), self.networks["dis"](fake))
            return loss, {"d_loss": loss}

        def on_r1(part: Tensors) -> tuple[Tensor, Scalars]:
            leaf = part["real"].detach().requires_grad_()
            penalty = r1(self.networks["dis"](leaf), leaf)
            return self.settings.r1_gamma / 2 * self.settings.r1_every * penalty, {"r1": penalty}

        def on_art(part: Tensors) -> tuple[Tensor, Scalars]:
            loss = g_nonsaturating(self.networks["dis"](pictures(part, "z_art")))
            return loss, {"g_loss": loss}

        stats = self.update(("dis",), tensors, on_dis)
        if self.settings.r1_gamma and draws.step % self.settings.r1_every == 0:
            stats |= self.update(("dis",), tensors, on_r1)
        stats |= self.update(("art",), tensors, on_art)
        self.average("art", self.settings.ema)
        return stats

    def method(self) -> Toonify:
        generator = copy.deepcopy(self.networks["face"])
        generator.load_state_dict(
            swapped(generator.state_dict(), self.networks["art_ema"].state_dict(), Toonify.from_side)
        )
        return Toonify(generator.eval().requires_grad_(False), self.settings.size)

    def sample(self, batch: Batch, draws: StepRNG) -> Tensor:
        """One row per sample: a seed's face, its art, the two with layers swapped, a picture of the data."""
        real = batch.images["art"][: self.sheet_columns]
        z = draws.normal("sheet", len(real), (self.settings.style_dim,), self.device)

        def columns() -> Tensor:
            made = [self.networks[name](z)[0] for name in ("face", "art_ema")]
            return sheet([*made, self.method().generator(z)[0], real])

        return self.eval_with(columns)


def build(settings: ToonifySettings, device: torch.device) -> ToonifyTraining:
    """Networks, losses and schedule for the training loop."""
    return ToonifyTraining(settings, device)
