"""Training steps: what moves and what must not, accumulation, schedules, clusters, and the whole way through the loop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from baselines.adain import networks as adain
from baselines.cli import main
from baselines.clusters import StyleClusters, style_statistics
from baselines.load import open_method
from baselines.registry import TRAINABLE, settings_of
from models.method import Face
from models.training.rng import StepRNG
from models.training.training_module import Batch
from suite.errors import SuiteError
from suite.profiles import load_profile

CPU = torch.device("cpu")


def module(name, *overrides):
    settings = load_profile(settings_of(name), f"baselines.{name}", "demo", overrides)
    torch.manual_seed(settings.seed)
    return TRAINABLE[name].module("training").build(settings, CPU)


def batch_for(subject, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = subject.settings.size
    images = {
        domain: torch.nn.functional.interpolate(torch.rand(n, 3, 8, 8, generator=generator) * 2 - 1, size)
        for domain, n in subject.batch_sizes.items()
    }
    return Batch(images)


def weights(subject):
    return {
        f"{name}/{key}": value.clone()
        for name, net in subject.networks.items()
        for key, value in net.state_dict().items()
    }


# What a step moves does not hang on width.
NARROW = {
    "adain": ["width=32", "size=32"],
    "munit": ["dim=4", "dis_dim=4"],
    "funit": ["dim=4", "dis_dim=4"],
    "drit": ["dim=8"],
    "mdmm": ["dim=8"],
    "stargan2": ["base=4", "widest=8", "hidden=8"],
    "toonify": ["batch=2"],
}


# Networks that no step changes.
CONSTANT = ("vgg", "lite0", "clusters", "face")


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_step_moves_every_trained_network_and_no_frozen_one(name):
    subject = module(name, *NARROW[name])
    before = weights(subject)
    seen = subject.step(batch_for(subject), StepRNG(0, 0))
    assert all(value.isfinite() and not value.requires_grad for value in seen.values())
    after = weights(subject)
    for part in subject.networks:
        moved = any(not torch.equal(before[key], after[key]) for key in before if key.startswith(f"{part}/"))
        assert moved == (part not in CONSTANT), part
    again = module(name, *NARROW[name])
    again.step(batch_for(again), StepRNG(0, 0))
    assert all(torch.equal(value, after[key]) for key, value in weights(again).items()), "a step is its draws"


# Rates so small that a step moves nothing: every loss and gradient meets the same weights. Spectral norm's power iteration
# goes on with every pass of the discriminator, so parts see it a little further on than the whole.
STILL = {name: ["lr=1e-30"] for name in TRAINABLE} | {
    "drit": ["lr=1e-30", "lr_content=1e-30", "spectral_norm=false"],
    "mdmm": ["lr=1e-30", "lr_content=1e-30", "spectral_norm=false"],
    "stargan2": ["lr=1e-30", "lr_mapping=1e-30"],
}


def gradients(subject, name):
    """What an optimiser remembers of its one step: the gradient up to a factor (Adam), or its square (RMSprop)."""
    states = subject.optimizers[name].state.values()
    return torch.cat([state["exp_avg" if "exp_avg" in state else "square_avg"].flatten() for state in states])


def test_published_schedules():
    munit = module("munit")
    assert munit.rate(99_999) == 1
    assert munit.rate(100_000) == 0.5
    adain = module("adain")
    assert adain.rate(160_000) == pytest.approx(1 / 9)
    drit = module("drit", "steps=100")
    assert (drit.rate(50), drit.rate(100)) == (1, pytest.approx(1 / 51)), "the authors' epochs 600 and 1,200 of 1,200"


@pytest.mark.parametrize("name", ["drit", "mdmm"])
def test_the_paper_runs_of_drit_end_before_their_rates_fall(name):
    paper = load_profile(settings_of(name), f"baselines.{name}", "paper")
    # src/train.py: an epoch walks through the larger domain, FFHQ's 70,000 photographs, and every third iteration is a full
    # update; src/options.py: rates fall from epoch 600 on.
    epochs = paper.steps * paper.content_steps * paper.batch / 70_000
    assert epochs < 600
    rate = module(name, f"steps={paper.steps}", f"decay_from={paper.decay_from}").rate
    assert rate(0) == rate(paper.steps // 2) == rate(paper.steps) == 1


def test_narrow_networks_start_with_the_published_fan_in_variance():
    for dim in (16, 64):
        subject = module("drit", "init=normal", f"dim={dim}")
        weight = subject.networks["enc_a"].model_b[4].weight
        variance = weight[0].numel() * float(weight.detach().var())
        # N(0, 0.02) over the 64 * 16 inputs of the published layer; a variance of 8192 draws is known to 1.6 %.
        assert variance == pytest.approx(1024 * 0.02**2, rel=0.06)


@pytest.mark.parametrize("name", ["drit", "mdmm"])
def test_demo_decoders_start_without_a_checkerboard(name):
    subject = module(name)
    gen = subject.networks["gen"]
    content, code = torch.randn(4, 64, 8, 8, generator=torch.Generator().manual_seed(1)), torch.zeros(4, 8)
    with torch.no_grad():
        made = gen.into("b", content, code) if name == "drit" else gen(content, code, torch.eye(3)[[1] * 4])
    inner = made[..., 4:-4, 4:-4]
    # Means over the four places that a stride of 2 has; random kernels set them apart by the picture's own deviation.
    phases = inner.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).mean((0, 2, 4))
    assert float(phases.flatten(1).std(1).max()) < 0.05 * float(inner.std())
    assert float(made.abs().mean()) < 0.5, "a tanh that begins saturated"


def test_demo_networks_tell_pictures_apart_from_the_start():
    pictures = batch_for(module("drit"), seed=3).images["art"]
    pictures = torch.cat([pictures, *(batch_for(module("drit"), seed=k).images["art"] for k in (4, 5, 6))])
    with torch.no_grad():
        codes = module("drit").networks["enc_a"].of("b", pictures)[0]
        vgg = module("adain", "encoder=random").networks["vgg"]
        features = adain.features(vgg, pictures / 2 + 0.5)[-1].flatten(1)
    # Drawn codes have deviation 1; from the published initialisation a narrow encoder's differ by some thousandths.
    assert float(codes.std(0).mean()) > 0.05
    alike = torch.corrcoef(features)
    # A deep encoder of He's weights correlates any two pictures by 0.77.
    assert float(alike[~torch.eye(len(alike), dtype=torch.bool)].mean()) < 0.5


def test_content_discriminator_names_its_smallest_picture():
    with pytest.raises(SuiteError, match="content_layers=1 fits"):
        module("drit", "size=64", "content_layers=3")


def test_clusters_find_known_styles():
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(20, 3, 1, 1, generator=generator).expand(20, 3, 32, 32) * 0.2
    noisy = torch.rand(20, 3, 32, 32, generator=generator) - 0.9
    clusters = StyleClusters(2)
    pictures = torch.cat((flat, noisy))
    clusters.fit(style_statistics(pictures))
    found = clusters(pictures)
    assert len(set(found[:20].tolist())) == 1
    assert len(set(found[20:].tolist())) == 1
    assert found[0] != found[20]


def test_unfit_settings_are_one_line():
    with pytest.raises(SuiteError, match="fp16"):
        module("munit", "precision=fp16")
    with pytest.raises(SuiteError, match="fan_weights"):
        module("stargan2", "w_hpf=1")
    with pytest.raises(SuiteError, match="vgg_weights"):
        module("munit", "vgg_w=1")


def test_adain_wants_the_normalised_vgg_and_names_it(tmp_path, monkeypatch):
    from baselines.adain.networks import encoder

    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path))
    paper = ["encoder=normalised", "width=32", "size=32"]
    with pytest.raises(SuiteError, match=r"vgg_normalised\.pth from"):
        module("adain", *paper)
    with pytest.raises(SuiteError, match="encoder=lite0"):
        module("adain", "vgg_weights=x.pth")
    torchvision = tmp_path / "vgg19.pth"
    convolutions = [
        f"features.{place}.weight" for place in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    ]
    torch.save({name: torch.ones(4, 4, 3, 3) for name in convolutions}, torchvision)
    with pytest.raises(SuiteError, match=r"vgg19\.pth: another network; .*vgg_normalised\.pth"):
        module("adain", *paper, f"vgg_weights={torchvision}")
    vgg = encoder(32)
    monkeypatch.setattr(
        "models.weights.reading.expected_digest", lambda name: ""
    )  # keys and shapes are theirs, not the bytes
    torch.save(vgg.state_dict(), tmp_path / "vgg_normalised.pth", _use_new_zipfile_serialization=False)
    subject = module("adain", *paper)
    assert torch.equal(subject.networks["vgg"][51].weight, vgg[51].weight)


def paint(folder, count, hue):
    folder.mkdir()
    generator = np.random.default_rng(hue)
    for i in range(count):
        pixels = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        pixels[..., hue] = 255
        Image.fromarray(pixels).resize((64, 64)).save(folder / f"{i}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINABLE)
def test_train_then_stylize(tmp_path, name, monkeypatch):
    monkeypatch.setenv("AAHQ_CACHE", str(tmp_path / "cache"))
    faces, art = paint(tmp_path / "faces", 6, 0), paint(tmp_path / "art", 6, 2)
    run, out = tmp_path / "run", tmp_path / "out"
    given = ["--faces", str(faces), "--art", str(art), "-o", str(run), "--set", "steps=2", "--device", "cpu"]
    dry = json.loads(CliRunner().invoke(main, ["train", name, *given, "--dry-run", "--json"]).output)
    # What pictures are known by may be kept; none is brought to its size.
    assert not list((tmp_path / "cache").rglob("*.npy"))
    done = CliRunner().invoke(main, ["train", name, *given])
    assert done.exit_code == 0, done.output
    # A dry run says what the run then writes; file heads come on top.
    written = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.npy"))
    assert written == pytest.approx(sum(need["bytes"] for need in dry["pictures"].values()), abs=4096)
    files = [path for path in run.glob("checkpoints/step-00000002/*") if path.stem not in CONSTANT]
    assert sum(path.stat().st_size for path in files) == pytest.approx(dry["checkpoint_bytes"], rel=0.05, abs=200_000)
    assert (run / f"{name}.safetensors").is_file()
    assert json.loads((run / "run.json").read_text())["name"] == name
    how = ["--style", str(art / "0.png")] if name == "adain" else ["--latent", "3"]
    done = CliRunner().invoke(
        main, ["stylize", name, str(faces / "0.png"), *how, "--weights", str(run), "-o", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert said["sheets"]
    assert all(Path(sheet).is_file() for sheet in said["sheets"])
    assert "untrained" not in said["method"]
    other = "funit" if name != "funit" else "munit"
    with pytest.raises(SuiteError, match=f"a run of '{name}'"):
        open_method(other, run)
    with pytest.raises(SuiteError, match=f"weights of '{name}'"):
        open_method(other, run / f"{name}.safetensors")


def test_published_layout_loads_and_other_configurations_do_not(tmp_path):
    from baselines.munit.networks import networks

    settings = load_profile(settings_of("munit"), "baselines.munit", "demo", ["dim=4", "blocks=1", "mlp_dim=8"])
    torch.manual_seed(1)
    parts = networks(settings)
    path = tmp_path / "gen_00000001.pt"
    stale = {"enc_content.model.0.norm.running_mean": torch.zeros(4)}
    torch.save({"a": parts["gen_a"].state_dict() | stale, "b": parts["gen_b"].state_dict()}, path)
    small = ["dim=4", "blocks=1", "mlp_dim=8"]
    method = open_method("munit", path, profile="demo", overrides=small)
    face = Face(images=torch.rand(1, 3, 32, 32) * 2 - 1)
    expected = parts["gen_b"].eval().decode(parts["gen_a"].eval().enc_content(face.images), torch.zeros(1, 8))
    again = method.gen_b.decode(method.gen_a.enc_content(face.images), torch.zeros(1, 8))
    # The method computes in another memory layout, whose sums round differently.
    torch.testing.assert_close(again, expected, rtol=0, atol=1e-5)
    with pytest.raises(SuiteError, match="another configuration"):
        open_method("munit", path, profile="demo", overrides=["dim=8", "blocks=1", "mlp_dim=8"])
    with pytest.raises(SuiteError, match="no network 'gen_test'"):
        open_method("funit", path, profile="demo")
