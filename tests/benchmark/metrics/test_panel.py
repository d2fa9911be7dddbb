"""The panel against its authors' code: the same figures on the same weights, which a recipe makes (tests/goldens)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmark.metrics.art_fid import ArtFid, Stylised, measure
from benchmark.metrics.cfsd import Cfsd, structural_distance
from benchmark.metrics.confidence import interval
from benchmark.metrics.extractors.arcface import ArcFace
from benchmark.metrics.extractors.art_inception import ArtInception
from benchmark.metrics.extractors.csd import Csd
from benchmark.metrics.extractors.features import published_state
from benchmark.metrics.extractors.style_code import StyleCode, open_painted
from benchmark.metrics.lpips import alex
from benchmark.metrics.panel import PANEL, check_at_hand, open_row, similarity
from benchmark.run.record import PLAIN
from models.networks.clip_vision import ClipVision, StyleDescriptor, own_names
from models.networks.iresnet import UNITS, IResNet
from models.networks.style_encoder import StyleEncoder
from models.networks.vgg import VGG19Trunk
from models.weights.registry import entry
from suite.errors import SuiteError
from tests import golden_recipe as recipe
from tests.benchmark.toys import published_names

# Parity is asked to 1e-4 of the largest value: float32 networks sum in another order.
WITHIN = 1e-4


def pictures(name: str, count: int, side: int, salt: str) -> Tensor:
    """The recipe's picture in 8 bits."""
    return (recipe.make_input("unit", (count, 3, side, side), name, salt) * 255).round().to(torch.uint8)


def alike(ours: Tensor, theirs: Tensor | recipe.Figures) -> None:
    found, wanted = recipe.matched(ours, theirs)
    assert float((found - wanted).abs().max()) < WITHIN * float(wanted.abs().max())


def keys(golden: Path, case: str, name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(shape) for key, shape in json.loads((golden / f"{case}.keys.json").read_text())[name]}


def filled(shapes: dict[str, tuple[int, ...]], salt: str, gain: float) -> dict[str, Tensor]:
    """The recipe's weights under the authors' names."""
    blank = {
        key: torch.zeros(s, dtype=torch.long if key.endswith("tracked") else torch.float32) for key, s in shapes.items()
    }
    return recipe.fill(blank, salt, "plain", gain)


def test_arcface_as_its_authors(golden: Path) -> None:
    _, outs, _, meta = recipe.load(golden / "arcface.safetensors")
    blank = IResNet(meta["fill"]["units"], dim=meta["fill"]["dim"])
    state = recipe.fill(blank.state_dict(), meta["salt"], "plain", meta["fill"]["gain"])
    ours = ArcFace(state, "0" * 64)
    # Where the crop is all of the picture, the extractor's pixels are the authors' own.
    faces = pictures("faces", 3, 112, meta["salt"])
    alike(ours.network(faces.float() / 127.5 - 1), outs["embedding"])
    with torch.device("meta"):
        whole = {f"iresnet{depth}": IResNet(UNITS[depth]) for depth in (50, 100)}
    for name, network in whole.items():
        assert {k: tuple(v.shape) for k, v in network.state_dict().items()} == keys(golden, "arcface", name)


def test_arcface_reads_the_crop_that_it_was_trained_on() -> None:
    """Eyes and mouth of an FFHQ-aligned face (averages of its alignment) come to ArcFace's own template points."""
    from benchmark.metrics.extractors.arcface import CROP

    left, top, span = CROP
    # FFHQ's square is four eye distances wide and centred a tenth of the eye-to-mouth line below the eyes; the line is
    # about 1.1 eye distances long.
    eyes, line = 256 / 4, 1.1 * 256 / 4
    points = {"left eye": (128 - eyes / 2, 128 - line / 10), "mouth": (128, 128 + 0.9 * line)}
    template = {"left eye": (38.29, 51.70), "mouth": (56.14, 92.29)}
    for name, (x, y) in points.items():
        at = ((x - left) * 112 / span, (y - top) * 112 / span)
        assert at == pytest.approx(template[name], abs=3), name


