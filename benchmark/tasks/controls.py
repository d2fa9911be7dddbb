"""The controls of Tables 2 and 3 by name: pictures whose place in every table is known beforehand."""

from __future__ import annotations

from benchmark.tasks.paper import Guidance, slug

# From the right answer to none.
REAL, PAINTED, COLOURS = "real pictures", "painted answer", "colour transfer"
UNCHANGED, SHUFFLED, NOISE = "unchanged input", "random pairing", "noise"
CONTROLS = (REAL, PAINTED, COLOURS, UNCHANGED, SHUFFLED, NOISE)
TABLES = (2, 3)


def key_of(control: str, guidance: Guidance) -> str:
    """The name of a control's record: `control-reference-noise`."""
    return f"control-{guidance}-{slug(control)}"
