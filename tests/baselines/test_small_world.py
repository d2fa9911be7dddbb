"""What short trainings on the small painted world need beyond the published recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.adain.lite0 import Lite0Encoder
from baselines.checkpoints import save
from baselines.load import open_method
from baselines.registry import TRAINABLE, settings_of
from baselines.settings import GameSettings
from models.method import Face
from models.training.rng import StepRNG
from suite.profiles import load_profile
from tests.baselines.test_training import NARROW, batch_for, module, weights

GAMES = [name for name in TRAINABLE if issubclass(settings_of(name), GameSettings)]
# What a picture's way through its own content and style does not pass.
UNTOUCHED = {
    "munit": ("dis_a", "dis_b"),
    "funit": ("dis",),
    "drit": ("disA", "disB", "disA2", "disB2", "disContent"),
    "mdmm": ("dis1", "dis2", "disContent"),
    "stargan2": ("discriminator", "mapping_network"),
}


@pytest.mark.parametrize("name", GAMES)
def test_a_warm_up_step_rebuilds_pictures_and_leaves_the_judges_alone(name):
    subject = module(name, *NARROW[name], "warmup_steps=1")
    before = weights(subject)
    assert set(subject.step(batch_for(subject), StepRNG(0, 0))) == {"reconstruction"}
    changed = {key.partition("/")[0] for key, value in weights(subject).items() if not torch.equal(before[key], value)}
    assert changed
    assert not changed & set(UNTOUCHED[name])
    games = set(subject.step(batch_for(subject), StepRNG(0, 1)))
    assert "reconstruction" not in games
    assert len(games) > 3
    assert {f"{part}/" for part in UNTOUCHED[name]} <= {
        f"{key.partition('/')[0]}/" for key, value in weights(subject).items() if not torch.equal(before[key], value)
    }


@pytest.mark.parametrize("name", GAMES)
def test_the_warm_up_learns(name):
    subject = module(name, *NARROW[name], "warmup_steps=100", "lr=2e-3")
    batch = batch_for(subject)
    losses = [float(subject.step(batch, StepRNG(0, step))["reconstruction"]) for step in range(12)]
    assert losses[-1] < 0.9 * losses[0], losses


def test_an_average_ramps_up():
    plain, ramped = (load_profile(settings_of("funit"), "baselines.funit", "demo", [f"ema_ramp={r}"]) for r in (0, 0.1))
    assert {plain.ema_at(step) for step in (0, 1, 1000)} == {plain.ema}
    assert ramped.ema_at(0) == 0, "the start is forgotten at once"
    # The half-life is a tenth of the steps done: ten steps at step 100.
    long = ramped.model_copy(update={"ema": 0.999})
    assert long.ema_at(100) ** 10 == pytest.approx(0.5)
    assert ramped.ema_at(100_000) == ramped.ema


def test_lite0_encodes_for_adain_and_travels_with_the_weights(tmp_path: Path):
    encoder = Lite0Encoder()
    encoder.pretrain()
    subject = module("adain", "width=32", "encoder=lite0", "lr=3e-3")
    batch = batch_for(subject)
    maps = encoder(batch.images["art"] / 2 + 0.5)
    assert [tuple(one.shape[1:]) for one in maps] == [(16, 64, 64), (24, 32, 32), (40, 16, 16)]
    # Deviations are of natural noise; flat squares of colour have others, but of the same size in every map.
    assert all(0.2 < float(one.std()) < 5 for one in maps)
    losses = [subject.step(batch, StepRNG(0, step)) for step in range(8)]
    assert float(losses[-1]["style"]) < 0.8 * float(losses[0]["style"])
    file = save(subject, ["lite0", "decoder"], "adain", tmp_path)
    face = Face(images=batch.images["photo"])
    made = open_method("adain", file).from_reference(face, batch.images["art"], [0] * len(face))
    own = subject.eval_with(lambda: subject.method().from_reference(face, batch.images["art"], [0] * len(face)))
    assert torch.equal(made, own)
