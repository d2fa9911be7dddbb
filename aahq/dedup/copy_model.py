"""A learned copy descriptor that the person brings: a TorchScript file, named by its digest.

Made for SSCD (Pizzi and others, "A self-supervised descriptor for image copy detection", 2022: its published TorchScript
files take 288 px with ImageNet's mean and deviation and give 512 numbers), and any model of that form. Only TorchScript is
read, and only the file whose digest was given: a pickle could run anything.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from suite.errors import SuiteError
from suite.files import sha256_file

SIDE = 288
# ImageNet's channel means and deviations, on which the published networks were trained.
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
# The cosine at which SSCD's authors count 9 of 10 pairs as copies.
SIMILARITY = 0.75


class CopyModel:
    """The model of a file.

    Args:
        path: the TorchScript file.
        sha256: its digest in hex.

    Raises:
        SuiteError: no such file, or another digest.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        self.path, self.sha256 = path, sha256.lower()
        try:
            found = sha256_file(path)
        except OSError as error:
            raise SuiteError(f"--copy-model {path}: {error.strerror}") from None
        if found != self.sha256:
            raise SuiteError(f"--copy-model {path}: its SHA-256 is {found}, not {sha256}; give the file that you mean")

    @cached_property
    def _net(self) -> Any:
        import torch

        try:
            return torch.jit.load(str(self.path), map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise SuiteError(f"--copy-model {self.path}: no TorchScript file ({first[:120]})") from None

    def describe(self, aligned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Descriptors of a face and of its mirror image.

        Args:
            aligned: uint8 (S, S, 3).

        Returns:
            Two float32 (D,), of length one.

        Raises:
            SuiteError: the model gives something else than a row of numbers a picture.
        """
        import torch

        small = Image.fromarray(aligned).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, np.float32) / 255 - MEAN) / DEVIATION
        both = np.stack([pixels, pixels[:, ::-1]]).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            try:
                out = self._net(torch.from_numpy(np.ascontiguousarray(both)))
            except RuntimeError as error:
                last = str(error).strip().splitlines()[-1]
                raise SuiteError(
                    f"--copy-model {self.path}: it cannot take (2, 3, {SIDE}, {SIDE}): {last[:120]}"
                ) from None
        if not isinstance(out, torch.Tensor) or out.ndim != 2 or len(out) != 2 or not bool(torch.isfinite(out).all()):
            raise SuiteError(
                f"--copy-model {self.path}: expected (N, D) finite numbers for (N, 3, {SIDE}, {SIDE}) pixels"
            )
        rows = out.float().numpy()
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return rows[0], rows[1]
