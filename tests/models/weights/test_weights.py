"""Checkpoints: layouts, strictness, refusal of code, NVIDIA's pickles against NVIDIA's own outputs."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.networks.blendgan import BlendGAN
from models.networks.discriminators import Discriminator
from models.networks.style_encoder import StyleEncoder
from models.networks.stylegan2 import Generator
from models.weights import load_checkpoint, load_state, read_checkpoint, save_weights
from models.weights.convert import convert
from models.weights.layouts import BLENDGAN, configuration
from models.weights.unpickle import read_tensors_only
from suite.errors import SuiteError
from tests import golden_recipe as recipe

CHANNELS = {4: 8, 8: 8, 16: 8, 32: 8}


def small_generator(size: int = 16) -> Generator:
    return Generator(size, style_dim=8, n_mlp=2, channels=CHANNELS)


def small_blendgan(size: int = 16) -> BlendGAN:
    return BlendGAN(size, style_dim=8, n_mlp=2, channels=CHANNELS)


# --- NVIDIA's pickles ------------------------------------------------------------------------------------------------

NVIDIA_SALT = "nvidia-"
# Outputs of NVIDIA's Generator and Discriminator (both repositories give the same numbers; 32 px, channel_base 1024,
# channel_max 64, w_dim 32, 2 mapping layers, truncation 0.7, constant noise) on the weights that `nvidia_value` makes.
NVIDIA_PICTURE = [-0.345254600, -0.824386060, -1.09033763, 0.0336507335, 0.146208242, -0.211100459, -0.776047468]
NVIDIA_LOGITS = [-0.389148176, -0.436635107, -0.380808443, -0.412970930]
# The same with conv_clamp=1 in both networks, mbstd_group_size=8 and eight pictures: limits that cut in most layers.
NVIDIA_CUT_PICTURE = [-0.305590719, -0.466381043, -0.838655353, 0.196705624, 0.377546817, -0.212103084, -0.542494893]
NVIDIA_CUT_LOGITS = [-0.184802026, -0.210038662, -0.193720073, -0.214617193, -0.182548001, -0.194979489, -0.214875400]
FILTER = torch.outer(*(torch.tensor([1.0, 3.0, 3.0, 1.0]),) * 2) / 64


def nvidia_value(key: str, shape: tuple[int, ...]) -> Tensor:
    if key.endswith("resample_filter"):
        return FILTER.clone()
    n = recipe.normal(key, shape, NVIDIA_SALT)
    if key.endswith("affine.bias"):
        return 1 + 0.1 * n
    if key.endswith("noise_strength"):
        return 0.2 + 0.05 * n
    if key.startswith("mapping.fc"):
        return n * (100 if key.endswith("weight") else 10)
    return 0.1 * n if key.endswith("bias") else n


def nvidia_generator_shapes() -> dict[str, tuple[int, ...]]:
    width = {4: 64, 8: 64, 16: 64, 32: 32}
    shapes: dict[str, tuple[int, ...]] = {"synthesis.b4.const": (64, 4, 4), "mapping.w_avg": (32,)}
    for index in range(2):
        shapes |= {f"mapping.fc{index}.weight": (32, 32), f"mapping.fc{index}.bias": (32,)}
    for size, out in width.items():
        block = f"synthesis.b{size}"
        shapes[f"{block}.resample_filter"] = (4, 4)
        for conv, into in (("conv0", width.get(size // 2, 0)), ("conv1", out)):
            if into:
                shapes |= {
                    f"{block}.{conv}.weight": (out, into, 3, 3),
                    f"{block}.{conv}.noise_strength": (),
                    f"{block}.{conv}.bias": (out,),
                    f"{block}.{conv}.affine.weight": (into, 32),
                    f"{block}.{conv}.affine.bias": (into,),
                    f"{block}.{conv}.noise_const": (size, size),
                    f"{block}.{conv}.resample_filter": (4, 4),
                }
        shapes |= {f"{block}.torgb.weight": (3, out, 1, 1), f"{block}.torgb.bias": (3,)}
        shapes |= {f"{block}.torgb.affine.weight": (out, 32), f"{block}.torgb.affine.bias": (out,)}
    return shapes


def nvidia_discriminator_shapes() -> dict[str, tuple[int, ...]]:
    width = {32: 32, 16: 64, 8: 64, 4: 64}
    shapes: dict[str, tuple[int, ...]] = {"b32.fromrgb.weight": (32, 3, 1, 1), "b32.fromrgb.bias": (32,)}
    shapes["b32.fromrgb.resample_filter"] = (4, 4)
    for size in (32, 16, 8):
        into, out = width[size], width[size // 2]
        shapes |= {f"b{size}.conv0.weight": (into, into, 3, 3), f"b{size}.conv0.bias": (into,)}
        shapes |= {f"b{size}.conv1.weight": (out, into, 3, 3), f"b{size}.conv1.bias": (out,)}
        shapes[f"b{size}.skip.weight"] = (out, into, 1, 1)
        for part in ("", "conv0.", "conv1.", "skip."):
            shapes[f"b{size}.{part}resample_filter"] = (4, 4)
    shapes |= {"b4.conv.weight": (64, 65, 3, 3), "b4.conv.bias": (64,), "b4.conv.resample_filter": (4, 4)}
    shapes |= {"b4.fc.weight": (64, 1024), "b4.fc.bias": (64,), "b4.out.weight": (1, 64), "b4.out.bias": (1,)}
    return shapes


class Persistent:
    """Pickles as NVIDIA's persistence decorator makes its networks pickle: a call with source code and state."""

    def __init__(self, name: str, state: dict[str, Any]) -> None:
        self.name, self.state = name, state

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild = sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj
        source = "raise SystemExit('the code of the pickle was run')"
        meta = {"type": "class", "version": 6, "module_src": source, "class_name": self.name, "state": self.state}
        return rebuild, (meta,)