def test_csd_as_its_authors(golden: Path) -> None:
    _, outs, _, meta = recipe.load(golden / "csd.safetensors")
    shape = meta["ctor"]
    vision = ClipVision(shape["input_resolution"], shape["patch_size"], shape["width"], shape["layers"])
    state = filled(_shapes(StyleDescriptor(vision, shape["output_dim"])), meta["salt"], meta["fill"]["gain"])
    ours = Csd(state, "0" * 64)
    assert (ours.size, ours.dim) == (56, 48)
    alike(ours(pictures("pictures", 3, 56, meta["salt"])), outs["pictures"])
    # Torch's and Pillow's bicubic filters differ by at most a grey level here and there.
    found, wanted = ours(pictures("larger", 3, 96, meta["salt"])), outs["larger"]
    assert float(torch.cosine_similarity(found, wanted).min()) > 0.9999
    with torch.device("meta"):
        large = _shapes(StyleDescriptor(ClipVision()))
    assert large == keys(golden, "csd", "CSD_CLIP vit_large")


def _shapes(network: StyleDescriptor) -> dict[str, tuple[int, ...]]:
    """Names and shapes under which the authors keep a network like this one, with its head of content."""
    named = {key: tuple(value.shape) for key, value in published_names(network.state_dict()).items()}
    return named | {"last_layer_content": named["last_layer_style"]}


def test_cfsd_as_its_authors(golden: Path) -> None:
    _, outs, _, meta = recipe.load(golden / "cfsd.safetensors")
    trunk, salt = VGG19Trunk(), meta["salt"]
    state = {key.removeprefix("vgg_layers."): value for key, value in trunk.state_dict().items()}
    state = recipe.fill(state, salt, "plain", meta["fill"]["gain"])
    trunk.load_state_dict({f"vgg_layers.{key}": value for key, value in state.items()})
    ours = Cfsd(trunk, "0" * 64, size=64)
    found = ours.between(*(ours.maps(pictures(name, 3, 64, salt)) for name in ("stylised", "content")))
    alike(found.float(), outs["cfsd"])


