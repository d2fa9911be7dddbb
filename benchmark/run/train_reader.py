"""Train the reader's heads by contrast, and judge them as retrieval on people and styles that they never saw.

The trunk is frozen, so every portrait passes it twice (as painted, and once blurred, shrunk, noisy or compressed), and
the heads train on what it says: minutes on one processor core.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmark.data_files import JUDGE, PEOPLE
from benchmark.metrics.extractors.lite0 import Trunk
from benchmark.metrics.extractors.reader import LARGEST, Heads, Reader, identity_places, style_statistics
from benchmark.metrics.retrieval import share_right
from benchmark.run.generate import read_rows
from models.data.release import Release, open_release
from models.weights.writing import write_tensors
from suite.children import run_command
from suite.errors import SuiteError
from suite.files import canonical_json, whole_file
from suite.progress import progress

BATCH = 32
# Classes in a batch, pictures of each, and InfoNCE's temperature.
CLASSES, EACH, TEMPERATURE = 96, 4, 0.1
JUDGED = (32, 64, 128)
WORLD = "small"
What = Literal["style", "identity"]


@dataclass(frozen=True)
class FactorDataset:
    """What the trunk says of painted portraits.

    Attributes:
        style: two (N, STATISTICS) float16, as painted and worn. identity: two (N, PLACE_CHANNELS, 7, 7).
        labels: `style` and `identity` -> (N,) seeds. family: (N,) family numbers; 0 is natural.
    """

    style: tuple[Tensor, Tensor]
    identity: tuple[Tensor, Tensor]
    labels: dict[str, np.ndarray]
    family: np.ndarray


def lessons_of(releases: Sequence[Release], trunk: Trunk, seed: int) -> FactorDataset:
    """Every portrait of painted releases, seen twice.

    Raises:
        SuiteError: pictures without factors.
    """
    rng = np.random.default_rng(seed)
    embeddings: dict[str, tuple[list[Tensor], list[Tensor]]] = {"style": ([], []), "identity": ([], [])}
    labels: dict[str, list[int]] = {"style": [], "identity": []}
    names: list[str] = []
    for release in releases:
        for start in progress(range(0, len(release), BATCH), f"seen of {release.root.name}", unit="batch"):
            rows = list(range(start, min(start + BATCH, len(release))))
            factors = [release.factors(row) for row in rows]
            if any(f is None for f in factors):
                raise SuiteError(f"--data {release.root}: pictures without factors; paint some with 'aahq portraits'")
            for f in factors:
                assert f is not None
                labels["style"].append(int(f["style"]))
                labels["identity"].append(int(f["identity"]))
                names.append(str(f["style_name"]))
            pictures = read_rows(release, rows, min(release.size, LARGEST))
            for place, x in enumerate((pictures.float(), torch.cat([worn(one, rng) for one in pictures]))):
                style, identity = _embedded(x, trunk)
                embeddings["style"][place].append(style.half())
                embeddings["identity"][place].append(identity.half())
    kinds = {name: number for number, name in enumerate(["natural", *sorted(set(names) - {"natural"})])}
    return FactorDataset(
        style=(torch.cat(embeddings["style"][0]), torch.cat(embeddings["style"][1])),
        identity=(torch.cat(embeddings["identity"][0]), torch.cat(embeddings["identity"][1])),
        labels={what: np.array(values) for what, values in labels.items()},
        family=np.array([kinds[name] for name in names]),
    )


@torch.inference_mode()
def _embedded(x: Tensor, trunk: Trunk) -> tuple[Tensor, Tensor]:
    maps = trunk.network.maps(trunk.prepare(x))
    return style_statistics(x.to(maps[0].device), maps).cpu(), identity_places(maps).cpu()


def worn(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """One uint8 picture (3, S, S) as a generator or the web may leave it: float32 (1, 3, S, S) in [0, 255].

    Shrunk to 26 to 60 px and back, blurred, noisy, moved, compressed, lighter or darker, each by chance.
    """
    side = picture.shape[-1]
    x = picture[None].float()
    if rng.random() < 0.7:
        small = int(rng.integers(26, 60))
        mode = "bicubic" if rng.random() < 0.7 else "bilinear"
        x = F.interpolate(x, (small, small), mode=mode, antialias=True, align_corners=False).clamp(0, 255)
        x = F.interpolate(x, (side, side), mode="bicubic", align_corners=False).clamp(0, 255)
    if rng.random() < 0.3:
        x = _blurred(x, rng.uniform(0.4, 1.2))
    if rng.random() < 0.4:
        x = (x + torch.from_numpy(rng.standard_normal(x.shape)).float() * rng.uniform(1, 10)).clamp(0, 255)
    if rng.random() < 0.3:
        right, down = rng.integers(-2, 3, 2)
        x = torch.roll(x, (int(down), int(right)), (2, 3))
    if rng.random() < 0.4:
        x = _compressed(x, int(rng.integers(40, 95)))
    if rng.random() < 0.3:
        x = (x * rng.uniform(0.93, 1.07) + rng.uniform(-6, 6)).clamp(0, 255)
    return x


def _blurred(x: Tensor, sigma: float) -> Tensor:
    at = torch.arange(-3, 4.0)
    line = torch.exp(-(at**2) / (2 * sigma**2))
    line = line / line.sum()
    return F.conv2d(
        F.pad(x, (3, 3, 3, 3), mode="reflect").transpose(0, 1), torch.outer(line, line)[None, None]
    ).transpose(0, 1)


def _compressed(x: Tensor, quality: int) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(x[0].round().byte().permute(1, 2, 0).contiguous().numpy()).save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer).convert("RGB"))).permute(2, 0, 1)[None].float()


def contrast(vectors: Tensor, labels: Tensor) -> Tensor:
    """InfoNCE over a batch: of all other pictures, those of the same label are the right ones (Khosla et al. 2020, Eq. 2)."""
    own = torch.eye(len(vectors), dtype=torch.bool)
    odds = (vectors @ vectors.T / TEMPERATURE).masked_fill(own, -1e9).log_softmax(1)
    right = (labels[:, None] == labels[None]) & ~own
    each = torch.where(right, odds, torch.zeros(())).sum(1) / right.sum(1).clamp(min=1)
    return -each[right.any(1)].mean()


def train(lessons: FactorDataset, steps: int, seed: int) -> Heads:
    """Both heads, trained for `steps` each. Deterministic for one thread count."""
    torch.manual_seed(seed)
    heads = Heads()
    for what in ("style", "identity"):
        _train_head(heads, what, lessons, steps, np.random.default_rng([seed, len(what)]))
    # What is kept is float16; judge what is kept.
    return heads.half().float().eval().requires_grad_(False)


def _train_head(heads: Heads, what: What, lessons: FactorDataset, steps: int, rng: np.random.Generator) -> None:
    head = getattr(heads, what)
    inputs: tuple[Tensor, Tensor] = getattr(lessons, what)
    _standardise(head, inputs)
    groups = _groups(lessons, what)
    keys = np.array(sorted(groups))
    family = np.array([lessons.family[groups[key][0]] for key in keys])
    optimiser = torch.optim.AdamW(head.parameters(), 1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=steps)
    for _ in progress(range(steps), f"train {what}", unit="step"):
        pool = keys
        if what == "style" and rng.random() < 0.5:
            # Styles of two families alone: what tells them apart is finer.
            pool = keys[np.isin(family, rng.choice(np.unique(family), 2, replace=False))]
        chosen = [int(key) for key in rng.choice(pool, min(CLASSES, len(pool)), replace=False)]
        parts = [rng.choice(groups[key], min(EACH, len(groups[key])), replace=False) for key in chosen]
        rows = torch.from_numpy(np.concatenate(parts))
        labels = torch.from_numpy(np.repeat(np.arange(len(parts)), [len(part) for part in parts]))
        as_painted = torch.from_numpy(rng.random(len(rows)) < 0.5).view(-1, *[1] * (inputs[0].ndim - 1))
        x = torch.where(as_painted, inputs[0][rows], inputs[1][rows]).float()
        loss = contrast(head(x), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()


def _standardise(head: Any, inputs: tuple[Tensor, Tensor]) -> None:
    everything = torch.cat(inputs).float()
    over = (0, 2, 3)[: everything.ndim - 1]
    head.mean.copy_(everything.mean(over).view_as(head.mean))
    head.std.copy_(everything.std(over).view_as(head.std).clamp(min=1e-3))


def _groups(lessons: FactorDataset, what: What) -> dict[int, np.ndarray]:
    """Label -> rows, of labels with at least two; a natural style is no style."""
    groups: dict[int, list[int]] = {}
    for row, label in enumerate(lessons.labels[what]):
        if what == "identity" or lessons.family[row]:
            groups.setdefault(int(label), []).append(row)
    return {label: np.array(rows) for label, rows in groups.items() if len(rows) > 1}


def judge(reader: Reader, releases: Sequence[Release]) -> dict[str, dict[str, float]]:
    """Retrieval accuracies by size: of painted answers among photographs and among references, as in the tables.

    Args:
        releases: of the judge's list, at 64 px (read at 32 px too) and 128 px.
    """
    by_size = {release.size: release for release in releases}
    out: dict[str, dict[str, float]] = {}
    for size in JUDGED:
        release = by_size.get(size) or by_size[min(known for known in by_size if known > size)]
        out[str(size)] = {name: round(value, 4) for name, value in _accuracies(reader, _Exam.of(release, size)).items()}
    return out


@dataclass(frozen=True)
class _Exam:
    """The judge's pictures at one size, with who and how they are. (N,) seeds; families by name."""

    pictures: Tensor
    identity: np.ndarray
    style: np.ndarray
    family: np.ndarray
    references: np.ndarray
    faces: np.ndarray
    answers: np.ndarray

    @classmethod
    def of(cls, release: Release, size: int) -> _Exam:
        rows = list(range(len(release)))
        factors = [release.factors(row) or {} for row in rows]
        identity, style = (np.array([int(f[name]) for f in factors]) for name in ("identity", "style"))
        family = np.array([str(f["style_name"]) for f in factors])
        photo = family == "natural"
        answer = ~photo & np.isin(identity, identity[photo])
        pictures = torch.cat([read_rows(release, rows[at : at + BATCH], size) for at in range(0, len(rows), BATCH)])
        parts = (np.flatnonzero(~photo & ~answer), np.flatnonzero(photo), np.flatnonzero(answer))
        return cls(pictures, identity, style, family, *parts)


