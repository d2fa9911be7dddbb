"""Files that others made, and damaged ones: they load, or one line says why not; nothing else comes through."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.inference.pretrained import PAINTED, load_blendgan
from models.networks.blendgan import BlendGAN
from models.weights import load_checkpoint, read_checkpoint, save_weights
from suite.errors import SuiteError

CHANNELS = {4: 4, 8: 4}


def blendgan() -> BlendGAN:
    torch.manual_seed(0)
    return BlendGAN(8, 8, 2, CHANNELS, 8)


def saved(path: Path, state: dict[str, Tensor], **more: Any) -> Path:
    torch.save({"g_ema": state, **more}, path)
    return path


WAYS: dict[str, Callable[[Tensor], Tensor | None]] = {
    "missing": lambda value: None,
    "scalar": lambda value: value.flatten()[:1].squeeze(),
    "one axis less": lambda value: value.flatten(),
    "one axis more": lambda value: value[None],
    "longer": lambda value: torch.cat([value, value]) if value.dim() else value.repeat(2),
    "empty": lambda value: value.flatten()[:0],
    "integers": lambda value: value.long(),
    "NaN": lambda value: value.float() * float("nan"),
    "complex": lambda value: value.to(torch.complex64),
    "sparse": lambda value: value.to_sparse(),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_tensor_spoilt_in_every_way_is_one_line(way: str, tmp_path: Path) -> None:
    state = blendgan().state_dict()
    for key, value in state.items():
        spoilt = WAYS[way](value)
        changed = {name: held for name, held in state.items() if name != key}
        if spoilt is not None:
            changed[key] = spoilt
        path = saved(tmp_path / "w.pt", changed)
        try:
            load_blendgan(path)
        except SuiteError:
            continue
        # A reshaped parameter of one number, and whole numbers, lose nothing.
        assert way in ("integers", "scalar", "one axis less"), key


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"latent_avg": torch.zeros(3)}, "latent_avg has 3 numbers"),
        ({"latent_avg": torch.full((8,), float("nan"))}, "no row of finite numbers"),
        ({"latent_avg": torch.zeros(2, 2, 2)}, "no row of finite numbers"),
        ({"truncation": 7.0}, "truncation is 7.0"),
        ({"truncation": torch.zeros(4)}, "truncation is nan"),
    ],
)
def test_odd_extras_are_one_line(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=said):
        load_blendgan(saved(tmp_path / "w.pt", blendgan().state_dict(), **more))


def test_noise_maps_that_a_file_lacks_are_drawn_the_same_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = {key: value for key, value in blendgan().state_dict().items() if not key.startswith("noises.")}
    path = saved(tmp_path / "w.pt", state)
    first = load_blendgan(path).generator.state_dict()
    torch.manual_seed(5)
    second = load_blendgan(path).generator.state_dict()
    assert "holds no noise maps" in capsys.readouterr().err
    for key, value in first.items():
        assert torch.equal(value, second[key] if key.startswith("noises.") else state[key]), key
    assert first["noises.noise_1"].std() > 0.5


def test_one_lacking_noise_map_is_damage(tmp_path: Path) -> None:
    state = blendgan().state_dict()
    del state["noises.noise_1"]
    with pytest.raises(SuiteError, match=r"missing: noises\.noise_1"):
        load_blendgan(saved(tmp_path / "w.pt", state))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_prefixes_of_wrappers_are_taken_off(prefix: str, kind: str, tmp_path: Path) -> None:
    generator = blendgan()
    wrapped = {prefix + key: value for key, value in generator.state_dict().items()}
    path = tmp_path / f"w.{kind}"
    if kind == "pt":
        saved(path, wrapped)
    else:
        save_weights(path, {"g_ema": wrapped})
    loaded = load_blendgan(path).generator.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in generator.state_dict().items())


def test_the_shipped_model_wins_over_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / PAINTED).mkdir()
    (tmp_path / PAINTED / "portrait.png").touch()
    assert load_blendgan(Path(PAINTED)).generator.size > 8
    saved(tmp_path / PAINTED / "blendgan.pt", blendgan().state_dict())
    assert load_blendgan(Path(PAINTED)).generator.size == 8


def test_a_folder_without_weights_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path / "cache"))
    with pytest.raises(SuiteError, match=r"a folder without blendgan\.pt"):
        load_blendgan(tmp_path)


# --- NVIDIA's pickles, spoilt ----------------------------------------------------------------------------------------


class Persistent:
    """Pickles as NVIDIA's persistence does."""

    def __init__(self, state: Any) -> None:
        self.meta = {"class_name": "Generator", "state": state}

    def __reduce__(self) -> Any:
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (self.meta,)


