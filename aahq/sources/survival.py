"""Link rot of a released list: each address asked by HEAD, or counted from what a crawl has met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aahq.candidates import Candidate
from aahq.consent.reservations import header_reservation
from aahq.ledger import Ledger
from aahq.reasons import REASONS, Rejected
from aahq.web.client import Http

STATES = ("alive", "changed", "gone", "refused", "unknown")


@dataclass(frozen=True)
class LinkStatus:
    """What became of one entry.

    Attributes:
        key: the entry's name in the list.
        state: "alive"; "changed" (redirected elsewhere, or no picture any more); "gone"; "refused" (by
            robots.txt, the server or a reservation); "unknown" (no answer).
        detail: the finding in words.
    """

    key: str
    state: str
    detail: str


def survival(candidates: Iterable[Candidate], http: Http) -> Iterator[LinkStatus]:
    """Ask by HEAD what became of each entry, in order; no picture is fetched. Raises `aahq.web.interrupts.Stop`.

    The list holds no digest, so a picture that was replaced under the same address still counts as alive.
    """
    for candidate in candidates:
        yield _alive(candidate, http)


def _alive(candidate: Candidate, http: Http) -> LinkStatus:
    url = candidate.image_urls[0]
    try:
        answer = http.head(url).ok()
    except Rejected as refused:
        return LinkStatus(candidate.key, refused.entry.link, str(refused))
    kind = answer.headers.get("Content-Type", "")
    if not kind.lower().startswith("image/"):
        return LinkStatus(candidate.key, "changed", f"{url} is {kind[:60]!r}")
    if answer.url != url:
        return LinkStatus(candidate.key, "changed", f"{url} redirects to {answer.url}")
    reserved = header_reservation(answer.headers)
    return LinkStatus(candidate.key, "refused" if reserved else "alive", reserved or url)


def met_by_crawl(ledger: Ledger, source: str) -> dict[str, int]:
    """The same states counted from the ledger: what the crawl of that source has met so far."""
    counts: Counter[str] = Counter()
    rows = ledger.rows(
        "SELECT fetched_at IS NOT NULL AS here, CASE stage WHEN 'crawl' THEN reason ELSE '' END AS why, count(*) AS count "
        "FROM pictures WHERE source = ? AND state != 'found' GROUP BY here, why",
        (source,),
    )
    for row in rows:
        counts["alive" if row["here"] else REASONS[row["why"]].link if row["why"] in REASONS else "unknown"] += row[
            "count"
        ]
    return {state: counts[state] for state in STATES if counts[state]}
