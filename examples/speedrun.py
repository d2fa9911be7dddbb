"""BlendGAN in one file: painted portraits in, faces in any style out, and a score to beat.

    python examples/speedrun.py
    python examples/speedrun.py --portraits 24 --encoder-steps 2 --warmup-steps 2 --steps 2 --score 0    # does it run?

The score is FD-lite0 of 500 generated pictures against 500 held-out portraits at 64 px, the mean of natural faces and of
faces in the styles of held-out art; lower is better. Real portraits against real ones score about 80, noise 1,700. Rules:
nothing is downloaded, nothing held out is trained on, the whole run is this file. A record is a line here, with its commit.

| date | score | processor minutes | machine | commit | what was new |
|---|--:|--:|---|---|---|
| 2026-11-27 | 817.1 | 2.6 | AMD EPYC, one thread | 0124372 | the first; options below |

    --portraits 300 --encoder-steps 30 --warmup-steps 250 --steps 20    # 817.1
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise, repeat
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from aahq.painted.portraits import paint, style_seed
from aahq.painted.portraits.worlds import SMALL
from benchmark.metrics.extractors.lite0 import Lite0, Trunk
from benchmark.metrics.sets import set_distance
from models.networks.blendgan import BlendGAN
from models.networks.discriminators import Discriminator, ProjectionDiscriminator
from models.networks.efficientnet_lite import TAP_WIDTHS, Lite0Trunk, load_lite0
from models.networks.style_encoder import StyleEncoder
from models.networks.stylegan2 import channels_from_base
from suite.pictures.machine_made import save_made

SIZE, CODE = 64, 128  # px; numbers in face codes, style codes and w


def portrait(person: int, style: int) -> np.ndarray:
    """One painted portrait, (S, S, 3) uint8."""
    return paint(person, style, SIZE, person % 7, SMALL.name).rgb


def portraits(count: int, domain: str, held_out: bool, pool: ProcessPoolExecutor) -> Tensor:
    """(count, 3, S, S) float32 in [-1, 1]; held-out people and styles are never those of training."""
    people = range(10_000_000 * held_out + (5_000_000 if domain == "art" else 0), 20_000_000)[:count]
    if domain == "photo":
        styles = [style_seed("natural", k % 97) for k in range(count)]
    else:
        first = 50_000 if held_out else 0
        styles = [style_seed(SMALL.families[k % 6], first + k % 601) for k in range(count)]
    pixels = np.stack(list(pool.map(portrait, people, styles, chunksize=16)))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def batches(pictures: Tensor, size: int, rng: np.random.Generator, device: str) -> Tensor:
    """A random batch on the device, half of it mirrored."""
    rows = pictures[rng.choice(len(pictures), size, replace=len(pictures) < size)]
    mirror = torch.from_numpy(rng.random(size) < 0.5)[:, None, None, None]
    return torch.where(mirror, rows.flip(3), rows).to(device, memory_format=torch.channels_last)


def train_style_encoder(art: Tensor, steps: int, rng: np.random.Generator, device: str) -> StyleEncoder:
    """Gram matrices of ImageNet features, and an MLP that finds crops of one work together (section 3.1, Eq. 2)."""
    encoder = StyleEncoder(CODE, widths=TAP_WIDTHS[:3], trunk="lite0")
    trunk = encoder.embedder.feature_extractor
    assert isinstance(trunk, Lite0Trunk)
    trunk.copy_from(load_lite0())
    encoder.embedder.requires_grad_(False)
    encoder.to(device)
    optimizer = torch.optim.Adam(encoder.embedder_mlp.parameters(), 0.002, (0.0, 0.99))
    for _ in range(steps):
        works = batches(art, 32, rng, device)
        views = torch.cat([crop(works, rng), crop(works, rng)])
        codes = F.normalize(encoder(views), dim=1)
        similar = (codes @ codes.T / 0.1).fill_diagonal_(float("-inf"))
        loss = F.cross_entropy(similar, torch.arange(64, device=device).roll(32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return encoder.eval().requires_grad_(False)


def crop(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Three quarters of each picture's side, from anywhere."""
    side = SIZE * 3 // 4
    corners = rng.integers(0, SIZE - side + 1, (len(pictures), 2))
    return torch.stack([p[:, y : y + side, x : x + side] for p, (y, x) in zip(pictures, corners)])


