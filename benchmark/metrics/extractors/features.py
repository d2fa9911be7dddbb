"""Feature extractors. Each owns its size, its resize filter, its range, its weights' digest and its licence.

Every extractor takes uint8 RGB (N, 3, H, W), as pictures rest, so that no metric ever guesses a range. A distance
between features is called what its extractor says (`fd_name`): only the published Inception weights make a "FID".
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.weights.download import obtain
from models.weights.reading import read_checkpoint
from models.weights.registry import entry
from suite.errors import SuiteError, did_you_mean
from suite.files import digest, sha256_file

InceptionMode = Literal["clean", "legacy_pytorch", "legacy_tensorflow"]
INCEPTION_NAMES: dict[str, str] = {
    "clean": "FID",
    "legacy_pytorch": "FID-legacy-pytorch",
    "legacy_tensorflow": "FID-legacy-tensorflow",
}


class Extractor(abc.ABC):
    """Pictures to feature vectors.

    Attributes:
        name: short, for protocols and cache keys.
        fd_name, kernel_name: what a Fréchet or a kernel distance between these features is called.
        kernel: `polynomial` (KID's; a Fréchet distance goes with it) or `gaussian` (CMMD's, alone).
        dim: length of a vector.
        size: side that pictures are resized to; 0 where the network resizes by itself.
        resize: the resize filter in words.
        weights_sha256: digest of the weights.
        licence: terms of the weights.
    """

    name: str
    fd_name: str
    kernel_name: str
    kernel: Literal["polynomial", "gaussian"] = "polynomial"
    dim: int
    size: int
    resize: str
    weights_sha256: str
    licence: str

    def describe(self) -> dict[str, object]:
        """Everything that a feature depends on besides the picture: the key of every cache and protocol."""
        keys = ("name", "dim", "size", "resize", "weights_sha256")
        return {key: getattr(self, key) for key in keys}

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, dim) float32 on the CPU from (N, 3, H, W) uint8.

        Raises:
            SuiteError: another dtype or shape.
        """
        if pictures.dtype != torch.uint8 or pictures.ndim != 4 or pictures.shape[1] != 3:
            raise SuiteError(f"{self.name}: expected (N, 3, H, W) uint8, got {tuple(pictures.shape)} {pictures.dtype}")
        if not len(pictures):
            return torch.empty(0, self.dim)
        return self.embed(pictures).float().cpu()

    @abc.abstractmethod
    def embed(self, pictures: Tensor) -> Tensor:
        """(N, dim) features of checked uint8 pictures."""


class Inception(Extractor):
    """clean-fid's Inception of 2015 in its three modes; features equal clean-fid's on the same PNG files.

    Args:
        mode: `clean` (PIL bicubic with antialiasing on floats), `legacy_pytorch` (bilinear without antialiasing) or
            `legacy_tensorflow` (the network's own resize).
        file: the weights file of that mode.
        verified: whether its digest is the published one; else the distance is not called FID.
    """

    dim = 2048

    def __init__(
        self, mode: InceptionMode, file: Path, sha256: str, verified: bool, device: str = "cpu", threads: int = 2
    ) -> None:
        from cleanfid.resize import build_resizer

        self.name = f"inception-{mode}"
        self.fd_name = INCEPTION_NAMES[mode] if verified else f"FD-inception-unverified-{sha256[:8]}"
        self.kernel_name = self.fd_name.replace("FID", "KID").replace("FD-", "KD-")
        self.size = 0 if mode == "legacy_tensorflow" else 299
        self.resize = {
            "clean": "PIL-bicubic-float (clean-fid)",
            "legacy_pytorch": "torch-bilinear-no-antialias (clean-fid)",
            "legacy_tensorflow": "inside the TorchScript network",
        }[mode]
        self.weights_sha256 = sha256
        self.licence = entry("inception-pytorch" if mode == "legacy_pytorch" else "inception").license
        self.device = torch.device(device)
        self.network = _inception_network(mode, file).to(self.device).eval()
        self._resize: Callable[[np.ndarray], np.ndarray] = build_resizer(mode)
        self._mode = mode
        self._pool = ThreadPoolExecutor(threads)

    def embed(self, pictures: Tensor) -> Tensor:
        arrays = pictures.permute(0, 2, 3, 1).cpu().numpy()
        resized = np.stack(list(self._pool.map(self._resize, arrays))).astype(np.float32, copy=False)
        x = torch.from_numpy(resized).permute(0, 3, 1, 2).contiguous().to(self.device)
        if self._mode == "legacy_pytorch":
            return self.network(x / 255)[0].flatten(1)
        return self.network(x)


def _inception_network(mode: InceptionMode, file: Path) -> nn.Module:
    if mode == "legacy_pytorch":
        from cleanfid import inception_pytorch

        blank: nn.Module = _pytorch_inception(inception_pytorch, file)
        return blank
    from cleanfid.inception_torchscript import InceptionV3W

    # The wrapper wants the folder of a file of the fixed published name.
    if file.name != "inception-2015-12-05.pt":
        raise SuiteError(f"{file}: expected a file named inception-2015-12-05.pt")
    try:
        wrapper: nn.Module = InceptionV3W(str(file.parent), download=False, resize_inside=mode == "legacy_tensorflow")
    except (RuntimeError, ValueError) as error:
        raise SuiteError(f"{file}: not a TorchScript network ({str(error).splitlines()[0]}); fetch it again") from None
    return wrapper


