"""How gently and how long the crawler asks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from suite.errors import SuiteError


@dataclass(frozen=True)
class Limits:
    """How gently and how long.

    Attributes:
        per_second: requests a second to one host; 0 for none (an embedded gallery, a benchmark).
        connect_s: seconds for a connection.
        read_s: seconds without a byte.
        total_s: seconds for one whole response.
        retries: further tries after a passing failure.
        backoff_s: pause before the first further try; doubled for each one after.
        patience_s: the longest single wait that a host may ask for (`Retry-After`) before the run stops, resumable.
        redirects: hops followed.
        text_bytes: the largest page or JSON.
        image_bytes: the largest picture file.
    """

    per_second: float = 1.0
    connect_s: float = 10.0
    read_s: float = 20.0
    total_s: float = 120.0
    retries: int = 3
    backoff_s: float = 1.0
    patience_s: float = 300.0
    redirects: int = 5
    text_bytes: int = 8 * 2**20
    image_bytes: int = 100 * 2**20

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_second) and self.per_second >= 0):
            raise SuiteError(f"--per-second {self.per_second}: expected requests a second, 0 for no limit")