def _accuracies(reader: Reader, exam: _Exam) -> dict[str, float]:
    style, identity = (
        torch.cat([embed(part) for part in exam.pictures.split(BATCH)]) for embed in (reader.style, reader.identity)
    )
    # The unchanged input: the face itself in the place of every answer.
    own = np.array([exam.faces[exam.identity[exam.faces] == exam.identity[row]][0] for row in exam.answers])
    family = exam.family
    accuracies = {}
    for among in (10, 100):
        accuracies[f"style of {among}"] = _retrieved(style, exam.style, exam.answers, exam.references, among)
        accuracies[f"identity of {among}"] = _retrieved(identity, exam.identity, exam.answers, exam.faces, among)
        accuracies[f"style of {among}, unchanged input"] = _retrieved(
            style, exam.style, exam.answers, exam.references, among, instead=own
        )
    accuracies["style of 10 of its family"] = _retrieved(style, exam.style, exam.answers, exam.references, 10, family)
    return accuracies


def _retrieved(
    vectors: Tensor,
    labels: np.ndarray,
    queries: np.ndarray,
    keys: np.ndarray,
    among: int,
    family: np.ndarray | None = None,
    instead: np.ndarray | None = None,
) -> float:
    """Share of queries whose nearest of `among` keys, the right one among them, has their label.

    Args:
        family: only keys of the query's family are drawn. instead: rows that are read in the queries' place.
    """
    rng = np.random.default_rng(0)
    right = []
    for query, read in zip(queries, queries if instead is None else instead, strict=True):
        wanted = keys[labels[keys] == labels[query]][:1]
        others = keys[labels[keys] != labels[query]]
        if family is not None:
            others = others[family[others] == family[query]]
        chosen = np.concatenate([wanted, rng.choice(others, min(among - 1, len(others)), replace=False)])
        right.append(share_right(vectors[[read]], vectors[chosen], labels[chosen].tolist(), [labels[query]]))
    return float(torch.cat(right).mean())


