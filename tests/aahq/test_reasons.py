"""What follows from a reason: which failures are offered again, and which are a no that a retry must not ask about."""

from __future__ import annotations

from pathlib import Path

from aahq.candidates import Candidate
from aahq.crawl.stage import offer_again
from aahq.ledger import Ledger, picture_id
from aahq.reasons import REASONS

PASSING = {"network", "timeout", "server_error", "cut_short", "bad_response", "robots_unreachable"}


def test_retry_offers_what_time_may_heal_and_nothing_else(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        with ledger.transaction():
            for reason in REASONS:
                ledger.add_candidate(Candidate("urls", reason, None, (f"https://x.example/{reason}.png",)))
                ledger.reject("pictures", picture_id("urls", reason), "crawl", reason, "")
        offer_again(ledger)
        offered = {row["key"] for row in ledger.rows("SELECT key FROM pictures WHERE state = 'found'")}
    # `fault` is the program's own failure, which a mended program may not repeat.
    assert offered == PASSING | {"fault"}


def test_a_no_is_never_asked_again() -> None:
    assert not [name for name, reason in REASONS.items() if reason.withdrawn and (reason.retry or reason.unreached)]
