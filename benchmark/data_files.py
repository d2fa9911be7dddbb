"""Where files that come with the package lie; imports nothing heavy."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

FACTOR_NET = Path(str(resources.files("benchmark") / "data" / "factor_net.safetensors"))
