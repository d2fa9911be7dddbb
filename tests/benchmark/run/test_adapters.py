"""The tables' own methods behind the one interface, and packages that join by entry point."""

from __future__ import annotations

from importlib import metadata

import pytest
import torch

from benchmark.run import methods
from benchmark.run.adapters import blendgan_of, scaled_indicator
from benchmark.tasks.paper import BESIDE
from benchmark.tasks.paper import methods as paper_methods
from models.inference.pretrained import random_blendgan
from models.method import Face, Method
from suite.errors import SuiteError
from tests.benchmark.toys import ToyMethod


def test_the_indicator_keeps_its_ends_and_order() -> None:
    assert [scaled_indicator(i, 18) for i in range(19)] == list(range(19))
    scaled = [scaled_indicator(i, 10) for i in range(0, 19, 2)]
    assert (scaled[0], scaled[-1]) == (0, 10)
    assert scaled == sorted(scaled)


@pytest.mark.slow
def test_blendgan_answers_as_a_method() -> None:
    networks = random_blendgan(32, 0, width=16)
    stylised, natural = blendgan_of(networks, 0), blendgan_of(networks, 18)
    assert isinstance(stylised, Method)
    face = Face(seeds=(5, 5, 6))
    together = stylised.from_latent(face, [1, 2, 1])
    alone = torch.cat([stylised.from_latent(Face(seeds=(f,)), [s]) for f, s in ((5, 1), (5, 2), (6, 1))])
    # Convolutions of another batch size sum in another order.
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)
    assert together.shape == (3, 3, 32, 32)
    # The natural face of one seed is the same under every style but for the noise; full stylisation is not.
    plain = natural.from_latent(face, [1, 1, 1])
    torch.testing.assert_close(plain[0], plain[1], rtol=1e-4, atol=1e-5)
    assert float((together[0] - together[1]).abs().mean()) > 1e-3


def test_every_method_of_the_tables_is_known() -> None:
    assert {*paper_methods(), *(cell.method for cell in BESIDE)} == set(methods.BUILT_IN)


def test_a_method_without_training_answers_without_weights_and_the_others_ask_for_theirs() -> None:
    gatys = methods.load("Gatys", None, size=32, steps=1, width=4)
    assert (gatys.modes, gatys.resolution) == ({"reference"}, 32)
    with pytest.raises(SuiteError, match="toonify needs a checkpoint"):
        methods.load("Toonify", None)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(SuiteError, match="did you mean 'StarGANv2'"):
        methods.load("StarGAN2")


def test_a_package_joins_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = metadata.EntryPoint("Mine", "tests.benchmark.run.test_adapters:load_mine", methods.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == methods.GROUP else [])
    assert methods.load("Mine").name == "Mine"
    broken = metadata.EntryPoint("Mine", "no_such_package:load", methods.GROUP)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [broken])
    with pytest.raises(SuiteError, match="no_such_package"):
        methods.load("Mine")


def test_what_is_no_method_is_refused() -> None:
    with pytest.raises(SuiteError, match="has no name"):
        methods.check(object(), "x")
    wrong = ToyMethod()
    wrong.modes = frozenset({"psychic"})  # type: ignore[arg-type]
    with pytest.raises(SuiteError, match="psychic"):
        methods.check(wrong, "x")


def load_mine(weights: object, device: str) -> Method:
    return ToyMethod(name="Mine")
