"""One training step of each baseline beside its authors'. Widths are small where only losses are compared."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from baselines.registry import TRAINABLE
from models.training.rng import StepRNG
from models.training.training_module import Batch
from speed.published.loading import Munch, Peers, placed
from speed.published.pairs import STILL, Figures, Pair, given, pictures, same_weights
from suite.profiles import load_profile

RNG = StepRNG(5, 0)


def _settings(name: str, *overrides: str) -> Any:
    row = TRAINABLE[name]
    assert row.settings is not None
    return load_profile(row.settings, row.package, "paper", ("steps=10", f"lr={STILL}", *overrides))


def _module(name: str, device: torch.device, *overrides: str) -> Any:
    torch.manual_seed(0)
    return TRAINABLE[name].module("training").build(_settings(name, *overrides), device)


def _configuration(peers: Peers, path: str) -> Any:
    """A configuration file of theirs."""
    import yaml

    return yaml.safe_load(Path(peers.folder, path).read_text())


def adain(peers: Peers, device: torch.device, size: int = 64, batch: int = 2) -> Pair:
    """naoto0804/pytorch-AdaIN `net.Net` and the loop of `train.py`, at its published widths."""
    (net,) = peers.load("pytorch-AdaIN", "net")
    ours = _module("adain", device, f"size={size}", "crop_from=1", f"batch={batch}", "encoder=random")
    encoder = same_weights(net.vgg, ours.networks["vgg"])
    theirs = net.Net(nn.Sequential(*list(encoder.children())[:31]), same_weights(net.decoder, ours.networks["decoder"]))
    theirs.to(device)
    optimizer = torch.optim.Adam(theirs.decoder.parameters(), STILL)
    photo, art = (pictures(batch, size, seed, device) for seed in (1, 2))

    def step() -> Figures:
        content, style = theirs(photo / 2 + 0.5, art / 2 + 0.5)  # their pictures are in [0, 1]
        optimizer.zero_grad()
        (content + 10 * style).backward()
        optimizer.step()
        return {"content": content, "style": style}

    def own() -> Figures:
        figures = ours.step(Batch({"photo": photo, "art": art}), RNG)
        return {name: figures[name] for name in ("content", "style")}

    return Pair(f"AdaIN step, {size} px, batch {batch}", own, step)


def munit(peers: Peers, device: torch.device, size: int = 64, dim: int = 16) -> Pair:
    """NVlabs/MUNIT `MUNIT_Trainer`, one update of D and one of G, batch 1 as published."""
    (trainer,) = peers.load("MUNIT", "trainer")
    settings = _configuration(peers, "MUNIT/configs/edges2handbags_folder.yaml")
    settings["lr"] = STILL
    settings["gen"] |= {"dim": dim, "mlp_dim": 2 * dim}
    settings["dis"] |= {"dim": dim}
    ours = _module("munit", device, f"size={size}", "batch=1", f"dim={dim}", f"mlp_dim={2 * dim}", f"dis_dim={dim}")
    with placed(device):
        theirs = trainer.MUNIT_Trainer(settings).to(device)
    for name in ("gen_a", "gen_b", "dis_a", "dis_b"):
        same_weights(getattr(theirs, name), ours.networks[name])
    a, b = (pictures(1, size, seed, device) for seed in (1, 2))
    codes = [RNG.normal(f"{who}/{name}", 1, (8, 1, 1)) for who in ("dis", "gen") for name in ("s_a", "s_b")]
    names = [f"{term}_{domain}" for term in ("recon_x", "recon_s", "recon_c", "adv") for domain in "ab"]

    def step() -> Figures:
        with placed(device), mock.patch("torch.randn", given(*codes)):
            theirs.dis_update(a, b, settings)
            theirs.gen_update(a, b, settings)
        figures = {name: getattr(theirs, f"loss_gen_{name}") for name in names}
        return figures | {"dis_a": theirs.loss_dis_a, "dis_b": theirs.loss_dis_b}

    def own() -> Figures:
        figures = ours.step(Batch({"photo": a, "art": b}), RNG)
        return {name: figures[name] for name in (*names, "dis_a", "dis_b")}

    return Pair(f"MUNIT step, {size} px, batch 1, width {dim}", own, step)


def funit(peers: Peers, device: torch.device, size: int = 64, dim: int = 16, batch: int = 4) -> Pair:
    """NVlabs/FUNIT `Trainer`, one update of D and one of G."""
    (trainer,) = peers.load("FUNIT", "trainer")
    settings = _configuration(peers, "FUNIT/configs/funit_animals.yaml")
    settings |= {"lr_gen": STILL, "lr_dis": STILL}
    settings["gen"] |= {"nf": dim, "nf_mlp": 2 * dim}
    settings["dis"] |= {"nf": dim, "num_classes": 3}
    widths = (f"dim={dim}", f"mlp_dim={2 * dim}", f"dis_dim={dim}", "art_domains=2")
    ours = _module("funit", device, f"size={size}", f"batch={batch}", "micro_batch=0", *widths)
    ours.networks["clusters"].centroids.normal_()
    with placed(device):
        theirs = trainer.Trainer(settings).to(device)
    for name, own_name in (("gen", "gen"), ("dis", "dis"), ("gen_test", "gen_ema")):
        same_weights(getattr(theirs.model, name), ours.networks[own_name])
    side = ours.settings.load_size
    rows = Batch({"photo": pictures(2 * batch, side, 1, device), "art": pictures(2 * batch, side, 2, device)})
    cropped: dict[str, Tensor] = {}
    update = ours.update

    def watched(names: Any, tensors: Any, loss: Any) -> Any:
        cropped.update(tensors)
        return update(names, tensors, loss)

    ours.update = watched

    def own() -> Figures:
        figures = ours.step(rows, RNG)
        return {name: figures[name] for name in ("d_fake", "d_real", "d_reg", "g_adv", "g_x_rec", "g_c_rec", "g_m_rec")}

    own()  # what our loader cropped is what theirs is given

    def step() -> Figures:
        content, other = ((cropped[f"x{k}"].clone(), cropped[f"l{k}"]) for k in "ab")
        with placed(device):
            theirs.dis_update(content, other, settings)
            theirs.gen_update(content, other, settings, False)
        d = {f"d_{ours_}": getattr(theirs, f"loss_dis_{name}") for ours_, name in _FUNIT_D.items()}
        return d | {f"g_{ours_}": getattr(theirs, f"loss_gen_{name}") for ours_, name in _FUNIT_G.items()}

    return Pair(f"FUNIT step, {size} px, batch {batch}, width {dim}", own, step)


_FUNIT_D = {"fake": "fake_adv", "real": "real_adv", "reg": "reg"}
_FUNIT_G = {"adv": "adv", "x_rec": "recon_x", "c_rec": "recon_c", "m_rec": "recon_s"}


def stargan2(peers: Peers, device: torch.device, size: int = 64, batch: int = 2) -> Pair:
    """clovaai/stargan-v2 `solver`: its four updates, without the high-pass skip."""
    solver, model = peers.load("stargan-v2", "core.solver", "core.model")
    plain = ("resized_crop=0.5", f"lr_mapping={STILL}")
    ours = _module("stargan2", device, f"size={size}", f"batch={batch}", *plain)
    nets = Munch(
        generator=model.Generator(size, 64, w_hpf=0),
        mapping_network=model.MappingNetwork(16, 64, 2),
        style_encoder=model.StyleEncoder(size, 64, 2),
        discriminator=model.Discriminator(size, 2),
    )
    for name, net in nets.items():
        same_weights(net, ours.networks[name]).to(device)
    optimizers = {
        name: torch.optim.Adam(net.parameters(), STILL, (0.0, 0.99), weight_decay=1e-4) for name, net in nets.items()
    }
    arguments = Munch(lambda_reg=1.0, lambda_sty=1.0, lambda_ds=1.0, lambda_cyc=1.0, w_hpf=0)
    rows = Batch({"photo": pictures(3 * batch, size, 1, device), "art": pictures(3 * batch, size, 2, device)})
    latent, reference = ours._tensors(rows, RNG)
    real = (latent["y_org"], latent["y_trg"])

    def update(loss: Tensor, *names: str) -> None:
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for name in names:
            optimizers[name].step()

    def step() -> Figures:
        figures = {}
        x = latent["x"].clone()
        z, z2, ref, ref2 = latent["z"], latent["z2"], reference["ref"], reference["ref2"]
        loss, figures["d_latent"] = solver.compute_d_loss(nets, arguments, x, *real, z_trg=z)
        update(loss, "discriminator")
        loss, figures["d_ref"] = solver.compute_d_loss(nets, arguments, x, *real, x_ref=ref)
        update(loss, "discriminator")
        loss, figures["g_latent"] = solver.compute_g_loss(nets, arguments, x, *real, z_trgs=[z, z2])
        update(loss, "generator", "mapping_network", "style_encoder")
        loss, figures["g_ref"] = solver.compute_g_loss(nets, arguments, x, *real, x_refs=[ref, ref2])
        update(loss, "generator")
        return {
            f"{side}/{name}": torch.tensor(value) for side, terms in figures.items() for name, value in terms.items()
        }

    def own() -> Figures:
        return {name: value for name, value in ours.step(rows, RNG).items() if "/" in name}

    return Pair(f"StarGAN v2 step, {size} px, batch {batch}", own, step)


def _two_gradients(theirs: Any) -> None:
    """DRIT++'s `update_EG`. Its second backward pass goes through weights that its first update changed in place, which
    PyTorch refuses since 1.5; before, the pass ran on the changed weights. Both gradients are taken first and applied in order.
    """
    both = [*theirs.enc_c.parameters(), *theirs.gen.parameters()]

    def taken() -> list[Tensor | None]:
        gradients = [None if p.grad is None else p.grad.clone() for p in both]
        for p in both:
            p.grad = None
        return gradients

    for optimizer in (theirs.enc_c_opt, theirs.enc_a_opt, theirs.gen_opt):
        optimizer.zero_grad()
    theirs.backward_EG()
    first = taken()
    attributes = [None if p.grad is None else p.grad.clone() for p in theirs.enc_a.parameters()]
    theirs.backward_G_alone()
    second = taken()
    for p, grad in zip(theirs.enc_a.parameters(), attributes):
        p.grad = grad
    for grads in (first, second):
        for p, grad in zip(both, grads):
            p.grad = grad
        theirs.enc_c_opt.step()
        theirs.gen_opt.step()
        if grads is first:
            theirs.enc_a_opt.step()


def _stilled(theirs: Any) -> Any:
    for name, value in vars(theirs).items():
        if name.endswith("_opt"):
            value.param_groups[0]["lr"] = STILL
    return theirs


@contextlib.contextmanager
def _old_pytorch(device: torch.device, draws: list[Tensor]) -> Any:
    """Draws given, and changes in place of what a later backward pass needs, as PyTorch let them be."""
    with (
        placed(device),
        mock.patch("torch.randn", given(*draws)),
        torch.autograd.graph.allow_mutation_on_saved_tensors(),
    ):
        yield


_DRIT_G = (
    *(f"{name}_{domain}" for name in ("gan_loss", "gan2_loss", "l1_recon_z_loss") for domain in "ab"),
    *(f"gan_loss_{domain}content" for domain in "ab"),
    *(f"kl_loss_z{kind}_{domain}" for kind in "ac" for domain in "ab"),
    *(f"l1_recon_{which}_loss" for which in ("A", "B", "AA", "BB")),
    *("lz_AB", "lz_BA"),
)


def drit(peers: Peers, device: torch.device, concat: bool = False, size: int = 216) -> Pair:
    """HsinYingLee/DRIT: an update of the content discriminator on pictures of its own, then one of everything."""
    (model,) = peers.load("DRIT", "model")
    options = SimpleNamespace(
        concat=int(concat),
        no_ms=False,
        dis_scale=3,
        input_dim_a=3,
        input_dim_b=3,
        dis_norm="None",
        dis_spectral_norm=False,
    )
    form = (f"concat={str(concat).lower()}", f"lr_content={STILL}", "content_steps=2", "crop_from=1", f"size={size}")
    ours = _module("drit", device, *form)
    with placed(device):
        theirs = _stilled(model.DRIT(options))
    theirs.gpu = device
    for name, net in ours.networks.items():
        same_weights(getattr(theirs, name), net).to(device)
    photo, art = (pictures(3, size, seed, device) for seed in (1, 2))
    side = size // 4
    maps = lambda name: RNG.normal(name, 1, (256, side, side), device)  # noqa: E731
    code = lambda name: RNG.normal(name, 1, (8,), device)  # noqa: E731
    draws = [maps(name) for name in ("content0/a", "content0/b", "noise_a", "noise_b")]
    draws += [code(name) for name in ("eps_a", "eps_b")] if concat else []
    draws += [code("z"), code("z2"), maps("noise_recon_b"), maps("noise_recon_a")]
    draws += [code(name) for name in ("eps_recon_a", "eps_recon_b")] if concat else []

    def step() -> Figures:
        with _old_pytorch(device, draws):
            theirs.update_D_content(photo[:1], art[:1])
            theirs.update_D(photo[1:], art[1:])
            _two_gradients(theirs)
        figures = {name: getattr(theirs, name) for name in _DRIT_G}
        figures |= {f"dis{x}{k}": getattr(theirs, f"dis{x}{k}_loss") for x in "AB" for k in ("", "2")}
        return {
            name: torch.tensor(float(value))
            for name, value in (figures | {"disContent": theirs.disContent_loss}).items()
        }

    def own() -> Figures:
        figures = ours.step(Batch({"photo": photo, "art": art}), RNG)
        figures |= {f"dis{x}2": figures[f"dis{x}2"] + figures[f"dis{x}2_random2"] for x in "AB"}
        return {name: figures[name] for name in (*_DRIT_G, "disA", "disB", "disA2", "disB2", "disContent")}

    return Pair(f"DRIT++ step, {size} px, batch 2, concat {int(concat)}", own, step)


# Ours -> theirs. Our adversarial terms are means times two where theirs add over their batch of two.
_MDMM = {
    "gan_content": "gan_loss_content",
    "gan": "gan_loss",
    "gan_cls": "gan_cls_loss",
    "l1_self": "l1_self_rec_loss",
    "l1_cross": "l1_cc_rec_loss",
    "kl_zc": "kl_loss_zc",
    "kl_za": "kl_loss_za",
    "gan2": "gan2_loss",
    "gan2_cls": "gan2_cls_loss",
    "l1_z": "l1_recon_z_loss",
    "dis1": "D1_gan_loss",
    "dis1_cls": "D1_cls_loss",
    "dis2": "D2_gan_loss",
    "dis2_cls": "D2_cls_loss",
}


def mdmm(peers: Peers, device: torch.device, concat: bool = False, size: int = 216) -> Pair:
    """HsinYingLee/MDMM `MD_multi` with its content discriminator, three domains, batch 2."""
    (model,) = peers.load("MDMM", "model")
    options = SimpleNamespace(
        isDcontent=True, concat=int(concat), input_dim=3, dis_norm="None", dis_spectral_norm=False, num_domains=3
    )
    vars(options).update(crop_size=size, lambda_cls=1.0, lambda_cls_G=5.0, lambda_rec=10)
    form = (f"concat={str(concat).lower()}", f"lr_content={STILL}", "content_steps=2", "crop_from=1", f"size={size}")
    ours = _module("mdmm", device, *form)
    ours.networks["clusters"].centroids.normal_()
    with placed(device):
        theirs = _stilled(model.MD_multi(options))
        theirs.setgpu(device)
    for name in ("enc_c", "enc_a", "gen", "dis1", "dis2", "disContent"):
        same_weights(getattr(theirs, name), ours.networks[name]).to(device)
    batch = Batch({"photo": pictures(2, size, 1, device), "art": pictures(2, size, 2, device)})
    parts = _mdmm_parts(ours, batch)
    draws: list[Tensor] = []
    for turn, rows in enumerate(parts):
        draws.append(torch.cat((rows["noise_a"], rows["noise_b"])))
        if turn == len(parts) - 1:
            draws += [torch.cat((rows["eps_a"], rows["eps_b"]))] if concat else []
            draws += [rows["z"], torch.cat((rows["noise_recon_a"], rows["noise_recon_b"]))]
            draws += [torch.cat((rows["eps_recon_a"], rows["eps_recon_b"]))] if concat else []
    first, last = ((torch.cat((r["a"], r["b"])), torch.cat((r["c_a"], r["c_b"]))) for r in parts)

    def step() -> Figures:
        with _old_pytorch(device, draws):
            theirs.update_D_content(*first)
            theirs.update_D(*last)
            _two_gradients(theirs)
        return {name: torch.tensor(float(getattr(theirs, theirs_))) for name, theirs_ in _MDMM.items()}

    def own() -> Figures:
        figures = ours.step(batch, RNG)
        return {name: figures[name] for name in _MDMM}

    return Pair(f"MDMM step, {size} px, batch 2, concat {int(concat)}", own, step)


def _mdmm_parts(ours: Any, batch: Batch) -> list[dict[str, Tensor]]:
    """Pictures, domains and draws of the two turns of our step, in its order."""
    kept: list[dict[str, Tensor]] = []
    rows = ours._rows

    def watched(*arguments: Any) -> Any:
        kept.append(rows(*arguments))
        return kept[-1]

    with mock.patch.object(ours, "_rows", watched):
        ours.step(batch, RNG)
    return kept


STEPS = {"adain": adain, "munit": munit, "funit": funit, "stargan2": stargan2, "drit": drit, "mdmm": mdmm}
