"""BlendGAN's training: generator and three discriminators (section 3.3-3.4, Eq. 6-10; appendix A.1)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.blendgan import BlendGAN
from models.networks.style_encoder import StyleEncoder, unfold_weight
from models.networks.stylegan2 import channel_table, channels_from_base
from models.rng import seeded_normal
from models.training import parallel, updates
from models.training.augment import adapted, augment, plan
from models.training.blendgan_settings import BlendGANSettings
from models.training.blendgan_weights import start_from_faces
from models.training.games import Games
from models.training.losses import path_lengths, path_penalty
from models.training.rng import StepRNG
from models.training.settings import ramped
from models.training.style_encoder import load_encoder
from models.training.style_latent import Styles, no_styles
from models.training.training_module import Batch
from models.training.warmup import FaceEncoder, absorb, divergence, recoloured, reconstruction, sampled, whitening
from suite.errors import SuiteError

CODES_COUNTED = 8192  # pictures that the running moments of the warm-up's codes look back on


def _by_domain(batch: Batch) -> dict[str, Tensor]:
    """The step's pictures, natural faces first."""
    return {name: batch.images[name] for name in ("photo", "art") if name in batch.images}


class BlendGANTraining:
    """One step: the three discriminators together, R1, the generator against all three, path length, the average.

    The generator's pictures of a step serve both games: they are drawn once, shown detached to the discriminators, and
    kept for the generator's update, which then meets the updated discriminators. With accumulation they are drawn again,
    since keeping every part's graph is what accumulation avoids.
    """

    sheet_columns = 6

    def __init__(self, settings: BlendGANSettings, device: torch.device, encoder: StyleEncoder | None = None) -> None:
        self.settings, self.device = settings, device
        updates.refuse_fp16(settings, "BlendGAN")
        if settings.compile:
            raise SuiteError(
                "--set compile=true: R1 and path length differentiate twice, which torch.compile cannot; leave it off"
            )
        self.half = updates.DTYPES.get(settings.precision)
        table = channel_table(settings.channel_multiplier, settings.widest)
        if settings.channel_base:
            table = channels_from_base(settings.channel_base, settings.widest)
        encoder = encoder or self._load_encoder()
        if settings.gram_codes and encoder is None:
            raise SuiteError("--set gram_codes=true: --set encoder= must name the weights whose trunk makes the codes")
        code = settings.style_dim if encoder is None else encoder.style_dim
        if settings.gram_codes and encoder is not None:
            code = sum(width**2 for width in encoder.embedder.widths)
        self.encoder, self.code = encoder, code
        g = BlendGAN(settings.size, settings.style_dim, settings.n_mlp, table, code)
        nn.init.constant_(g.add_weight, 1 - settings.blend_start)
        nets: dict[str, nn.Module] = {"g": g}
        self.games = Games(settings, code, table)
        nets |= self.games.networks
        if self.games.on_pairs and encoder is None:
            raise SuiteError("--set style_latent_game=projection: real pairs need --set encoder=")
        if settings.stylegan2 and device.type != "meta":
            start_from_faces(Path(settings.stylegan2), g, nets.get("d_face"))
        for network in nets.values():
            network.to(device)
        nets["g_ema"] = copy.deepcopy(g).requires_grad_(False)
        if encoder is not None:
            nets["style_encoder"] = encoder
        self.networks = nets
        self.constant = frozenset({"style_encoder"} & nets.keys())
        self.g = g
        self.discriminators = list(self.games.networks.values())
        self.trained = [g, *self.discriminators]
        if settings.warmup_steps:
            nets["face_encoder"] = FaceEncoder(settings.size, settings.style_dim).to(device)
        elif settings.reproduced:
            raise SuiteError("--set reproduced: it needs the encoder of a warm-up; give --set warmup_steps= too")
        self.optimizers = self._optimizers()
        self._rates = {name: self.optimizers[name].param_groups[0]["lr"] for name in ("g", "d")}
        queue = torch.randn(settings.queue, code, device=device)
        self.state: dict[str, Any] = {
            "queue": queue,
            "queued": 0,
            "path_mean": torch.zeros((), device=device),
            "p": 0.0,
        }
        if settings.warmup_match:
            dim = settings.style_dim
            self.state["code_mean"] = torch.zeros(dim, device=device)
            self.state["code_square"] = torch.eye(dim, device=device)
        self.remembers = True  # whether a step's codes enter the queue
        share = settings.share(parallel.world())
        self.styled = bool(settings.style_weight or settings.style_latent_weight)
        self.batch_sizes = {"photo": share, "art": share} if self.styled else {"photo": share}

    def _load_encoder(self) -> StyleEncoder | None:
        return load_encoder(self.settings.encoder, self.device) if self.settings.encoder else None

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        settings = self.settings

        def adam(parameters: list[nn.Parameter], every: int) -> torch.optim.Optimizer:
            # Lazy regularisation: every k-th step counts as two (Karras et al. 2020, appendix B).
            ratio = every / (every + 1)
            return torch.optim.Adam(parameters, settings.lr * ratio, (0.0, 0.99**ratio))

        d = [parameter for network in self.discriminators for parameter in network.parameters()]
        optimizers = {"g": adam(list(self.g.parameters()), settings.path_every), "d": adam(d, settings.r1_every)}
        if settings.warmup_steps:
            groups: list[dict[str, Any]] = [
                {"params": list(self.g.parameters())},
                {"params": list(self.networks["face_encoder"].parameters()), "lr": settings.warmup_lr / 4},
            ]
            optimizers["warmup"] = torch.optim.Adam(groups, settings.warmup_lr, (0.9, 0.99))
        return optimizers

    @torch.no_grad()
    def codes(self, images: Tensor) -> Tensor:
        """z_s of style pictures: E_style(x_s), or their Gram matrices."""
        if self.encoder is None:
            raise ValueError("no style encoder was given; reference-guided codes need one")
        grams = self.encoder.embedder(images)
        if self.settings.gram_codes:
            return unfold_weight(grams, self.encoder.embedder.widths)
        return self.encoder.embedder_mlp(grams)

    def step(self, batch: Batch, draws: StepRNG) -> dict[str, Tensor]:
        """One step of all games; see the class."""
        settings = self.settings
        count = len(next(iter(batch.images.values())))
        styles = self._styles(batch.images["art"], draws) if self.styled else no_styles(count, self.device)
        z, z2 = (draws.normal(name, count, (settings.style_dim,), self.device) for name in ("z", "z2"))
        mix = (
            draws.shared_integer("mix_at", 1, self.g.n_latent)
            if draws.shared_uniform("mix") < settings.mixing
            else None
        )
        noise = self._noise(draws, count)
        if draws.step < settings.warmup_steps:
            return self._warm_up(batch, styles, torch.cat([z, z2]), noise, draws)
        if settings.warmup_match and draws.step == settings.warmup_steps:
            self._match_codes()
        self._anneal(draws.step)
        faces, styles, again = self._reproduced(batch, z, z2, styles, draws)
        fake = partial(self._fakes, faces, z2, mix, styles.positive, noise)
        keep_graph = len(updates.parts(count, settings.micro_batch)) == 1
        kept = fake(slice(0, count)) if keep_graph else None

        plans = {name: plan(draws, name, count, self.device) for name in ("real", "fake")}
        stats = self._discriminate(batch, fake, kept, styles, plans)
        if settings.r1_gamma and draws.step % settings.r1_every == 0:
            stats["r1"] = self._regularise(batch, styles)

        def g_loss(part: slice) -> Tensor:
            pair = kept or fake(part)
            natural, stylised = (self._augmented(picture, plans["fake"][part]) for picture in pair)
            loss = self.games.generator_loss(natural, stylised, styles[part])
            if settings.reproduced:
                loss = loss + self._missed(pair, batch, again, part)
            return loss

        with updates.requires_grad_only(self.g, among=self.trained):
            stats["g_loss"] = updates.accumulate(count, settings.micro_batch, g_loss)
            updates.optimizer_step(self.optimizers["g"])
            if settings.path_weight and draws.step % settings.path_every == 0:
                stats |= self._path(z, z2, mix, noise, draws)
        self.g.clamp_blend()
        self._average(draws.step)
        if self.styled and self.remembers:
            self._remember(styles.own if self.games.on_pairs else styles.positive)
        return stats

    def _anneal(self, step: int) -> None:
        last = self.settings.anneal * self.settings.steps
        share = min(1.0, (self.settings.steps - step) / last) if last else 1.0
        for name, rate in self._rates.items():
            self.optimizers[name].param_groups[0]["lr"] = rate * share

    def _noise(self, draws: StepRNG, count: int) -> list[Tensor]:
        """(count, 1, side, side) for every layer that takes noise; zeros where the settings switch it off."""
        if self.settings.noise:
            return draws.noise(self.g.noise_shapes(), count, self.device)
        return [torch.zeros(count, *shape, device=self.device) for shape in self.g.noise_shapes()]

    def _average(self, step: int) -> None:
        decay = ramped(self.settings.ema_decay, self.settings.ema_ramp, step + 1)
        updates.update_ema(self.networks["g_ema"], self.g, decay)

    def _shown(self, batch: Batch, draws: StepRNG) -> list[Tensor]:
        """What the encoder of faces sees of the step's pictures, natural faces first."""
        pictures = _by_domain(batch)
        if self.settings.recolour and "art" in pictures:
            turns = draws.normal("recolour", len(pictures["art"]), (3, 3), self.device)
            pictures["art"] = recoloured(pictures["art"], turns)
        return list(pictures.values())

    @torch.no_grad()
    def _reproduced(
        self, batch: Batch, z: Tensor, z2: Tensor, styles: Styles, draws: StepRNG
    ) -> tuple[tuple[Tensor, Tensor], Styles, Tensor]:
        """Face codes of the natural and of the stylised pictures, their styles, and which of them reproduce a picture."""
        share = self.settings.reproduced
        if not share:
            return (z, z), styles, torch.zeros_like(z[:, 0], dtype=torch.bool)
        again = draws.uniform("reproduced", len(z), (1,), self.device) < share
        codes = []
        for pictures, drawn in zip(self._shown(batch, draws), (z, z2)):
            mean, log_variance = self.networks["face_encoder"](pictures)
            code = sampled(mean, log_variance, drawn)
            codes.append(
                (code - self.state["code_shift"]) @ self.state["code_turn"] if self.settings.warmup_match else code
            )
        natural, stylised = (torch.where(again, rows, z) for rows in (codes[0], codes[-1]))
        if self.styled:
            positive = torch.where(again, styles.own, styles.positive)
            styles = Styles(positive, styles.negative, styles.own, styles.encoded | again)
        return (natural, stylised), styles, again[:, 0]

    def _missed(self, pair: tuple[Tensor, Tensor], batch: Batch, again: Tensor, part: slice) -> Tensor:
        """What the part's reproductions miss of their pictures, in pixels and in features; other pictures count as 0."""
        made = {name: one[again[part]].float() for name, one in zip(_by_domain(batch), pair)}
        pictures = {name: images[part][again[part]] for name, images in _by_domain(batch).items()}
        count = len(pictures["photo"])
        if not count:
            return pair[0].new_zeros(())
        pixels = torch.stack([reconstruction(made[name], pictures[name]).mean() for name in made]).mean()
        loss = self.settings.reproduced_weight * pixels
        if self.settings.reproduced_features:
            loss = loss + self.settings.reproduced_features * self.games.missed_features(made, pictures)
        return loss * (count / len(again[part]))

    def _warm_up(
        self, batch: Batch, styles: Styles, normal: Tensor, noise: list[Tensor], draws: StepRNG
    ) -> dict[str, Tensor]:
        """One step of reconstruction: photographs as natural faces, works of art in their own styles."""
        count, settings = len(styles.own), self.settings
        domains, shown = list(_by_domain(batch).values()), self._shown(batch, draws)
        stats: dict[str, list[Tensor]] = {"reconstruction": [], "divergence": []}

        def loss(part: slice) -> Tensor:
            pictures = torch.cat([images[part] for images in domains])
            drawn = torch.cat([half[part] for half in normal.split(count)[: len(domains)]])
            mean, log_variance = self.networks["face_encoder"](torch.cat([images[part] for images in shown]))
            code = sampled(mean, log_variance, drawn)
            if settings.warmup_match:
                self._count_codes(code.detach())
            w = self.g.broadcast(self.g.map_face(code))
            if self.styled:
                face, content = w.chunk(2)
                w = torch.cat([face, self.g.blend(content, self.g.map_style(styles.own[part]))])
            made = self._synthesise(w, [layer[part].repeat(len(domains), 1, 1, 1) for layer in noise]).float()
            missed, nats = reconstruction(made, pictures).mean(), divergence(mean, log_variance).mean()
            stats["reconstruction"].append(missed.detach())
            stats["divergence"].append(nats.detach())
            return missed + settings.warmup_kl * nats

        updates.accumulate(count, settings.micro_batch, loss)
        updates.optimizer_step(self.optimizers["warmup"])
        self.g.clamp_blend()
        self._average(draws.step)
        if self.styled and self.remembers:
            self._remember(styles.own)
        return {name: torch.stack(values).mean() for name, values in stats.items()}

    def _count_codes(self, codes: Tensor) -> None:
        """Running moments of the warm-up's codes over some thousand pictures."""
        everyone = parallel.gather(codes)
        share = min(1.0, len(everyone) / CODES_COUNTED)
        for name, value in (
            ("code_mean", everyone.mean(0)),
            ("code_square", everyone.T @ everyone / len(everyone)),
        ):
            self.state[name].lerp_(value, share)

    def _match_codes(self) -> None:
        """Codes of mean 0 and covariance I from here on; see `warmup_match`."""
        mean, root, turn = self.state["code_mean"], *whitening(self.state["code_mean"], self.state["code_square"])
        for name in ("g", "g_ema"):
            absorb(self.networks[name].style, mean, root)
        self.state["code_shift"], self.state["code_turn"] = mean.clone(), turn

    def _styles(self, art: Tensor, draws: StepRNG) -> Styles:
        """Codes of the art pictures; z_s+ is drawn from N(0, I) for the share `latent_style` of them."""
        count = len(art)
        drawn = draws.normal("z_style", count, (self.code,), self.device)
        negative = self._negatives(draws, count)
        if self.encoder is None:
            return Styles(drawn, negative, drawn, torch.zeros_like(drawn[:, :1], dtype=torch.bool))
        own = torch.cat([self.codes(part) for part in art.split(self.settings.micro_batch or count)])
        encoded = draws.uniform("latent_style", count, (1,), self.device) >= self.settings.latent_style
        return Styles(torch.where(encoded, own, drawn), negative, own, encoded)

    def _negatives(self, draws: StepRNG, count: int) -> Tensor:
        """z_s- (N, code) from the queue of earlier codes; before any is queued, N(0, I)."""
        filled = min(self.state["queued"], self.settings.queue) or self.settings.queue
        return self.state["queue"][draws.integers("negative", count, filled, self.device)]

    def _remember(self, positive: Tensor) -> None:
        everyone = parallel.gather(positive)[-self.settings.queue :]
        at = (self.state["queued"] + torch.arange(len(everyone), device=self.device)) % self.settings.queue
        self.state["queue"][at] = everyone
        self.state["queued"] += len(everyone)

    def _fakes(
        self,
        faces: tuple[Tensor, Tensor],
        z2: Tensor,
        mix: int | None,
        styles: Tensor,
        noise: list[Tensor],
        part: slice,
    ) -> tuple[Tensor, Tensor]:
        """G(z_f, i = n_latent) and G(z_f, z_s, i = 0) of one part, made together; no stylised ones without a style game."""
        face, content = (self.g.face_latents(z[part], None, None if mix is None else z2[part], mix) for z in faces)
        if not self.styled:
            natural = self._synthesise(face, [layer[part] for layer in noise])
            return natural, natural[:0]
        blended = self.g.blend(content, self.g.map_style(styles[part]))  # Eq. 3 with m = 1
        layered = [layer[part].repeat(2, 1, 1, 1) for layer in noise]
        natural, stylised = self._synthesise(torch.cat([face, blended]), layered).chunk(2)
        return natural, stylised

    def _synthesise(self, latents: Tensor, noise: list[Tensor]) -> Tensor:
        return self.g.synthesis(latents, noise, self.half, checkpointed=self.settings.checkpointing)

    def _discriminate(
        self,
        batch: Batch,
        fake: Callable[[slice], tuple[Tensor, Tensor]],
        kept: tuple[Tensor, Tensor] | None,
        styles: Styles,
        plans: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """One update of all discriminators (Eq. 6-8, their halves)."""
        settings = self.settings
        count = len(batch.images["photo"])
        stats: dict[str, list[Tensor]] = {}

        def loss(part: slice) -> Tensor:
            with torch.no_grad():
                pair = kept or fake(part)
            natural, stylised = (self._augmented(picture.detach(), plans["fake"][part]) for picture in pair)
            real = {
                name: self._augmented(images[part], plans["real"][part]) for name, images in _by_domain(batch).items()
            }
            value, seen = self.games.discriminator_loss(real, natural, stylised, styles[part])
            for name, one in seen.items():
                stats.setdefault(name, []).append(one)
            return value

        if not self.discriminators:
            return {}
        with updates.requires_grad_only(*self.discriminators, among=self.trained):
            updates.accumulate(count, settings.micro_batch, loss)
            updates.optimizer_step(self.optimizers["d"])
        means = {name: torch.stack(values).mean() for name, values in stats.items()}
        signs = [value for name, value in means.items() if name.endswith("_real_sign")]
        if settings.augment == "ada" and signs:
            sign = parallel.mean(torch.stack(signs).mean())
            self.state["p"] = adapted(self.state["p"], sign, count * parallel.world())
            means["augment_p"] = torch.tensor(self.state["p"])
        return means

    def _augmented(self, images: Tensor, rows: Tensor) -> Tensor:
        return augment(images, self.state["p"], rows) if len(images) else images

    def _regularise(self, batch: Batch, styles: Styles) -> Tensor:
        """Lazy R1, an update of its own."""
        settings = self.settings
        weight = settings.r1_gamma / 2 * settings.r1_every

        def loss(part: slice) -> Tensor:
            real = {name: images[part] for name, images in _by_domain(batch).items()}
            return weight * self.games.gradient_penalty(real, styles.own[part])

        with updates.requires_grad_only(*self.discriminators, among=self.trained):
            value = updates.accumulate(len(batch.images["photo"]), settings.micro_batch, loss)
            updates.optimizer_step(self.optimizers["d"])
        return value / weight

    def _path(self, z: Tensor, z2: Tensor, mix: int | None, noise: list[Tensor], draws: StepRNG) -> dict[str, Tensor]:
        """Lazy path-length regularisation of the natural face's W+, an update of its own.

        It sees the first `batch / path_shrink` pictures of the step, mixed as its faces are, however many processes and
        parts there are: a process whose share holds none of them repeats work that no gradient comes from.
        """
        settings, world = self.settings, parallel.world()
        count = max(1, settings.batch // settings.path_shrink)
        share = -(-count // world)
        y = draws.normal("path", share, (3, settings.size, settings.size), self.device)

        def lengths_of(part: slice) -> Tensor:
            rows = range(share)[part]
            take = slice(rows.start, rows.stop, rows.step)
            latents = self.g.face_latents(z[take], None, None if mix is None else z2[take], mix)
            pictures = self._synthesise(latents, [layer[take] for layer in noise])
            return path_lengths(pictures.float(), latents, y[take])

        parts = updates.parts(share, settings.micro_batch)
        kept = lengths_of(parts[0]) if len(parts) == 1 else None
        own = torch.zeros(share, device=self.device)
        for part in parts:
            own[part] = lengths_of(part).detach() if kept is None else kept.detach()
        own.requires_grad_(True)
        everyone = parallel.gather(own)[:count]
        penalty, self.state["path_mean"] = path_penalty(everyone, self.state["path_mean"])
        (weights,) = torch.autograd.grad(settings.path_weight * settings.path_every * penalty, own)
        for part in parts:
            # Every rank has the whole penalty, so `weights` holds it once a rank; the update averages over ranks.
            (weights[part] @ (lengths_of(part) if kept is None else kept)).backward()
        updates.optimizer_step(self.optimizers["g"])
        return {"path_penalty": penalty.detach(), "path_length": everyone.detach().mean()}

    @torch.no_grad()
    def sample(self, batch: Batch, draws: StepRNG) -> Tensor:
        """Four rows: style pictures; natural faces; stylised with the low layers' faces kept; fully stylised."""
        rows = [batch.images[domain][: self.sheet_columns] for domain in sorted(batch.images)[:1]]
        columns = len(rows[0])
        self.sheet_columns = columns
        ema = self.networks["g_ema"]
        assert isinstance(ema, BlendGAN)
        seeds = list(range(columns))
        z = seeded_normal(seeds, [self.settings.style_dim], self.device, "face")
        if not self.styled:
            return torch.cat([*rows, ema(z)[0].clamp(-1, 1)])
        styles = seeded_normal(seeds, [self.code], self.device, "style")
        if self.encoder is not None:
            styles = self.codes(rows[0])
        for i in (ema.n_latent, ema.n_latent // 3, 0):
            rows.append(ema(z, z_style=styles, i=i)[0].clamp(-1, 1))
        return torch.cat(rows)
