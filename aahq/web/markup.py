"""Markup of strangers, in time that grows with its length: patterns with `.*?` begin anew at every tag that never closes."""

from __future__ import annotations


def without(text: str, begin: str, end: str) -> str:
    """The text without what stands between `begin` and the next `end`, both included, in any case.

    Where no `end` follows, the rest stays.
    """
    folded = text.lower()
    # Some letters grow when they are folded; places would no longer be the same.
    if len(folded) != len(text):
        folded = "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)
    kept: list[str] = []
    at = 0
    while (start := folded.find(begin, at)) >= 0 and (stop := folded.find(end, start + len(begin))) >= 0:
        kept.append(text[at:start])
        at = stop + len(end)
    return "".join([*kept, text[at:]])
