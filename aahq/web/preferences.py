"""Statements about use in name=value form, and paths with wildcards: the vocabulary that robots.txt lines and headers share.

- Content-Signal (contentsignals.org): `search=yes, ai-train=no`.
- Content-Usage (draft-ietf-aipref-attach, draft-ietf-aipref-vocab): `train-ai=n`, in robots.txt with a path before it.

Names and values are compared without case. Of several statements the longest matching path decides, of equal ones the no; a
value of a training term that is neither yes nor no counts as a no; a term that nobody here knows is a no where it speaks of
training or AI and says no, and is noted in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

TRAINING = frozenset(
    ("ai-train", "train-ai", "ai-training", "train-genai", "genai-train", "ai", "ai-all", "all", "genai", "tdm", "bots")
)
# Known terms that say nothing of training.
OTHER = frozenset(("search", "ai-input", "ai-index", "ai-inference", "index", "snippet", "automated-search"))
YES = frozenset(("y", "yes", "1", "true", "?1", "allow", "allowed"))
NO = frozenset(("n", "no", "0", "false", "?0", "none", "deny", "denied", "disallow", "disallowed", "prohibited"))
_ITEM = re.compile(r"([A-Za-z][A-Za-z0-9_.*-]{0,60})\s*[=:]\s*\"?([^\s,;\"]{0,60})")
_SPEAKS_OF_AI = re.compile(r"(^|[-_.])(ai|ml|tdm|genai|llm|train\w*|mining)([-_.]|$)")


@dataclass(frozen=True)
class Statement:
    """What one line or header says: for which paths ("" for all), and its (name, value) pairs in lower case."""

    path: str
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Reading:
    """What the statements say of one address: the no in words or None, and all terms that were met."""

    no: str | None
    noted: str


def statement(value: str) -> Statement:
    """Read a line's or header's value; any text is read."""
    value = value.strip()
    path = value.split(None, 1)[0] if value.startswith(("/", "*")) else ""
    terms = tuple((name.lower(), answer.lower()) for name, answer in _ITEM.findall(value[len(path) :]))
    return Statement(path, terms)


def reading(statements: Iterable[Statement], path: str) -> Reading:
    """What they say of an address with this path (and query)."""
    ruling: dict[str, tuple[int, str]] = {}
    for stated in statements:
        if stated.path and not covers(stated.path, path):
            continue
        for name, value in stated.terms:
            length, before = ruling.get(name, (-1, ""))
            if len(stated.path) > length or (len(stated.path) == length and before in YES):
                ruling[name] = len(stated.path), value
    noes = [f"{name}={value}" for name, (_, value) in ruling.items() if _forbids(name, value)]
    return Reading(", ".join(noes) or None, ", ".join(f"{name}={value}" for name, (_, value) in ruling.items())[:300])


def _forbids(name: str, value: str) -> bool:
    if name in TRAINING:
        return value not in YES
    return name not in OTHER and value in NO and _SPEAKS_OF_AI.search(name) is not None


def covers(pattern: str, path: str) -> bool:
    """Whether a path begins as the pattern says; `*` stands for anything, `$` at the end for the path's end (RFC 9309,
    2.2.3). Percent-encoded or not, they are compared as what they mean."""
    pattern, path = unquote(pattern), unquote(path)
    anchored = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for number, piece in enumerate(rest):
        if anchored and number == len(rest) - 1:
            return len(path) - at >= len(piece) and path.endswith(piece)
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return not anchored or at == len(path) or bool(rest and not rest[-1])
