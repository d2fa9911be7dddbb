"""The datasheet: the questions of Gebru et al. (Communications of the ACM 64(12), 2021), answered from the release itself."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

from aahq.release.cards.screens import screen_sentences
from aahq.release.cards.stats import ITA_BANDS, ReleaseStats
from aahq.release.cards.texts import WORDS
from aahq.release.schema import COLUMNS
from aahq.safety.screens import KNOWN

SHOWN = 20


def datasheet(metadata: Mapping[str, Any], stats: ReleaseStats) -> str:
    """Markdown.

    Args:
        metadata: the content of `release.json`.
        stats: what the manifest holds.
    """
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["cell"] = cell
    environment.filters["share"] = lambda count: f"{100 * count / max(1, stats.rows):.1f} %"
    template = environment.from_string((resources.files("aahq") / "templates" / "datasheet.md.jinja").read_text())
    return template.render(
        metadata=metadata,
        stats=stats,
        words=WORDS,
        screens=screen_sentences(metadata),
        known=KNOWN,
        columns=COLUMNS,
        shown=SHOWN,
        top=lambda table: dict(list(table.items())[:SHOWN]),
        bands=[name for _, name in ITA_BANDS],
    )


def cell(text: Any) -> str:
    """Text of a stranger for a cell of a Markdown table: no markup of its own, no new line."""
    plain = " ".join(str(text).split())
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|~" else letter for letter in plain)[:200]