def nvidia_module(name: str, values: dict[str, Tensor], clamp: float = 256, **attributes: Any) -> Persistent:
    own = {key: value for key, value in values.items() if "." not in key}
    heads = sorted({key.split(".")[0] for key in values if "." in key})
    below = {
        head: nvidia_module(head, {k[len(head) + 1 :]: v for k, v in values.items() if k.startswith(head + ".")}, clamp)
        for head in heads
    }
    if name == "b4" and "conv" in below:  # a discriminator's last block
        below["mbstd"] = Persistent("MinibatchStdLayer", {"group_size": 4 if clamp == 256 else 8, "num_channels": 1})
    buffers = ("resample_filter", "noise_const", "w_avg")
    state = {
        "training": False,
        "_parameters": OrderedDict((k, nn.Parameter(v)) for k, v in own.items() if k not in buffers),
        "_buffers": OrderedDict((k, v) for k, v in own.items() if k in buffers),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_modules": OrderedDict(below),
        "weight_gain": np.float64(0.5),
        "filter": np.arange(4, dtype=np.float32),
        "conv_clamp": clamp,
    }
    return Persistent(name, state | attributes)


@pytest.fixture(params=[256])
def nvidia_pickle(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A snapshot in the layout of stylegan2-ada-pytorch, made with our own writer and recipe weights.

    Its layers are limited at 256, as most of NVIDIA's, or at the test's `indirect` parameter, with groups of 8 then.
    """
    package, module, easy = (
        types.ModuleType("torch_utils"),
        types.ModuleType("torch_utils.persistence"),
        types.ModuleType("u"),
    )

    def _reconstruct_persistent_obj(meta: Any) -> Any:
        raise AssertionError("must not be called")

    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    easy_dict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    easy.EasyDict = easy_dict  # type: ignore[attr-defined]
    added = {"torch_utils": package, module.__name__: module, "dnnlib": types.ModuleType("dnnlib"), "dnnlib.util": easy}
    sys.modules.update(added)
    g = {key: nvidia_value(key, shape) for key, shape in nvidia_generator_shapes().items()}
    d = {key: nvidia_value(key, shape) for key, shape in nvidia_discriminator_shapes().items()}
    snapshot = {
        "training_set_kwargs": easy_dict(path="x"),
        "G": nvidia_module("Generator", g, request.param, c_dim=0),
        "D": nvidia_module("Discriminator", d, request.param, c_dim=0),
        "G_ema": nvidia_module("Generator", g, request.param, c_dim=0),
        "augment_pipe": None,
    }
    path = tmp_path / "network-snapshot.pkl"
    path.write_bytes(pickle.dumps(snapshot))
    for name in added:
        del sys.modules[name]
    return path


@pytest.mark.parametrize(
    ("nvidia_pickle", "group", "expected_picture", "expected_logits"),
    [(256, 4, NVIDIA_PICTURE, NVIDIA_LOGITS), (1, 8, NVIDIA_CUT_PICTURE, NVIDIA_CUT_LOGITS)],
    indirect=["nvidia_pickle"],
)
def test_nvidia_pickle_gives_nvidias_outputs(
    nvidia_pickle: Path, group: int, expected_picture: list[float], expected_logits: list[float]
) -> None:
    checkpoint = read_checkpoint(nvidia_pickle)
    known = configuration(checkpoint.parts["g_ema"])
    widths = {int(size): width for size, width in known["widths"].items()}
    assert (known["size"], known["style_dim"], known["n_mlp"], widths[32]) == (32, 32, 2, 32)
    limit = 256 if group == 4 else 1
    assert checkpoint.facts == {"conv_clamp": limit, "d_conv_clamp": limit, "d_stddev_group": group}
    g, d = Generator(32, 32, 2, widths), Discriminator(32, channels=widths)
    load_checkpoint(nvidia_pickle, g)
    load_checkpoint(nvidia_pickle, d)
    z = recipe.normal("in/z", (2, 32), NVIDIA_SALT)
    x = recipe.normal("in/x", (group, 3, 32, 32), NVIDIA_SALT).clamp(-1, 1)
    with torch.no_grad():
        picture, _ = g(z, truncation=0.7, truncation_latent=checkpoint.latent_avg)
        logits = d(x).flatten()
    # 1e-4 of the largest value (about 4 and 0.44): float32 convolutions summed in another order.
    assert torch.allclose(
        picture[:, :, ::11, ::13].reshape(-1)[::3][:7], torch.tensor(expected_picture), atol=4e-4, rtol=0
    )
    assert torch.allclose(logits[:7], torch.tensor(expected_logits), atol=4e-5, rtol=0)


def test_the_limit_of_nvidias_layers_is_kept_and_acts(nvidia_pickle: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(nvidia_pickle)
    widths = {int(size): width for size, width in configuration(checkpoint.parts["g_ema"])["widths"].items()}
    for suffix in (".safetensors", ".pt"):
        convert(nvidia_pickle, tmp_path / f"g{suffix}")
    for path in (nvidia_pickle, tmp_path / "g.safetensors", tmp_path / "g.pt"):
        g, d = Generator(32, 32, 2, widths), Discriminator(32, channels=widths)
        load_checkpoint(path, g)
        load_checkpoint(path, d)
        assert g.conv_clamp == d.conv_clamp == 256
        assert d.stddev_group == 4
        g.conv1.activate.bias.data += 1e4  # pushes every value past the limit, which NVIDIA's layers cut at 256
        seen: list[Tensor] = []
        g.conv1.register_forward_hook(lambda *given, seen=seen: seen.append(given[-1]))
        with torch.no_grad():
            g(torch.zeros(1, 32))
        assert torch.equal(seen[0], torch.full_like(seen[0], 256))
    g.conv_clamp = None
    with torch.no_grad():
        g(torch.zeros(1, 32))
    assert seen[1].min() > 1000


@pytest.mark.slow
def test_the_complete_published_generator_has_228_keys_and_loads_strictly(golden: Path) -> None:
    """Shapes alone: the file is 1.4 GB. Its style encoder rides along under `embedder.`."""
    keys = json.loads((golden / "blendgan.keys.json").read_text())["generator"]
    state = {key: torch.empty(shape, device="meta") for key, shape, _ in keys}
    assert len(state) == 228
    with torch.device("meta"):
        network = BlendGAN(1024, embedder=StyleEncoder())
    load_state(network, state, "blendgan.pt")
    for key in ("embedder.embedder_mlp.3.bias", "add_weight", "noises.noise_16"):
        less = {name: value for name, value in state.items() if name != key}
        with pytest.raises(SuiteError, match=rf"missing: {key}$"):
            load_state(network, less, "blendgan.pt")
    with pytest.raises(SuiteError, match=r"unexpected: embedder\.more"):
        load_state(network, state | {"embedder.more": torch.empty(1, device="meta")}, "blendgan.pt")


def test_conditional_and_foreign_networks_are_named(nvidia_pickle: Path) -> None:
    from models.weights.nvidia import discriminator_state, generator_state
    from models.weights.unpickle import Record

    with pytest.raises(SuiteError, match="StyleGAN3"):
        generator_state(Record("Generator", {"_buffers": {"synthesis.L0_36_512.bias": torch.zeros(1)}}), "x.pkl")
    with pytest.raises(SuiteError, match="a Thing; a StyleGAN2 discriminator"):
        discriminator_state(Record("Thing", {}), "x.pkl")
    with nvidia_pickle.open("rb") as source:
        network = read_tensors_only(source, "x")["G_ema"]
    network.state["c_dim"] = 10
    with pytest.raises(SuiteError, match="10 labels"):
        generator_state(network, "x.pkl")


# --- pickles that want to run something --------------------------------------------------------------------------------


class Runs:
    def __init__(self, call: Any, *args: Any) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.args


def hostile() -> dict[str, tuple[Any, str]]:
    """name -> (object, what the refusal must name). Each would leave a mark on disk or raise if it were run."""
    return {
        "system": (Runs(os.system, "touch marked"), "system"),
        "eval": (Runs(eval, "open('marked', 'w')"), "eval"),
        "exec": (Runs(exec, "open('marked', 'w')"), "exec"),
        "getattr": (Runs(getattr, 1, "real"), "getattr"),
        "hub": (Runs(torch.hub.load, "a/b", "c"), "hub.load"),
        "load": (Runs(torch.load, "marked"), "torch.serialization.load"),
        "objects": (np.array([Runs(eval, "open('marked', 'w')")], dtype=object), ""),
        "popen": (Runs(__import__("subprocess").Popen, ["touch", "marked"]), "Popen"),
    }


@pytest.mark.parametrize("name", hostile())
@pytest.mark.parametrize("form", ["pickle", "torch", "old torch", "inside a storage"])
def test_nothing_in_a_hostile_file_runs(name: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    value, named = hostile()[name]
    path = tmp_path / "evil.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps({"g_ema": value}, protocol=2))
    elif form == "inside a storage":
        inner = io.BytesIO()
        torch.save(value, inner)
        path.write_bytes(pickle.dumps(Runs(torch.storage._load_from_bytes, inner.getvalue()), protocol=4))
    else:
        torch.save({"g_ema": value}, path, _use_new_zipfile_serialization=form == "torch")
    with pytest.raises(SuiteError) as refused:
        read_checkpoint(path)
    assert not (tmp_path / "marked").exists()
    assert "\n" not in str(refused.value)
    if form != "inside a storage":
        assert named in str(refused.value)
        assert "refused" in str(refused.value)


def test_a_known_callable_cannot_be_tampered_with() -> None:
    """BUILD on the stand-in of `_rebuild_parameter` would change it for every later file."""
    stream = b"\x80\x02ctorch._utils\n_rebuild_parameter\n}X\x01\x00\x00\x00aK\x01sb."
    with pytest.raises(SuiteError, match=r"change to torch\._utils\._rebuild_parameter"):
        read_tensors_only(io.BytesIO(stream), "x.pkl")


def test_a_tensor_larger_than_its_storage_is_damage() -> None:
    storage = torch.zeros(4)._typed_storage()
    call = Runs(torch._utils._rebuild_tensor_v2, storage, 0, (5,), (1,), False, OrderedDict())
    data = pickle.dumps(call)
    with pytest.raises(SuiteError, match="larger than its storage"):
        read_tensors_only(io.BytesIO(data), "x.pkl")


# --- layouts, strictness ---------------------------------------------------------------------------------------------


def test_rosinality_file_with_options_loads(tmp_path: Path) -> None:
    g = small_generator()
    path = tmp_path / "550000.pt"
    average = torch.randn(8)
    options = argparse.Namespace(size=16, path="x")
    torch.save(
        {"g": g.state_dict(), "g_ema": g.state_dict(), "latent_avg": average, "args": options, "ada_aug_p": 0.0}, path
    )
    other = small_generator()
    read = load_checkpoint(path, other)
    assert all(torch.equal(a, b) for a, b in zip(g.state_dict().values(), other.state_dict().values(), strict=True))
    assert read.latent_avg is not None
    assert torch.equal(read.latent_avg, average)


def test_a_blendgan_generator_can_start_from_stylegan2(tmp_path: Path) -> None:
    path = tmp_path / "sg2.pt"
    g = small_generator()
    torch.save({"g_ema": g.state_dict()}, path)
    blend = small_blendgan()
    before = blend.embedding[1].weight.detach().clone()
    with pytest.raises(SuiteError, match="a 16 px BlendGAN generator is expected"):
        load_checkpoint(path, blend)
    load_checkpoint(path, blend, keep=("embedding.", "embedder.", "add_weight"))
    assert torch.equal(blend.embedding[1].weight, before)
    assert torch.equal(blend.conv1.conv.weight, g.conv1.conv.weight)


def test_every_wrong_key_is_named() -> None:
    g = small_generator()
    state = dict(g.state_dict())
    del state["style.1.bias"], state["conv1.noise.weight"]
    state["left.over"] = torch.zeros(1)
    state["to_rgb1.bias"] = torch.zeros(3)
    with pytest.raises(SuiteError) as refused:
        load_state(g, state, "x.pt")
    said = str(refused.value)
    assert "missing: " in said
    assert "unexpected: left.over" in said
    assert "misshapen: to_rgb1.bias is 3, 1x3x1x1 is expected" in said
    assert all(key in said for key in ("style.1.bias", "conv1.noise.weight"))


def test_another_size_and_another_method_are_named(tmp_path: Path) -> None:
    path = tmp_path / "big.pt"
    torch.save({"g_ema": small_blendgan(32).state_dict()}, path)
    with pytest.raises(SuiteError, match="another configuration: size 32 in the file, 16 in the network"):
        load_checkpoint(path, small_blendgan(16))
    with pytest.raises(SuiteError, match="a 32 px BlendGAN generator"):
        load_checkpoint(path, Discriminator(16, channels=CHANNELS))


def test_psp_vgg_and_nested_files_are_taken_apart(tmp_path: Path) -> None:
    marks = {
        "input_layer.0.weight": torch.zeros(1),
        "styles.0.linear.weight": torch.zeros(1),
        "input_layer.1.bias": torch.zeros(1),
    }
    path = tmp_path / "psp.pt"
    torch.save(
        {
            "state_dict": {f"encoder.{k}": v for k, v in marks.items()},
            "latent_avg": torch.ones(18, 512),
            "opts": {"a": 1},
        },
        path,
    )
    read = read_checkpoint(path)
    assert list(read.parts) == ["encoder"]
    assert read.parts["encoder"].keys() == marks.keys()
    assert read.latent_avg is not None
    assert read.latent_avg.shape == (18, 512)
    vgg = {
        "features.0.weight": torch.zeros(1),
        "features.34.weight": torch.zeros(1),
        "classifier.6.weight": torch.zeros(1),
    }
    torch.save(vgg, path)
    assert list(read_checkpoint(path).parts["vgg19"]) == ["vgg_layers.0.weight", "vgg_layers.34.weight"]
    torch.save({"anything": {"embedder_mlp.0.weight": torch.zeros(1, 1), "embedder_mlp.0.bias": torch.zeros(1)}}, path)
    assert list(read_checkpoint(path).parts) == ["anything"]


@pytest.mark.parametrize("form", ["safetensors", "torch", "old torch", "pickle"])
def test_every_truncation_is_one_line(form: str, tmp_path: Path, nvidia_pickle: Path) -> None:
    path = tmp_path / "cut.pt"
    if form == "safetensors":
        save_weights(path, {"g_ema": small_generator().state_dict()})
    elif form == "pickle":
        path.write_bytes(nvidia_pickle.read_bytes())
    else:
        torch.save({"g_ema": small_generator().state_dict()}, path, _use_new_zipfile_serialization=form == "torch")
    whole = path.read_bytes()
    for keep in (0.999, 0.5, 0.1):
        path.write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(SuiteError, match=r"cut\.pt") as refused:
            read_checkpoint(path)
        assert "fetch it again" in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html>", "a web page"),
        (b"hello", "not a weights file"),
        (b"", "not a weights file"),
        (b"PK\x03\x04oops", "damaged"),
    ],
)
def test_other_files_are_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(SuiteError, match=said):
        read_checkpoint(path)
    with pytest.raises(SuiteError, match="no such weights file"):
        read_checkpoint(tmp_path / "absent.pt")


@pytest.mark.parametrize("length", [ord("<"), ord(" ") + 256 * ord("<"), 0x80, ord("P") + 256 * ord("K")])
def test_safetensors_are_known_by_more_than_their_first_byte(length: int, tmp_path: Path) -> None:
    """The file begins with its header's length, which can look like a page's, a pickle's or an archive's beginning."""
    path = tmp_path / "x.safetensors"
    save_weights(path, {"g_ema": small_generator().state_dict()})
    whole = path.read_bytes()
    before = int.from_bytes(whole[:8], "little")
    # Blanks after the header count as part of it; the first 16 bits of its length are chosen.
    wanted = before + (length - before) % 65536
    path.write_bytes(wanted.to_bytes(8, "little") + whole[8 : 8 + before].ljust(wanted) + whole[8 + before :])
    assert read_checkpoint(path).parts.keys() == {"g_ema"}


def test_known_digest_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    torch.save({"a": torch.zeros(1), "b": torch.zeros(1)}, path)
    with pytest.raises(SuiteError, match="dcbb9e9d"):
        read_checkpoint(path)


def test_conversion_keeps_values_and_tells_its_origin(tmp_path: Path) -> None:
    from suite.files import sha256_file

    blend = small_blendgan()
    source, middle, back = tmp_path / "b.pt", tmp_path / "b.safetensors", tmp_path / "c.pt"
    torch.save({"g_ema": blend.state_dict(), "latent_avg": torch.ones(1, 8), "truncation": 0.6}, source)
    told = convert(source, middle)
    read = read_checkpoint(middle)
    assert told["parts"]["g_ema"]["size"] == 16
    assert read.facts["source_sha256"] == sha256_file(source)
    assert read.facts["parts"]["g_ema"]["widths"] == {"4": 8, "8": 8, "16": 8}
    assert read.truncation == pytest.approx(0.6)
    convert(middle, back)
    again = torch.load(back, weights_only=True)
    assert again.keys() == {"g_ema", "latent_avg", "truncation"}
    assert all(torch.equal(again["g_ema"][key], value) for key, value in blend.state_dict().items())
    with pytest.raises(SuiteError, match=r"\.safetensors or \.pt"):
        convert(source, tmp_path / "b.onnx")
    assert read.part(BLENDGAN) is not None
