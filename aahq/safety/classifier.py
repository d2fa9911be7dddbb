"""One adapter for classifiers in ONNX and TorchScript: a file named by its digest in, one score per picture out.

Neither form runs code of the file's own (a pickle could): ONNX is a graph of known operators, TorchScript a program of
PyTorch's. The bytes are read once, checked against the digest, and loaded from memory, so that what runs is what was checked;
ONNX weights in files beside the model are not read, as no digest covers them.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from aahq.safety.screens import ModelScreen
from suite.errors import SuiteError
from suite.files import read_bytes, sha256_bytes

# Of a model, or of a list of hashes.
FILE_MAX = 1 << 32
# (N, 3, S, S) float32 -> (N, K).
Network = Callable[[np.ndarray], np.ndarray]


def read_checked(where: str, path: str, sha256: str) -> bytes:
    """A file's bytes, which must have the digest.

    Raises:
        SuiteError: no such file, or another one.
    """
    try:
        data = read_bytes(path, FILE_MAX)
    except OSError as error:
        raise SuiteError(
            f"{where} {path}: {error.strerror}; say where it is now with --screens FILE, or --no-screens"
        ) from None
    if (digest := sha256_bytes(data)) != sha256.lower():
        raise SuiteError(f"{where} {path}: its SHA-256 is {digest}, not {sha256}; give the file that you mean")
    return data


class Classifier:
    """A screen's model, loaded and tried on a grey picture.

    Args:
        name: the screen's, for errors.
        screen: its settings.

    Raises:
        SuiteError: the file is gone, another one, no model, or answers in another form than the settings say.
    """

    def __init__(self, name: str, screen: ModelScreen) -> None:
        self.where = f"screen {name}: model"
        self.screen = screen
        data = read_checked(self.where, screen.path, screen.sha256)
        # A TorchScript file is a zip.
        load = _torchscript if data.startswith(b"PK") else _onnx
        self._network = load(f"{self.where} {screen.path}", data)
        self.score(np.full((screen.size, screen.size, 3), 127, np.uint8))

    def score(self, rgb: np.ndarray) -> float:
        """The score of a picture.

        Args:
            rgb: uint8 (H, W, 3), squashed to the model's square.

        Raises:
            SuiteError: the answer is not (1, K) finite numbers with the column that the settings name.
        """
        screen = self.screen
        small = Image.fromarray(rgb).resize((screen.size, screen.size), Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, np.float32) / 255 - np.asarray(screen.mean, np.float32)) / np.asarray(
            screen.std, np.float32
        )
        shape = f"(1, 3, {screen.size}, {screen.size})"
        try:
            out = np.asarray(self._network(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])), np.float64)
        # Whatever a foreign model's graph does with its input; onnxruntime's exceptions have no base of their own.
        except Exception as error:
            raise SuiteError(f"{self.where} {screen.path}: it cannot take {shape}: {_last(error)}") from None
        if out.ndim != 2 or len(out) != 1 or out.shape[1] <= screen.output or not np.isfinite(out).all():
            raise SuiteError(
                f"{self.where} {screen.path}: expected (1, K) finite numbers with column {screen.output} for {shape}, got "
                f"{out.shape}"
            )
        return float(_ACTIVATIONS[screen.activation](out[0])[screen.output])


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    out: np.ndarray = powers / powers.sum()
    return out


def _sigmoid(values: np.ndarray) -> np.ndarray:
    out: np.ndarray = 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    return out


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "softmax": _softmax,
    "sigmoid": _sigmoid,
    "none": lambda values: values,
}


def _torchscript(where: str, data: bytes) -> Network:
    import torch

    try:
        net = torch.jit.load(io.BytesIO(data), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise SuiteError(f"{where}: no TorchScript file ({_last(error)})") from None

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            out: np.ndarray = net(torch.from_numpy(pixels)).float().numpy()
            return out

    return run


def _onnx(where: str, data: bytes) -> Network:
    try:
        import onnxruntime
    except ImportError:
        raise SuiteError(f"{where}: ONNX needs a package more: pip install 'aahq-blendgan[screens]'") from None
    options = onnxruntime.SessionOptions()
    # Each worker of a stage has one core.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    # Its exceptions have no base of their own.
    except Exception as error:
        raise SuiteError(f"{where}: neither TorchScript nor ONNX in one file ({_last(error)})") from None
    name = session.get_inputs()[0].name
    return lambda pixels: np.asarray(session.run(None, {name: pixels})[0])


def _last(error: Exception) -> str:
    lines: list[Any] = str(error).strip().splitlines()
    return str(lines[-1])[:200] if lines else type(error).__name__
