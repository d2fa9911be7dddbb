"""Runs of `baselines train` and `stylize` as a person starts them: plans, resuming, precision, and one-line refusals."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from baselines.blocks import kaiming_init
from baselines.cli import main
from baselines.munit.training import invariant_loss
from baselines.registry import TRAINABLE
from models.networks.vgg import VGG19Trunk
from models.training.rng import StepRNG
from tests.baselines.test_training import batch_for, module, paint, weights


def call(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINABLE)
def test_a_resumed_run_is_the_run(tmp_path, name, monkeypatch):
    monkeypatch.setenv("AAHQ_CACHE", str(tmp_path / "cache"))
    faces, art = paint(tmp_path / "faces", 5, 0), paint(tmp_path / "art", 5, 2)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    given = ["--faces", faces, "--art", art, "--set", "steps=4", "--set", "save_every=2", "--device", "cpu"]
    assert call("train", name, *given, "-o", whole).exit_code == 0
    # The run as it lay there after step 2.
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "checkpoints" / "step-00000004")
    (cut / f"{name}.safetensors").unlink()
    done = call("train", name, *given, "-o", cut, "--resume")
    assert done.exit_code == 0, done.output
    one, two = (load_file(run / f"{name}.safetensors") for run in (whole, cut))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINABLE)
def test_a_dry_run_says_memory_and_hours_and_writes_nothing(tmp_path, name):
    done = call("train", name, "--profile", "demo", "--dry-run", "--json", "-o", tmp_path / "run", "--device", "cpu")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["settings"]["size"] in (32, 64)
    assert 0 < said["peak_bytes"] < said["device_bytes"]
    assert said["hours"] > 0
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINABLE)
def test_half_precision_steps_are_finite_and_weights_stay_float32(name):
    subject, exact = module(name, "precision=bf16"), module(name)
    seen, wanted = (one.step(batch_for(one), StepRNG(0, 0)) for one in (subject, exact))
    assert all(value.dtype == torch.float32 for value in weights(subject).values() if value.is_floating_point())
    for key, value in seen.items():
        assert value.isfinite(), key
    # The first loss of a step has met no moved weights: bf16 keeps 8 bits, losses are means over many values.
    key = next(iter(wanted))
    assert float(seen[key]) == pytest.approx(float(wanted[key]), rel=0.1, abs=0.05)


def test_perceptual_loss_is_finite_where_features_are_constant():
    torch.manual_seed(0)
    trunk = VGG19Trunk((8, 8, 8, 8, 8)).eval().requires_grad_(False)
    kaiming_init(trunk)
    flat, noise = torch.zeros(2, 3, 64, 64), torch.rand(2, 3, 64, 64)

    def last(x):
        return trunk(x)[-1]

    for made, source in ((flat, flat), (flat, noise), (noise, flat), (noise, noise)):
        made = made.clone().requires_grad_()
        loss = invariant_loss(last, made, source)
        loss.backward()
        assert loss.isfinite()
        assert made.grad.isfinite().all()
    assert float(invariant_loss(last, noise, noise).detach()) == 0
    assert float(invariant_loss(last, noise, flat)) > 0.01
    # Dead and overflowing channels: constant zero, and values that float16 could not hold.
    dead = torch.nn.Conv2d(3, 4, 1)
    torch.nn.init.zeros_(dead.weight)
    assert float(invariant_loss(dead, noise, flat)) == 0
    assert invariant_loss(lambda x: x * 1e30, noise, flat).isfinite()


@pytest.mark.slow
def test_stylize_refuses_in_one_line(tmp_path):
    face = paint(tmp_path / "faces", 1, 0) / "0.png"
    for args, words in (
        (["adain", face, "--latent", "1"], "has no latent-guided mode"),
        (["toonify", face, "--style", face], "has no reference-guided mode"),
        (["munit", face], "give style pictures"),
        (["munit", face, "--latent", "1", "--weights", tmp_path / "none"], "none"),
        (["stargan2", face, "--latent", "1", "--size", "96", "--profile", "demo"], "96 px|96 x 96"),
        (["munit", tmp_path / "absent.png", "--latent", "1"], "absent.png"),
        (["munit", face, "--latent", "1", "--option", "gamma=2", "--profile", "demo"], "gamma"),
    ):
        done = call("stylize", *args, "-o", tmp_path / "out")
        assert done.exit_code == 2
        # A progress bar may stand before it.
        *_, last = done.stderr.splitlines()
        assert re.search(rf"error: .*({words})", last)
        assert done.stderr.count("error: ") == 1
        assert not (tmp_path / "out").exists()
