"""Taking a picture: may we? Then the polite download, then what the file itself says."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from aahq.candidates import Candidate
from aahq.consent.decide import Decision, decide, decide_file
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl.fetch import Fetched, download, settle
from aahq.reasons import Refusal, Rejected, guarded
from aahq.web.client import Http
from aahq.web.interrupts import Stop

FOLDER = "pictures"


@dataclass(frozen=True)
class Terms:
    """Who asks, and what binds them: the client, the opt-out list and the permissions."""

    http: Http
    optouts: OptOuts
    permissions: Permissions


@dataclass(frozen=True)
class Taken:
    """What became of one candidate: the decision where there was one, then the file or the refusal."""

    id: str
    decision: Decision | None
    outcome: Fetched | Refusal


# A picture to take: its id, and its candidate as JSON.
Task = tuple[str, str]
# What became of a batch, and the stop that ended it early.
Batch = tuple[list[Taken], Stop | None]


class Desk:
    """Takes batches under the same terms into the same folder; threads may share it. After a stop it takes no more."""

    def __init__(self, terms: Terms, folder: Path) -> None:
        self.terms, self.folder = terms, folder
        self.stopped = threading.Event()

    def take(self, tasks: list[Task]) -> Batch:
        """Take one after the other; the files' bytes are on the disk then."""
        done: list[Taken] = []
        stop: Stop | None = None
        for id, text in tasks:
            if self.stopped.is_set():
                break
            try:
                taken = guarded(lambda id=id, text=text: take(id, Candidate.from_json(text), self.terms, self.folder))
                done.append(Taken(id, None, taken) if isinstance(taken, Refusal) else taken)
            except Stop as ended:
                self.stopped.set()
                stop = ended
        settle(taken.outcome.path for taken in done if isinstance(taken.outcome, Fetched))
        return done, stop


def take(id: str, candidate: Candidate, terms: Terms, folder: Path) -> Taken:
    """May we? Then the polite download, then the file's own say. Raises `Stop`."""
    decision: Decision | None = None
    try:
        decision = decide(candidate, terms.http, terms.optouts, terms.permissions)
        if not decision.allowed:
            return Taken(id, decision, _no(decision))
        rights = _Rights(candidate, terms, decision)
        fetched = download(candidate, terms.http, folder, decision.image_url, rights.inspect)
        decision = rights.decision
    except _Withheld as withheld:
        return Taken(id, withheld.decision, withheld.refusal)
    except Rejected as refused:
        return Taken(id, decision, Refusal(refused.reason, refused.detail))
    return Taken(id, decision, fetched)


class _Withheld(Exception):
    """The file itself says no: it never gets its name, which another work's row may point to."""

    def __init__(self, decision: Decision | None, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.decision, self.refusal = decision, refusal


class _Rights:
    """What a downloaded file says, asked while it lies beside the place that its name would give it."""

    def __init__(self, candidate: Candidate, terms: Terms, decision: Decision) -> None:
        self.candidate, self.terms, self.decision = candidate, terms, decision

    def inspect(self, file: Path, sha256: str) -> None:
        """Raises `_Withheld` where the file may not be kept."""
        hashes = (sha256,)
        if self.terms.optouts.forgotten(self.candidate, hashes):
            raise _Withheld(None, Refusal("removed", ""))
        said = decide_file(self.candidate, file, hashes, self.terms.optouts, self.terms.permissions)
        evidence = [*self.decision.evidence, *said.evidence]
        both = Decision(said.allowed, said.reason, evidence, said.decided_at or self.decision.decided_at)
        if not said.allowed:
            raise _Withheld(both, _no(both))
        self.decision = both


def _no(decision: Decision) -> Refusal:
    last = decision.evidence[-1] if decision.evidence else {}
    return Refusal(decision.reason or "no_evidence", str(last.get("value") or last.get("detail") or ""))
