"""Import published code from a folder of clones, so that it neither sees nor changes this project's modules."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ops.upfirdn2d.geometry import Geometry
from ops.upfirdn2d.reference import upfirdn2d_ref
from suite.errors import SuiteError, did_you_mean

ENVIRONMENT = "AAHQ_PEERS"


@dataclass(frozen=True)
class Peer:
    """A repository of published code.

    Attributes:
        owner: on GitHub.
        commit: that the comparisons were written against.
        holds: a file by which the folder is known.
        inside: the folder in it from which its modules import each other.
        without: modules that it imports and that the comparisons do not need; empty ones stand in for them.
    """

    owner: str
    commit: str
    holds: str
    inside: str = "."
    without: tuple[str, ...] = ()


# Folder, as `git clone` names it -> whose it is.
PEERS = {
    "BlendGAN": Peer("onion-liu", "8da1ea1", "model_encoder.py"),
    "stylegan2-pytorch": Peer(
        "rosinality", "bef283a", "non_leaking.py", without=("lmdb", "wandb", "tensorboardX", "tqdm")
    ),
    "pixel2style2pixel": Peer("eladrich", "5cfff38", "models/psp.py"),
    "pytorch-AdaIN": Peer("naoto0804", "47950d0", "net.py"),
    "MUNIT": Peer("NVlabs", "a82e222", "trainer.py", without=("torch.utils.serialization",)),
    "FUNIT": Peer("NVlabs", "198f430", "funit_model.py"),
    "DRIT": Peer("HsinYingLee", "f19f50a", "src/model.py", inside="src"),
    "MDMM": Peer("HsinYingLee", "18360fe", "model.py"),
    "stargan-v2": Peer(
        "clovaai",
        "875b70a",
        "core/solver.py",
        without=("munch", "ffmpeg", "skimage", "skimage.filters", "cv2", "metrics", "metrics.eval"),
    ),
}


class Munch(dict[str, Any]):
    """A dictionary whose keys are attributes too, as the package `munch` has it."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


class Peers:
    """The folder of `--peers`: clones of published code, each under its repository's name.

    Raises:
        SuiteError: no folder, or none of the repositories in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not folder.is_dir():
            raise SuiteError(f"--peers {folder}: no such folder; clone into it what docs/measuring.md lists")
        self.here = [name for name, peer in PEERS.items() if (folder / name / peer.holds).is_file()]
        if not self.here:
            raise SuiteError(
                f"--peers {folder}: holds none of {', '.join(PEERS)} (a clone each, under its own name; docs/measuring.md)"
            )

    def load(self, name: str, *modules: str) -> list[Any]:
        """Modules of one repository, e.g. `load("MUNIT", "trainer")`.

        Raises:
            SuiteError: a repository that is not in the folder, or does not import here.
        """
        if name not in PEERS:
            raise ValueError(f"peers: no {name!r}{did_you_mean(name, PEERS)}")
        if name not in self.here:
            peer = PEERS[name]
            raise SuiteError(f"--peers {self.folder}: no {name} with {peer.holds}; clone {peer.owner}/{name} into it")
        try:
            with _importing(self.folder / name / PEERS[name].inside, PEERS[name].without):
                return [importlib.import_module(module) for module in modules]
        except (ImportError, AttributeError, SyntaxError) as error:
            raise SuiteError(f"--peers {self.folder}: {name} does not import here: {error}") from error


@contextmanager
def _importing(folder: Path, without: tuple[str, ...]) -> Iterator[None]:
    """Modules of `folder` come first; on the way out they are forgotten, and ours of the same names are back."""
    own = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in own or name in without}
    before = set(sys.modules)
    sys.modules.update({name: _stand_in(name) for name in without})
    sys.path.insert(0, str(folder))
    try:
        with mock.patch("torch.utils.cpp_extension.load", return_value=EagerOperators), _quietly():
            yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if name.split(".")[0] in own or name in without or file.startswith(str(folder)):
                del sys.modules[name]
        sys.modules.update(hidden)


def _stand_in(name: str) -> types.ModuleType:
    class StandIn(types.ModuleType):
        __path__: ClassVar[list[str]] = []

        def __getattr__(self, key: str) -> Any:
            if key.startswith("__"):
                raise AttributeError(key)
            return Munch if key == "Munch" else None

    return StandIn(name)


@contextmanager
def _quietly() -> Iterator[None]:
    """Their prints and warnings are about their own."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def placed(device: torch.device) -> Iterator[None]:
    """Within the block `.cuda()` of published code, which is written for one GPU, means `device`; it prints nothing."""

    def tensor(self: Tensor, *_: Any, **__: Any) -> Tensor:
        return self.to(device)

    def module(self: nn.Module, *_: Any, **__: Any) -> nn.Module:
        return self.to(device)

    with (
        mock.patch.object(torch.Tensor, "cuda", tensor),
        mock.patch.object(nn.Module, "cuda", module),
        mock.patch.object(torch.Tensor, "get_device", return_value=device),
        _quietly(),
    ):
        yield


class EagerOperators:
    """What StyleGAN2's two CUDA extensions compute, in plain PyTorch, for the code that would compile them.

    The signatures are those of the extensions (`fused_bias_act`, `upfirdn2d` on (major, H, W, 1)).
    """

    @staticmethod
    def fused_bias_act(
        x: Tensor, bias: Tensor, reference: Tensor, act: int, derivative: int, slope: float, scale: float
    ) -> Tensor:
        """Bias, leaky ReLU and gain; with `derivative` 1 its gradient, whose sign is that of `reference`, the output."""
        if bias.numel():
            x = x + bias.view(1, -1, *[1] * (x.ndim - 2))
        if derivative == 0:
            return F.leaky_relu(x, slope) * scale
        return torch.where(reference > 0, x, x * slope) * scale

    @staticmethod
    def upfirdn2d(x: Tensor, kernel: Tensor, *numbers: int) -> Tensor:
        """`numbers`: up x, y; down x, y; pad left, right, top, bottom."""
        return upfirdn2d_ref(x[:, None, :, :, 0], kernel, Geometry(*numbers))[:, 0, :, :, None]
