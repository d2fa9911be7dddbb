"""Taking a picture: may we? Then the polite download, then what the file itself says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aahq.candidates import Candidate
from aahq.consent.decide import Case, Decision
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl.fetch import Fetched, download, settle
from aahq.crawl.host_queues import host_of
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
    """Takes batches under the same terms into the same folder; threads may share it.

    A host that asked to be left alone is asked nothing more; what needs others goes on.
    """

    def __init__(self, terms: Terms, folder: Path) -> None:
        self.terms, self.folder = terms, folder
        self._stopped: dict[str, Stop] = {}

    def take(self, tasks: list[Task]) -> Batch:
        """Take one after the other; the files' bytes are on the disk then. What a host's stop concerns is left out."""
        done: list[Taken] = []
        stop: Stop | None = None
        for id, text in tasks:
            try:
                taken = guarded(self._one, id, text)
                done.append(Taken(id, None, taken) if isinstance(taken, Refusal) else taken)
            except Stop as ended:
                self._stopped[host_of(ended.url)] = ended
                stop = stop or ended
        settle(taken.outcome.path for taken in done if isinstance(taken.outcome, Fetched))
        return done, stop

    def _one(self, id: str, text: str) -> Taken:
        candidate = Candidate.from_json(text)
        for url in (candidate.page_url or "", *candidate.image_urls) if self._stopped else ():
            if (stop := self._stopped.get(host_of(url))) is not None:
                raise stop
        return take(id, candidate, self.terms, self.folder)


def take(id: str, candidate: Candidate, terms: Terms, folder: Path) -> Taken:
    """May we? Then the polite download, then the file's own say. Raises `Stop`."""
    case = Case(candidate, terms.http, terms.optouts, terms.permissions)
    try:
        if terms.optouts.forgotten(candidate):
            return Taken(id, None, Refusal("removed", ""))
        decision = case.decide()
        if not decision.allowed:
            return Taken(id, decision, _no(decision))
        fetched = download(candidate, terms.http, folder, case, partial(_inspect, case))
    except _Removed:
        return Taken(id, None, Refusal("removed", ""))
    except Rejected as refused:
        return Taken(id, case.decision(refused.reason), Refusal(refused.reason, refused.detail))
    return Taken(id, case.decision(None), fetched)


class _Removed(Exception):
    """The file was taken out of this folder on request: nothing remembers that it came again."""


def _inspect(case: Case, file: Path, sha256: str) -> None:
    """What the file itself says, while it lies beside its place: a name of content may be another row's file too.

    Raises `_Removed` or `Rejected` where it may not be kept.
    """
    if case.optouts.forgotten(case.candidate, (sha256,)):
        raise _Removed
    said = case.decide_file(file, (sha256,))
    if not said.allowed:
        refusal = _no(said)
        raise Rejected(refusal.reason, refusal.detail)


def _no(decision: Decision) -> Refusal:
    last = decision.evidence[-1] if decision.evidence else {}
    return Refusal(decision.reason or "no_evidence", str(last.get("value") or last.get("detail") or ""))