def _pytorch_inception(module: object, file: Path) -> nn.Module:
    """clean-fid's class reads its weights through a module-level function; it gets ours, which reads the local file."""
    state = torch.load(file, map_location="cpu", weights_only=True)
    original = module.load_state_dict_from_url  # type: ignore[attr-defined]
    module.load_state_dict_from_url = lambda *_args, **_kwargs: state  # type: ignore[attr-defined]
    try:
        network: nn.Module = module.InceptionV3(output_blocks=[3], resize_input=False)  # type: ignore[attr-defined]
        return network
    finally:
        module.load_state_dict_from_url = original  # type: ignore[attr-defined]


def inception(
    mode: InceptionMode = "clean", weights: Path | None = None, offline: bool = False, device: str = "cpu"
) -> Inception:
    """The Inception extractor from a local weights folder, the cache, or a checked download.

    Raises:
        SuiteError: no weights here and `offline`, or a file whose digest is not the published one.
    """
    if mode not in INCEPTION_NAMES:
        raise SuiteError(f"--fid-mode: no {mode!r}{did_you_mean(mode, INCEPTION_NAMES)}")
    file, sha256 = checked_weights("inception-pytorch" if mode == "legacy_pytorch" else "inception", weights, offline)
    return Inception(mode, file, sha256, verified=True, device=device)


def checked_weights(name: str, folder: Path | None = None, offline: bool = False) -> tuple[Path, str]:
    """(path, SHA-256) of a published file, found locally or downloaded; its digest must be the published one.

    Raises:
        SuiteError: absent, half-downloaded or changed.
    """
    file = obtain(name, folder, offline=offline)
    wanted = entry(name)
    size = file.stat().st_size
    if wanted.size and size != wanted.size:
        raise SuiteError(
            f"{file}: {size} bytes, expected {wanted.size}; a half-downloaded file? delete it and run again"
        )
    sha256 = sha256_file(file)
    if wanted.sha256 and not sha256.startswith(wanted.sha256):
        raise SuiteError(
            f"{file}: SHA-256 {sha256[:12]}..., published {wanted.sha256[:12]}...; delete it and run again"
        )
    return file, sha256


def published_state(
    name: str, key: str, folder: Path | None = None, offline: bool = False
) -> tuple[dict[str, Tensor], str]:
    """(state dict that holds `key`, SHA-256 of the file) of a published checkpoint, found locally or downloaded.

    Raises:
        SuiteError: absent, changed, damaged, a pickle that asks for code, or a file of another network.
    """
    file, sha256 = checked_weights(name, folder, offline)
    parts = read_checkpoint(file).parts.values()
    state_dict = next((state for state in parts if key in state), None)
    if state_dict is None:
        raise SuiteError(f"{file}: no {key!r} in it; expected {entry(name).what} from {entry(name).page}")
    return state_dict, sha256


@dataclass(frozen=True)
class FeatureCache:
    """Features kept on disk under a key that names everything they depend on: pictures and extractor.

    A kept array is memory-mapped: reading it costs no memory.
    """

    folder: Path

    def path(self, pictures: str, extractor: Extractor) -> Path:
        """Where features of the pictures with content digest `pictures` lie."""
        key = digest({"pictures": pictures, "extractor": extractor.describe(), "format": 1})
        return self.folder / f"{extractor.name}-{key[:24]}.npy"

    def features(
        self, pictures: str, extractor: Extractor, count: int, batches: Callable[[], Iterable[Tensor]]
    ) -> np.ndarray:
        """(count, dim) float32 features, taken from the batches (N, dim) of `batches()` unless they are kept.

        Args:
            pictures: digest over the pictures' own content digests, in order.
            count: how many there must be.

        Raises:
            SuiteError: another number of pictures arrived than `count`.
        """
        path = self.path(pictures, extractor)
        if not path.exists():
            write_features(path, extractor, count, batches())
        kept = np.load(path, mmap_mode="r", allow_pickle=False)
        if kept.shape != (count, extractor.dim):
            raise SuiteError(f"{path}: holds {kept.shape}, expected {(count, extractor.dim)}; delete it and run again")
        return kept


def write_features(path: Path, extractor: Extractor, count: int, batches: Iterable[Tensor]) -> None:
    """Stream batches of features into a `.npy` file, atomically; memory is one batch's."""
    from suite.files import whole_file

    with whole_file(path) as part:
        # The header must be right before the last batch arrives, so the count is a promise that is checked.
        out = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(count, extractor.dim))
        done = 0
        for batch in batches:
            if done + len(batch) > count:
                raise SuiteError(f"{extractor.name}: more than the promised {count} pictures arrived")
            out[done : done + len(batch)] = batch.numpy()
            done += len(batch)
        if done != count:
            raise SuiteError(f"{extractor.name}: {done} pictures arrived, {count} were promised")
        out.flush()