def test_cfsd_does_not_mind_how_many_rows_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = torch.randn(2, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    whole = structural_distance(a, b)
    monkeypatch.setattr("benchmark.metrics.cfsd.ROWS", 7)
    assert float(structural_distance(a, b)) == pytest.approx(float(whole), rel=1e-6)
    assert float(structural_distance(a, a)) == 0


@pytest.fixture(scope="module")
def art(golden: Path) -> tuple[ArtFid, dict[str, Any], dict[str, Any]]:
    from torchvision.models import alexnet

    _, outs, _, meta = recipe.load(golden / "artfid.safetensors")
    state = filled(keys(golden, "artfid", "Inception3"), meta["salt"], meta["fill"]["gain"])
    trunk = recipe.fill(alexnet(weights=None).state_dict(), meta["fill"]["lpips"], "plain", 2**0.5)
    inception = ArtInception(state, "0" * 64, size=meta["side"])
    return ArtFid(inception, alex(dict(trunk), "0" * 64, verified=False, size=meta["side"])), outs, meta


@pytest.mark.slow
def test_the_art_inception_as_its_authors(art: tuple[ArtFid, dict[str, Any], dict[str, Any]]) -> None:
    ours, outs, meta = art
    given = pictures("stylised", meta["count"], meta["side"], meta["salt"])
    alike(ours.extractor(given[:3]), outs["features"])


@pytest.mark.slow
def test_art_fid_as_its_authors(art: tuple[ArtFid, dict[str, Any], dict[str, Any]]) -> None:
    ours, outs, meta = art
    made, styles, faces = (
        pictures(n, meta["count"], meta["side"], meta["salt"]) for n in ("stylised", "style", "content")
    )
    content = ours.to_content(made, faces)
    assert float(content.mean()) == pytest.approx(float(outs["lpips"]), rel=WITHIN)
    count = meta["count"]
    features = [ours.extractor(x).numpy() for x in (made, styles)]
    which = torch.arange(count).numpy()
    sets = Stylised(features[0], features[1], content.numpy(), which, which, {})
    found = measure(sets)
    assert found.value == pytest.approx(float(outs["artfid"]), rel=WITHIN)
    assert found.why.startswith("N too small")
    assert not found.rankable


def test_the_style_encoders_cosine_is_that_of_its_codes(golden: Path) -> None:
    """The codes are pinned to the authors' in tests/models/networks/test_style_encoder.py; the cosine is of these."""
    encoder = StyleEncoder(16, 3, (8, 8, 8, 8, 8))
    one = similarity(StyleCode(encoder, "style-encoder", "0" * 64, ""), "style")
    a, b = pictures("a", 2, 32, "toy-"), pictures("b", 2, 32, "toy-")
    with torch.inference_mode():
        wanted = torch.cosine_similarity(*(encoder(x.float() / 127.5 - 1) for x in (a, b)))
    assert one.metric == "style similarity (style-encoder)"
    assert one.against == "reference"
    torch.testing.assert_close(one.compare(one.vectors(a), one.vectors(b)), wanted.double())


def test_the_shipped_style_encoder_opens() -> None:
    found = open_painted(offline=True)
    assert found(pictures("a", 2, 64, "toy-")).shape == (2, found.dim)
    # What a protocol says of it, a record must be able to hold.
    assert all(PLAIN.match(str(value)) for value in found.describe().values())


def test_pulls_on_art_fid_give_its_spread() -> None:
    """Of 200 redrawn sets at dimension 3: the interval's half width is the spread that the draws show."""
    draw = torch.Generator().manual_seed(0)
    values, halves, which = [], [], torch.arange(200).numpy()
    for _ in range(200):
        styles = torch.randn(200, 3, generator=draw).numpy()
        made = (torch.randn(200, 3, generator=draw) * 1.3 + 0.4).numpy()
        content = torch.rand(200, generator=draw).double().numpy()
        found = measure(Stylised(made, styles, content, which, which, {}))
        assert found.pulls is not None
        span = interval(found.value, found.pulls)
        values.append(found.value)
        halves.append((span.high - span.low) / 2)
    spread = 1.96 * float(torch.tensor(values).std())
    assert sum(halves) / len(halves) == pytest.approx(spread, rel=0.15)


def test_what_is_not_here_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path))
    for name in ("artfid", "cfsd", "csd", "style-encoder", "arcface"):
        with pytest.raises(SuiteError, match=rf"leave {name} out of --set panel") as told:
            check_at_hand(name, tmp_path, offline=True)
        assert entry(PANEL[name].weights[0]).file in str(told.value)
        with pytest.raises(SuiteError, match=rf"leave {name} out of --set panel"):
            open_row(name, tmp_path, offline=True)
    # Nobody serves ArcFace's file at an address, so being online does not help.
    with pytest.raises(SuiteError, match=r"arcface_backbone\.pth from https"):
        check_at_hand("arcface", tmp_path)
    with pytest.raises(SuiteError, match="did you mean 'arcface'"):
        check_at_hand("arcfaces")


def test_another_network_under_the_name_is_refused(tmp_path: Path) -> None:
    save_file({"a.weight": torch.zeros(1), "b.weight": torch.zeros(1)}, tmp_path / "arcface_backbone.safetensors")
    with pytest.raises(SuiteError, match=r"no 'features\.running_mean' in it; expected ArcFace"):
        published_state("arcface", "features.running_mean", tmp_path, offline=True)


def test_a_checkpoint_as_csds_is_read_without_running_anything(tmp_path: Path) -> None:
    """Weights under `module.`, beside an optimiser's numbers as NumPy wrote them."""
    import argparse

    import numpy as np

    from models.weights.reading import read_checkpoint

    held = {"module.last_layer_style": torch.ones(2, 2), "module.backbone.ln_pre.bias": torch.zeros(2)}
    told = {"model_state_dict": held, "args": argparse.Namespace(lr=np.float64(0.1)), "rate": np.float64(0.5)}
    torch.save(told, tmp_path / "csd.pth")
    assert set(read_checkpoint(tmp_path / "csd.pth").parts["model_state_dict"]) == {
        "last_layer_style",
        "backbone.ln_pre.bias",
    }


def test_names_change_back(golden: Path) -> None:
    with torch.device("meta"):
        network = StyleDescriptor(ClipVision())
        named = own_names({key: torch.empty(shape) for key, shape in keys(golden, "csd", "CSD_CLIP vit_large").items()})
    assert set(named) == set(network.state_dict())