def leaf(**tensors: tuple[int, ...]) -> Persistent:
    held = {name: torch.zeros(shape) for name, shape in tensors.items()}
    return Persistent({"_parameters": held, "_buffers": {}, "_modules": {}})


def node(**modules: Any) -> Persistent:
    return Persistent({"_parameters": {}, "_buffers": {}, "_modules": modules})


def block(**tensors: tuple[int, ...]) -> Persistent:
    made = leaf(**tensors)
    made.meta["state"]["_modules"]["affine"] = leaf(weight=(8, 8), bias=(8,))
    return made


@pytest.fixture
def pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Path]:
    for name in ("torch_utils", "torch_utils.persistence"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    def _reconstruct_persistent_obj(meta: Any) -> None: ...

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj = (  # type: ignore[attr-defined]
        _reconstruct_persistent_obj
    )

    def write(value: Any) -> Path:
        path = tmp_path / "network.pkl"
        path.write_bytes(pickle.dumps(value, 4))
        return path

    return write


def cyclic() -> Persistent:
    held: dict[str, Any] = {}
    held["a"] = Persistent({"_parameters": {}, "_buffers": {}, "_modules": held})
    return Persistent({"_parameters": {}, "_buffers": {}, "_modules": held})


def const() -> Persistent:
    b4 = leaf(const=(8, 4, 4))
    return node(mapping=leaf(w_avg=(8,)), synthesis=node(b4=b4))


@pytest.mark.parametrize(
    "make",
    [
        cyclic,
        const,
        lambda: Persistent({"_parameters": [1]}),
        lambda: Persistent({"_parameters": {}, "_modules": 3}),
        lambda: node(synthesis=node(b4=leaf(const=()), b7=leaf(weight=(1,)))),
        lambda: Persistent({}),
    ],
)
def test_spoilt_pickles_are_one_line(make: Callable[[], Any], pickled: Callable[[Any], Path]) -> None:
    for name in ("G_ema", "D"):
        with pytest.raises(SuiteError) as caught:
            read_checkpoint(pickled({name: make()}))
        assert "\n" not in str(caught.value)


class Storage:
    """Bytes that PyTorch would call a storage, but which hold code."""

    def __reduce__(self) -> Any:
        data = pickle.dumps(print)
        return torch.storage._load_from_bytes, (data,)


def test_nobody_is_told_to_run_the_code(pickled: Callable[[Any], Path]) -> None:
    with pytest.raises(SuiteError, match="a storage that is more than numbers") as caught:
        read_checkpoint(pickled({"G_ema": Storage()}))
    assert "weights_only" not in str(caught.value)


def test_a_file_without_networks_is_one_line(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", {})
    with pytest.raises(SuiteError, match="holds no network"):
        read_checkpoint(tmp_path / "w.safetensors")


def test_another_file_than_alexnet_is_one_line(tmp_path: Path) -> None:
    from models.inference.invert import LearnedDistance

    save_weights(tmp_path / "w.safetensors", {"g_ema": blendgan().state_dict()})
    with pytest.raises(SuiteError, match=r"w\.safetensors: does not fit .*missing: slice1\.0\.weight"):
        LearnedDistance(tmp_path / "w.safetensors")


def test_nan_in_weights_is_named(tmp_path: Path) -> None:
    state = blendgan().state_dict()
    state["convs.1.conv.weight"][0, 0] = float("nan")
    with pytest.raises(SuiteError, match=r"NaN or infinite weights in convs\.1\.conv\.weight"):
        load_checkpoint(saved(tmp_path / "w.pt", state), blendgan())
