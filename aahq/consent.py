"""Consent: may this picture be taken? The checks in their order, stopping at the first no, each with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aahq.candidates import Candidate

if TYPE_CHECKING:
    from aahq.http import Http


@dataclass(frozen=True)
class Decision:
    """The answer for one candidate.

    Attributes:
        allowed: whether the picture may be fetched (or, after download, kept).
        reason: a key of `aahq.reasons.REASONS` where not allowed, else None.
        evidence: one JSON-able entry a check done: {"check", "url", "value", "time"}.
        decided_at: ISO time, UTC.
    """

    allowed: bool
    reason: str | None
    evidence: list[dict[str, Any]] = field(default_factory=list)
    decided_at: str = ""


class OptOuts:
    """The local opt-out list."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path

    def blocks(self, candidate: Candidate) -> str | None:
        """Why the candidate is on the list ("artist: jane"), or None."""
        return None


class Permissions:
    """Named permissions of artists."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path


def decide(candidate: Candidate, http: Http | None, optouts: OptOuts, permissions: Permissions) -> Decision:
    """Every check that needs no picture; nothing of the picture is fetched. Raises `aahq.stops.Stop`."""
    return Decision(True, None)


def decide_file(
    candidate: Candidate, path: Path, hashes: tuple[str, ...], optouts: OptOuts, permissions: Permissions
) -> Decision:
    """The checks on a downloaded file: its embedded rights, and its hashes on the opt-out list."""
    return Decision(True, None)