class FaceEncoder(nn.Sequential):
    """Pictures -> face codes, standardised over the batch; for the warm-up alone."""

    def __init__(self) -> None:
        widths = (3, 32, 64, 128, 128)
        body = [m for a, b in pairwise(widths) for m in (nn.Conv2d(a, b, 3, 2, 1), nn.LeakyReLU(0.2))]
        super().__init__(*body, nn.Flatten(), nn.Linear(2048, CODE), nn.BatchNorm1d(CODE, affine=False))


class Training:
    """The generator, its discriminators, and one step of each phase.

    D_face tells natural faces from generated ones (Eq. 6). D_style is a projection discriminator: its logit without a code
    tells art from generated art (Eq. 7), with a code it also asks whether picture and code belong together (Eq. 8).
    """

    def __init__(
        self, photo: Tensor, art: Tensor, encoder: StyleEncoder, batch: int, rng: np.random.Generator, device: str
    ) -> None:
        self.photo, self.art, self.encoder = photo, art, encoder
        self.batch, self.rng, self.device = batch, rng, device
        table = channels_from_base(1536, 128)
        self.g, self.mean = (BlendGAN(SIZE, CODE, 3, table, CODE) for _ in range(2))
        nn.init.constant_(self.g.add_weight, 0.5)
        self.mean.load_state_dict(self.g.state_dict())
        self.d_face, self.d_style = Discriminator(SIZE, table), ProjectionDiscriminator(SIZE, CODE, table)
        self.faces = FaceEncoder()
        for network in (self.g, self.mean, self.d_face, self.d_style, self.faces):
            network.to(device)
        judges = [*self.d_face.parameters(), *self.d_style.parameters()]
        self.for_g = torch.optim.Adam(self.g.parameters(), 0.002, (0.0, 0.99))
        self.for_d = torch.optim.Adam(judges, 0.002, (0.0, 0.99))
        self.for_warmup = torch.optim.Adam([*self.g.parameters(), *self.faces.parameters()], 0.003, (0.9, 0.99))

    def blended(self, w_face: Tensor, codes: Tensor) -> Tensor:
        """Natural faces and the same faces in the styles of `codes`, (2B, 3, S, S) (Eq. 3-5 with i = 0)."""
        styled = self.g.blend(w_face, self.g.map_style(codes))
        return self.g.synthesis(torch.cat([self.g.broadcast(w_face), styled]), "random")

    def warmup(self) -> Tensor:
        """Both domains are reproduced from codes: no game has to find out where a face is."""
        real, art = (batches(pictures, self.batch, self.rng, self.device) for pictures in (self.photo, self.art))
        codes = torch.cat([self.faces(real), self.faces(art)])
        w = self.g.map_face((codes + 0.5 * torch.randn_like(codes)) / 1.25**0.5)
        styled = self.g.blend(w[self.batch :], self.g.map_style(self.encoder(art)))
        made = self.g.synthesis(torch.cat([self.g.broadcast(w[: self.batch]), styled]), "random")
        loss = sum((F.avg_pool2d(made - torch.cat([real, art]), k)).abs().mean() for k in (1, 2, 4))
        update(self.for_warmup, loss)
        return loss.detach()

    def games(self, regularise: bool) -> tuple[Tensor, Tensor]:
        """One update of the discriminators and one of the generator, non-saturating, with R1 now and then."""
        real, art = (batches(pictures, self.batch, self.rng, self.device) for pictures in (self.photo, self.art))
        own = self.encoder(art)
        natural, styled = self.blended(self.g.map_face(torch.randn(self.batch, CODE, device=self.device)), own).chunk(2)
        if regularise:
            real, art = real.requires_grad_(), art.requires_grad_()
        on_real, h = self.d_face(real), self.d_style.hidden(art)
        right = self.d_style.score(h, own)
        wrong = self.d_style.score(h, own.roll(1, 0))
        h_fake = self.d_style.hidden(styled.detach())
        d = F.softplus(-on_real).mean() + F.softplus(self.d_face(natural.detach())).mean()
        d = d + F.softplus(-self.d_style.l_out(h)).mean() + F.softplus(self.d_style.l_out(h_fake)).mean()
        d = d + F.softplus(-right).mean() + (F.softplus(wrong) + F.softplus(self.d_style.score(h_fake, own))).mean() / 2
        if regularise:
            slopes = torch.autograd.grad(on_real.sum() + right.sum(), [real, art], create_graph=True)
            d = d + 0.1 * 16 * sum(slope.square().sum((1, 2, 3)).mean() for slope in slopes)
        update(self.for_d, d)
        h = self.d_style.hidden(styled)
        verdicts = self.d_face(natural), self.d_style.l_out(h), self.d_style.score(h, own)
        g = sum(F.softplus(-verdict).mean() for verdict in verdicts)
        update(self.for_g, g)
        self.for_d.zero_grad()
        self.g.clamp_blend()
        return d.detach(), g.detach()

    @torch.no_grad()
    def average(self, step: int) -> None:
        """The networks of late steps, averaged; at first over few steps, since those before were worse."""
        rate = max(0.002, 10 / (step + 11))
        for kept, new in zip(self.mean.state_dict().values(), self.g.state_dict().values()):
            kept.lerp_(new, rate) if kept.is_floating_point() else kept.copy_(new)

    @torch.no_grad()
    def pictures(self, count: int, styles: Tensor | None) -> Tensor:
        """Faces of seeds 0, 1, ...: natural, or in the styles of pictures. (count, 3, S, S) in [-1, 1]."""
        z = torch.randn(count, CODE, generator=torch.Generator().manual_seed(0)).to(self.device)
        codes = repeat(None) if styles is None else self.encoder(styles.to(self.device)).split(50)
        made = [self.mean(part, z_style=code)[0].cpu() for part, code in zip(z.split(50), codes)]
        return torch.cat(made).clamp(-1, 1)


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def features(pictures: Tensor, extractor: Lite0) -> np.ndarray:
    pixels = ((pictures + 1) * 127.5).round().byte()
    return torch.cat([extractor(part) for part in pixels.split(50)]).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description="BlendGAN in one file, from painted portraits to a score.")
    for name, value in (("portraits", 2000), ("encoder-steps", 150), ("warmup-steps", 800), ("steps", 1200)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--score", type=int, default=500, help="pictures a side; 0 skips the score")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--out", type=Path, default=Path("speedrun.png"))
    args = parser.parse_args()
    torch.manual_seed(0)
    rng, start = np.random.default_rng(0), time.perf_counter()

    with ProcessPoolExecutor() as pool:
        photo, art = (portraits(args.portraits, domain, False, pool) for domain in ("photo", "art"))
        count = max(args.score, 8)
        known = {domain: portraits(count, domain, True, pool) for domain in ("photo", "art")}
    run = Training(
        photo, art, train_style_encoder(art, args.encoder_steps, rng, args.device), args.batch, rng, args.device
    )
    for step in range(args.warmup_steps + args.steps):
        if step < args.warmup_steps:
            losses = f"reconstruction {run.warmup():.3f}"
        else:
            losses = "d {:.2f}  g {:.2f}".format(*run.games(regularise=step % 16 == 0))
        run.average(step)
        if step % 100 == 0:
            print(f"step {step:5d}  {losses}  {(time.perf_counter() - start) / 60:.1f} min", flush=True)

    made = {"photo": run.pictures(count, None), "art": run.pictures(count, known["art"])}
    rows = [known["art"][:8], made["photo"][:8], made["art"][:8]]
    sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)
    save_made(Image.fromarray(((sheet + 1) * 127.5).byte().permute(1, 2, 0).numpy()), args.out, "PNG", composite=True)
    if args.score:
        extractor = Lite0(Trunk(device=args.device))
        values = [set_distance(features(known[k], extractor), features(made[k], extractor)).fd for k in made]
        print(f"score {sum(values) / 2:.1f}  (natural {values[0]:.1f}, art {values[1]:.1f})")
    spent = sum(os.times()[:4]) / 60  # this process and those that painted
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes, {spent:.1f} of a processor; pictures in {args.out}")


if __name__ == "__main__":
    main()
