"""Why a row is dropped: typed reasons with a sentence for people. A dropped row keeps its reason and its number."""

from __future__ import annotations

from suite.errors import did_you_mean

# reason -> what it means, for reports and cards. Each stage's reasons stand together.
REASONS: dict[str, str] = {}


class Rejected(Exception):
    """A picture or face that a stage refuses.

    Args:
        reason: a key of `REASONS`.
        detail: the evidence or number behind it, one line ("sharpness 12.1 < 40").
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        if reason not in REASONS:
            raise KeyError(f"no reason {reason!r}{did_you_mean(reason, REASONS)}")
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
