"""Train the factor network on painted portraits: regress what makes person and style, classify hair and family."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.metrics.extractors.factor_net import HAIR, IDENTITY, STYLE, FactorNet, prepare
from benchmark.run.generate import read_rows
from models.data.release import Release
from models.weights.writing import write_tensors
from suite.errors import SuiteError
from suite.files import canonical_json, whole_file
from suite.progress import progress


@dataclass(frozen=True)
class Lessons:
    """Painted portraits with their factors.

    Attributes:
        pictures: (N, 3, S, S) uint8.
        identity, style: (N, D) float32 factors as painted.
        hair, family: (N,) int64 classes. families: names of the family classes.
        held: (N,) bool, pictures of people that are never trained on.
    """

    pictures: Tensor
    identity: Tensor
    style: Tensor
    hair: Tensor
    family: Tensor
    families: tuple[str, ...]
    held: Tensor


def lessons_of(factors: list[dict[str, Any]], pictures: Tensor, held: Tensor) -> Lessons:
    """Lessons from pictures and the manifest's factors."""
    families = tuple(sorted({str(f["style_name"]) for f in factors}))
    try:
        identity = torch.tensor([[float(f[name]) for name in IDENTITY] for f in factors])
        style = torch.tensor([[float(f[name]) for name in STYLE] for f in factors])
        hair = torch.tensor([int(f["hair_style"]) % HAIR for f in factors])
    except KeyError as error:
        raise SuiteError(f"--data: the portraits' factors have no {error}; paint them with 'aahq portraits'") from None
    family = torch.tensor([families.index(str(f["style_name"])) for f in factors])
    return Lessons(pictures, identity, style, hair, family, families, held)


def read_lessons(release: Release) -> Lessons:
    """Every portrait of a painted release; people of the val and test splits are held out.

    Raises:
        SuiteError: pictures without factors.
    """
    factors = [release.factors(row) for row in range(len(release))]
    if any(f is None for f in factors):
        raise SuiteError(f"--data {release.root}: pictures without factors; paint some with 'aahq portraits'")
    held = torch.from_numpy((release.manifest["split"] != "train").to_numpy().copy())
    return lessons_of([f for f in factors if f], read_rows(release, list(range(len(release)))), held)


def train(
    lessons: Lessons, steps: int, batch: int, seed: int = 0, lr: float = 2e-3
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train and judge: (tensors to keep, card). Deterministic for one thread count.

    Colours and brightness stay as they are (they are style); pictures are mirrored, shifted a little and made noisy,
    so that the network reads generated pictures too.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    inputs = prepare(lessons.pictures)
    rows = torch.nonzero(~lessons.held).flatten().numpy()
    norms = {
        name: _norm(value[~lessons.held]) for name, value in (("identity", lessons.identity), ("style", lessons.style))
    }
    targets = {name: (getattr(lessons, name) - mean) / std for name, (mean, std) in norms.items()}
    net = FactorNet(lessons.families)
    optimiser = torch.optim.AdamW(net.parameters(), lr, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    for _ in progress(range(steps), "train-features", unit="step"):
        pick = torch.from_numpy(rng.choice(rows, batch))
        said = net(_augment(inputs[pick], rng))
        loss = F.mse_loss(said.identity, targets["identity"][pick]) + F.mse_loss(said.style, targets["style"][pick])
        loss = loss + 0.3 * F.cross_entropy(said.hair, lessons.hair[pick])
        loss = loss + 0.5 * F.cross_entropy(said.family, lessons.family[pick])
        # The pooled vector must hold both, so that distances between sets see both.
        loss = loss + 0.5 * _linear_fit(said.features, torch.cat([targets["identity"], targets["style"]], 1)[pick])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    return _judge(net, inputs, targets, lessons, norms)


def _norm(values: Tensor) -> tuple[Tensor, Tensor]:
    return values.mean(0), values.std(0).clamp(min=1e-6)


def _augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    flip = torch.from_numpy(rng.random(len(images)) < 0.5)[:, None, None, None]
    images = torch.where(flip, images.flip(3), images)
    shift = rng.integers(-2, 3, 2)
    images = torch.roll(images, (int(shift[0]), int(shift[1])), (2, 3))
    return images + 0.04 * float(rng.random()) * torch.randn_like(images)


def _linear_fit(features: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of the best ridge prediction of `targets` from `features` inside the batch."""
    ones = torch.ones(len(features), 1)
    x = torch.cat([features, ones], 1)
    gram = x.T @ x + 0.1 * len(x) * torch.eye(x.shape[1])
    return F.mse_loss(x @ torch.linalg.solve(gram, x.T @ targets), targets)


@torch.inference_mode()
def _judge(
    net: FactorNet,
    inputs: Tensor,
    targets: dict[str, Tensor],
    lessons: Lessons,
    norms: dict[str, tuple[Tensor, Tensor]],
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    net.half().float()  # what is kept is float16; judge what is kept
    net.eval()
    held = torch.nonzero(lessons.held).flatten()
    if not len(held):
        raise SuiteError("--data: no held-out people (val or test split) to judge the network with")
    said = [net(inputs[part]) for part in held.split(256)]
    tensors: dict[str, Tensor] = {f"net.{key}": value.half() for key, value in net.state_dict().items()}
    report: dict[str, Any] = {"portraits": len(inputs), "held_out": len(held)}
    for name in ("identity", "style"):
        gap = torch.cat([getattr(one, name) for one in said]) - targets[name][held]
        tensors[f"{name}_error"] = gap.square().mean(0).sqrt().clamp(min=0.05)
        tensors[f"{name}_mean"], tensors[f"{name}_std"] = norms[name]
        report[f"{name}_r2"] = round(float(1 - gap.square().mean()), 4)
    for name in ("hair", "family"):
        right = torch.cat([getattr(one, name) for one in said]).argmax(1) == getattr(lessons, name)[held]
        report[f"{name}_accuracy"] = round(float(right.float().mean()), 4)
    return tensors, {"families": list(lessons.families), "report": report}


def save(path: Path, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write the network with its card, atomically."""
    with whole_file(path) as part:
        write_tensors(part, tensors, {"factor_net": canonical_json(card)})
