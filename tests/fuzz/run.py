"""`cd tests && python -m fuzz.run TARGET [libFuzzer's options]`: coverage-guided fuzzing with Atheris (the extra `fuzz`).

Stops at the first find and writes it to `crash-*`; `-max_total_time=600` and the like are libFuzzer's own options. A folder
given after the target is the corpus, and grows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris


def main() -> None:
    """Instrument the package while it is imported, then hand over to libFuzzer."""
    with atheris.instrument_imports(include=["aahq"]):
        from fuzz.targets import TARGETS, try_one
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"error: no target {name!r}; known: {', '.join(TARGETS)}")
    seeds = Path(tempfile.mkdtemp(prefix="seeds-"))
    for number, seed in enumerate(TARGETS[name][1]):
        (seeds / str(number)).write_bytes(seed)
    options = sys.argv[2:]
    atheris.Setup([sys.argv[0], *options, str(seeds)], lambda data: try_one(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
