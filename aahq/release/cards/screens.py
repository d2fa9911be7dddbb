"""What the cards say of each screen: what it did, or that nobody looked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aahq.safety.screens import KNOWN


def screen_sentences(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Screen -> a sentence; the known ones first, the person's own after them.

    Args:
        metadata: the content of `release.json`; one without `screens` (of before, or of a rebuild) says nothing of them.
    """
    if "screens" not in metadata:
        return dict.fromkeys(KNOWN, "not known: this release keeps no record of it")
    screens: Mapping[str, Mapping[str, Any]] = metadata["screens"]
    names = (*KNOWN, *(name for name in sorted(screens) if name not in KNOWN))
    return {name: _sentence(screens.get(name)) for name in names}


def _sentence(screen: Mapping[str, Any] | None) -> str:
    if screen is None:
        return "off: nobody looked for it"
    what = "every face" if screen["on"] == "face" else "the whole picture of every face"
    if screen["not_run"]:
        what = f"faces, but not at {screen['not_run']} of them"
    if screen["form"] == "classifier":
        limit = f"{screen['refused']} faces from a score of {screen['reject']:g} on"
        by = f"a classifier (SHA-256 {screen['sha256']}) refused {limit}"
    else:
        by = f"a list of {screen['form']} hashes (SHA-256 {screen['sha256']}) refused what is within {screen['distance']} bits"
    return f"on: looked at {what}; {by}"
