"""Files with the keys and shapes that the authors' code writes open without any setting: what they are is read from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

from baselines.checkpoints import read
from baselines.cli import main
from baselines.load import open_method
from baselines.munit.networks import AdaInGen
from baselines.registry import TRAINABLE, settings_of
from baselines.stargan2 import networks as stargan2
from suite.errors import SuiteError
from suite.profiles import load_profile

GOLDENS = Path(__file__).parents[1] / "goldens"


def shapes(file: str, *path: str) -> dict[str, tuple[int, ...]]:
    """Key -> shape of a network as its authors' code has it."""
    found = json.loads((GOLDENS / f"{file}.keys.json").read_text())
    for name in path:
        found = found[name]
    return {key: tuple(shape) for key, shape, _ in found}


def state(rows: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Weights of these shapes that take no room: one small number, repeated; the high-pass filter as it is."""
    filled = {key: torch.full((), 1e-3).expand(shape) for key, shape in rows.items()}
    if "hpf.filter" in filled:
        filled["hpf.filter"] = torch.tensor([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]])
    return filled


def stargan(high_pass: bool) -> dict[str, Any]:
    generator = "generator" if high_pass else "generator_w_hpf_0"
    nets = {name: state(shapes("starganv2", name)) for name in ("mapping_network", "style_encoder")}
    fan = {"fan": state(shapes("starganv2", "fan"))} if high_pass else {}
    return {"generator": state(shapes("starganv2", generator)), **nets, **fan}


def munit() -> dict[str, Any]:
    return {name: state(shapes("munit", "gen")) for name in "ab"}


def funit() -> dict[str, Any]:
    return {name: state(shapes("funit", "gen")) for name in ("gen", "gen_test")}


def drit(file: str, form: str) -> dict[str, Any]:
    inner = {name: state(shapes(file, form, name)) for name in ("enc_a", "gen")}
    optimiser = {"gen_opt": {"state": {}, "param_groups": [{"lr": 1e-4}]}, "ep": 3, "total_it": 7}
    return {"enc_c": state(shapes(file, "enc_c")), **inner, **optimiser}


# case -> (method, the file's value, what must be found in it)
FILES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "CelebA-HQ": (
        "stargan2",
        lambda: stargan(True),
        {
            "size": 256,
            "w_hpf": 1.0,
            "domains": 2,
            "style_dim": 64,
            "latent": 16,
            "hidden": 512,
            "widest": 512,
            "base": 0,
        },
    ),
    "AFHQ": ("stargan2", lambda: stargan(False), {"size": 256, "w_hpf": 0.0, "domains": 2}),
    "MUNIT": ("munit", munit, {"dim": 64, "mlp_dim": 256, "style_dim": 8, "downs": 2, "blocks": 4}),
    "FUNIT": (
        "funit",
        funit,
        {"dim": 64, "latent_dim": 64, "blocks": 2, "downs_content": 3, "downs_class": 4, "mlp_layers": 3},
    ),
    "DRIT concat": ("drit", lambda: drit("drit", "concat_1"), {"concat": True, "dim": 64, "latent": 8}),
    "DRIT featurewise": ("drit", lambda: drit("drit", "concat_0"), {"concat": False, "dim": 64, "latent": 8}),
    "MDMM concat": ("mdmm", lambda: drit("mdmm", "concat_1"), {"concat": True, "domains": 3, "latent": 8}),
    "MDMM featurewise": ("mdmm", lambda: drit("mdmm", "concat_0"), {"concat": False, "domains": 3, "latent": 8}),
}


@pytest.mark.parametrize("case", FILES)
def test_every_setting_is_read_from_the_file_and_every_key_fits(case: str, tmp_path: Path) -> None:
    method, value, wanted = FILES[case]
    path = tmp_path / "published.ckpt"
    torch.save(value(), path)
    parts, settings = read(path, method)
    assert settings is None
    networks = TRAINABLE[method].module("networks")
    told = networks.settings_in(parts)
    assert {key: told[key] for key in wanted} == wanted
    with torch.device("meta"):
        made = networks.networks(settings_of(method)(**{"size": 256, "steps": 1, "batch": 2, **told}))
    for name, network in made.items():
        ours = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        theirs = {key: tuple(tensor.shape) for key, tensor in parts[name].items()}
        assert ours == theirs, name


def test_three_domains_without_the_skip_are_found() -> None:
    nets = stargan(False)
    for name in ("mapping_network", "style_encoder"):
        nets[name] |= {key.replace(".1.", ".2.", 1): value for key, value in nets[name].items() if "unshared.1" in key}
    assert stargan2.settings_in(nets)["domains"] == 3


def test_adain_opens_from_its_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Keys and shapes are theirs, the bytes are not.
    monkeypatch.setattr("models.weights.reading.expected_digest", lambda name: "")
    for part, name in (("vgg", "vgg_normalised.pth"), ("decoder", "decoder.pth")):
        torch.save(state(shapes("adain", part)), tmp_path / name)
    parts, _ = read(tmp_path, "adain")
    networks = TRAINABLE["adain"].module("networks")
    assert networks.settings_in(parts) == {"width": 512}
    with torch.device("meta"):
        made = networks.networks(settings_of("adain")(size=256, steps=1, batch=1))
    for name, network in made.items():
        assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes("adain", name)


@pytest.mark.slow
@pytest.mark.parametrize("case", FILES)
def test_published_files_stylize_without_settings(case: str, tmp_path: Path) -> None:
    method, value, _ = FILES[case]
    torch.save(value(), tmp_path / "published.ckpt")
    face = tmp_path / "face.png"
    Image.new("RGB", (64, 64), (200, 120, 60)).save(face)
    words = ["stylize", method, face, "--style", face, "--weights", tmp_path / "published.ckpt", "-o", tmp_path / "out"]
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "face--face.png").is_file()


@pytest.mark.parametrize("method", TRAINABLE)
def test_a_file_of_another_method_is_one_line(method: str, tmp_path: Path) -> None:
    path = tmp_path / "published.ckpt"
    torch.save({"other": {"a.weight": torch.zeros(2, 2), "a.bias": torch.zeros(2)}}, path)
    with pytest.raises(SuiteError, match="--weights"):
        open_method(method, path)


def test_settings_that_a_person_gives_win(tmp_path: Path) -> None:
    path = tmp_path / "gen.pt"
    torch.save(munit(), path)
    with pytest.raises(SuiteError, match="munit gen_a of another configuration"):
        open_method("munit", path, overrides=["dim=32"])


def test_settings_of_another_version_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"name": "munit", "config": {"size": 64, "colour": 3}}))
    (tmp_path / "checkpoints" / "step-00000001").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-00000001" / "state.json").write_text("{}")
    with pytest.raises(SuiteError, match="settings of another version: "):
        read(tmp_path, "munit")


@pytest.mark.parametrize("activation", ["relu", "lrelu", "prelu", "selu", "tanh", "none"])
def test_munits_generator_has_every_published_activation(activation: str, tmp_path: Path) -> None:
    """Against PyTorch's own function on the first layer, and in what comes out; a learnt slope is found in the keys."""
    torch.manual_seed(0)
    gens = {name: AdaInGen(4, 8, 3, 1, 1, activation) for name in "ab"}
    functions = {
        "relu": torch.relu,
        "lrelu": lambda x: torch.nn.functional.leaky_relu(x, 0.2),
        "prelu": lambda x: torch.nn.functional.prelu(x, torch.tensor([0.25])),
        "selu": torch.selu,
        "tanh": torch.tanh,
        "none": lambda x: x,
    }
    picture = torch.randn(1, 3, 16, 16)
    first = gens["a"].enc_style.model[0]
    padded = torch.nn.functional.pad(picture, (3,) * 4, mode="reflect")
    with torch.no_grad():
        torch.testing.assert_close(first(picture), functions[activation](first.conv(padded)))
    torch.save({name: gen.state_dict() for name, gen in gens.items()}, tmp_path / "gen.pt")
    given = [] if activation in ("relu", "prelu") else [f"activation={activation}"]
    opened = open_method("munit", tmp_path / "gen.pt", overrides=given)
    assert opened.gen_a.enc_style.model[0].act == activation
    with torch.no_grad():
        torch.testing.assert_close(opened.gen_a(picture), gens["a"].eval()(picture))


def test_stargan_may_be_narrower_than_its_first_width() -> None:
    """`max_conv_dim` below 2^14 / size: the widths of the published code are min(2 * previous, max_conv_dim)."""
    generator = stargan2.Generator(64, widest=128, w_hpf=0)
    assert [block.conv2.out_channels for block in generator.encode] == [128, 128, 128, 128]
    assert generator.from_rgb.out_channels == 256
    assert stargan2.StyleEncoder(64, widest=128).shared[1].conv2.out_channels == 128
    settings = load_profile(settings_of("stargan2"), "baselines.stargan2", "paper", ["size=64", "widest=128"])
    with torch.device("meta"):
        made = stargan2.networks(settings)
    found = stargan2.settings_in({name: net.state_dict() for name, net in made.items()})
    assert (found["widest"], found["base"], found["size"]) == (128, 0, 64)