def save(path: Path, heads: Heads, card: dict[str, Any]) -> None:
    """Write the heads as float16 with their card, atomically."""
    tensors = {key: value.half().contiguous() for key, value in heads.state_dict().items()}
    with whole_file(path) as part:
        write_tensors(part, tensors, {"reader": canonical_json(card)})


def paint(folder: Path, workers: int | None = None) -> tuple[list[Release], list[Release]]:
    """The portraits to learn from and those to be judged on, painted into `folder` unless they are there.

    Raises:
        SuiteError: the painter's own last words.
    """
    options = ["--world", WORLD, "--form", "shards", *(["--workers", str(workers)] if workers else [])]
    styles = ["--count", "5000", "--identities", "2500", "--styles", "600", "--seed", "1", "--domain", "art"]
    wanted = {
        "styles": [*styles, "--size", "64"],
        "people": ["--list", str(PEOPLE), "--size", "64"],
        "judge-64": ["--list", str(JUDGE), "--size", "64"],
        "judge-128": ["--list", str(JUDGE), "--size", "128"],
    }
    releases = {}
    for name, words in wanted.items():
        if not (folder / name / "release.json").is_file():
            command = [sys.executable, "-m", "aahq", "portraits", str(folder / name), *words, *options]
            if run_command(command).returncode:
                raise SuiteError("train-reader: 'aahq portraits' failed; its message stands above")
        releases[name] = open_release(folder / name)
    return [releases["styles"], releases["people"]], [releases["judge-64"], releases["judge-128"]]
