"""Lists of perceptual hashes, as those who may hold such lists give them out: one hash in hex a line."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aahq.images.hashes import phash64
from aahq.safety.classifier import read_checked
from aahq.safety.screens import HashScreen
from suite.errors import SuiteError

# Hex digits of a hash, by algorithm.
DIGITS = {"phash": 16, "pdq": 64}


class HashList:
    """A screen's list.

    Args:
        name: the screen's, for errors.
        screen: its settings.

    Raises:
        SuiteError: the file is gone, another one, or a line of it is no hash of that algorithm.
    """

    def __init__(self, name: str, screen: HashScreen) -> None:
        self.where = f"screen {name}: hashes {screen.path}"
        self.digits = DIGITS[screen.algorithm]
        text = read_checked(f"screen {name}: hashes", screen.path, screen.sha256).decode("utf-8-sig", "replace")
        rows = [row for number, line in enumerate(text.splitlines(), 1) if (row := self._row(number, line))]
        if not rows:
            raise SuiteError(f"{self.where}: lists no hash; expected {self.digits} hex digits a line")
        # (L, 64-bit words), big end first.
        self._list = np.frombuffer(bytes.fromhex("".join(rows)), ">u8").reshape(len(rows), -1).astype(np.uint64)
        self._hash = _hasher(screen.algorithm)

    def _row(self, number: int, line: str) -> str:
        line = line.partition("#")[0].replace(",", " ").strip()
        if not line:
            return ""
        value = line.split()[0].removeprefix("0x")
        if len(value) != self.digits or not all(digit in "0123456789abcdefABCDEF" for digit in value):
            raise SuiteError(f"{self.where}: line {number}: expected {self.digits} hex digits, got {value[:80]!r}")
        return value

    def score(self, rgb: np.ndarray) -> float:
        """Bits by which the picture, or its mirror image, differs from the nearest hash of the list.

        Args:
            rgb: uint8 (H, W, 3).
        """
        return float(
            min(
                int(np.bitwise_count(self._list ^ self._hash(np.ascontiguousarray(side))).sum(axis=1).min())
                for side in (rgb, rgb[:, ::-1])
            )
        )


def _hasher(algorithm: str) -> Callable[[np.ndarray], np.ndarray]:
    """uint8 (H, W, 3) -> the hash as 64-bit words, big end first."""
    if algorithm == "phash":
        return lambda rgb: np.array([phash64(rgb)], np.uint64)
    try:
        import pdqhash
    except ImportError:
        raise SuiteError("algorithm pdq needs a package more: pip install 'aahq-blendgan[screens]'") from None

    def pdq(rgb: np.ndarray) -> np.ndarray:
        bits, _ = pdqhash.compute(rgb)
        return np.frombuffer(np.packbits(bits).tobytes(), ">u8").astype(np.uint64)

    return pdq
