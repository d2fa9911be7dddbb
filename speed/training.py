"""BlendGAN's training step against a straightforward one over the same networks, and what the loader and the dry run cost."""

from __future__ import annotations

import torch
from torch import Tensor

from models.networks.style_encoder import StyleEncoder
from models.training import estimate, updates
from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from models.training.losses import d_logistic, g_nonsaturating, path_lengths, path_penalty, r1
from models.training.rng import StepRNG
from models.training.training_module import Batch
from ops.dispatch import use
from speed.run import Row, ratio

SIZE, BATCH, ROUNDS = 64, 8, 3
PERIOD = BlendGANSettings.model_fields["r1_every"].default
CPU = torch.device("cpu")


def settings() -> BlendGANSettings:
    return BlendGANSettings(
        size=SIZE,
        steps=8,
        batch=BATCH,
        style_dim=128,
        n_mlp=4,
        widest=64,
        queue=64,
        channels_last=True,
    )


class Plain:
    """The same games written down one after the other: every discriminator call and every generated picture anew."""

    def __init__(self, module: BlendGANTraining) -> None:
        self.it = module

    def step(self, batch: Batch, draws: StepRNG) -> None:
        it, nets = self.it, self.it.networks
        art, photo = batch.images["art"], batch.images["photo"]
        count = len(art)
        code = it.codes(art)
        other = it.state["queue"][:count]
        z = draws.normal("z", count, (it.settings.style_dim,))
        noise = [draws.normal(str(k), count, shape) for k, shape in enumerate(it.g.noise_shapes())]

        def pair() -> tuple[Tensor, Tensor]:
            return it.g(z, noise=noise)[0], it.g(z, z_style=code, noise=noise)[0]

        with updates.requires_grad_only(*it.discriminators, among=it.trained):
            with torch.no_grad():
                natural, stylised = pair()
            judge = nets["d_style_latent"]
            loss = (
                d_logistic(nets["d_face"](photo), nets["d_face"](natural))
                + d_logistic(nets["d_style"](art), nets["d_style"](stylised))
                + d_logistic(judge(stylised, code), judge(stylised, other))
            )
            loss.backward()
            updates.optimizer_step(it.optimizers["d"])
            if draws.step % it.settings.r1_every == 0:
                for name, real in (("d_face", photo), ("d_style", art)):
                    real = real.detach().requires_grad_(True)
                    (5 * it.settings.r1_every * r1(nets[name](real), real)).backward()
                updates.optimizer_step(it.optimizers["d"])
        with updates.requires_grad_only(it.g, among=it.trained):
            natural, stylised = pair()
            loss = sum(
                (g_nonsaturating(nets[name](fake)) for name, fake in (("d_face", natural), ("d_style", stylised))),
                g_nonsaturating(judge(stylised, code)),
            )
            loss.backward()
            updates.optimizer_step(it.optimizers["g"])
            if draws.step % it.settings.path_every == 0:
                pictures, latents = it.g(z[: count // 2], noise=[layer[: count // 2] for layer in noise])
                lengths = path_lengths(pictures, latents, torch.randn_like(pictures))
                penalty, it.state["path_mean"] = path_penalty(lengths, it.state["path_mean"])
                (2 * it.settings.path_every * penalty).backward()
                updates.optimizer_step(it.optimizers["g"])
        updates.update_ema(nets["g_ema"], it.g, it.settings.ema_decay)


def make() -> BlendGANTraining:
    torch.manual_seed(0)
    return BlendGANTraining(settings(), CPU, StyleEncoder(128, widths=(16, 32, 48, 64, 64)))


def rows() -> list[Row]:
    """Sixteen steps of each: one period of the lazy regularisers, R1 once and path length four times, as profiles have it."""
    generator = torch.Generator().manual_seed(0)
    images = {name: torch.rand(BATCH, 3, SIZE, SIZE, generator=generator) * 2 - 1 for name in ("photo", "art")}
    ours, plain = make(), Plain(make())
    batch = Batch({name: image.contiguous(memory_format=torch.channels_last) for name, image in images.items()})
    for network in plain.it.networks.values():
        channels_last(network)
    faster, mine, theirs = ratio(
        lambda: [ours.step(batch, StepRNG(0, step)) for step in range(PERIOD)],
        lambda: _plainly(plain, batch),
        ROUNDS,
    )
    work = f"BlendGAN training step, {SIZE} px, batch {BATCH}, a period of {PERIOD} steps"
    note = (
        f"a straightforward loop, same networks, plain operators, both channels-last: {theirs / PERIOD:.2f} s a step, "
    )
    note += f"ours {mine / PERIOD:.2f} s"
    out = [Row(work, faster, "x faster", "at least 1.3", note, faster >= 1.3)]
    traced, real = _peaks()
    note = f"traced {traced / 1e6:.0f} MB without data, {real / 1e6:.0f} MB in a real step"
    off = abs(traced / real - 1)
    out.append(Row("peak of tensors, dry run against a real step", 100 * off, "% off", "within 15", note, off <= 0.15))
    return out


def channels_last(network: torch.nn.Module) -> None:
    """Weights of convolutions in that layout; modulated ones have five dimensions and stay."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def _plainly(plain: Plain, batch: Batch) -> None:
    with use("reference"):
        for step in range(PERIOD):
            plain.step(batch, StepRNG(0, step))


def _peaks() -> tuple[int, int]:
    traced = estimate.trace(
        lambda device: BlendGANTraining(settings(), device, StyleEncoder(128, widths=(16,) * 5).to(device)), SIZE
    ).peak
    with estimate.LiveBytes() as counter:
        module = BlendGANTraining(settings(), CPU, StyleEncoder(128, widths=(16,) * 5))
        generator = torch.Generator().manual_seed(0)
        images = {name: torch.rand(BATCH, 3, SIZE, SIZE, generator=generator) for name in ("photo", "art")}
        for step in (0, 1):
            module.step(Batch(images), StepRNG(0, step))
    return traced, counter.peak
