"""Process one candidate: consent checks, download, then the rights embedded in the file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aahq.candidates import Candidate
from aahq.consent.decide import Case, Decision
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from aahq.crawl.fetch import Fetched, download, fsync_files
from aahq.crawl.host_queues import host_of
from aahq.reasons import Rejected, Rejection, guarded
from aahq.web.client import Http
from aahq.web.interrupts import Stop

FOLDER = "pictures"


@dataclass(frozen=True)
class FetchContext:
    """What every fetch needs: the client, the opt-out list and the permissions."""

    http: Http
    optouts: OptOuts
    permissions: Permissions


@dataclass(frozen=True)
class FetchResult:
    """What became of one candidate: the decision where there was one, then the file or the refusal."""

    id: str
    decision: Decision | None
    outcome: Fetched | Rejection


# A picture to fetch: its id, and its candidate as JSON.
Task = tuple[str, str]
# What became of a batch, and the stop that ended it early.
Batch = tuple[list[FetchResult], Stop | None]


class FetchWorker:
    """Processes batches of candidates into one folder; threads may share it.

    A host that asked to be left alone is asked nothing more; what needs others goes on.
    """

    def __init__(self, context: FetchContext, folder: Path) -> None:
        self.context, self.folder = context, folder
        self._stopped: dict[str, Stop] = {}

    def process(self, tasks: list[Task]) -> Batch:
        """Process one after the other; the files are flushed to the disk then. What a host's stop concerns is left out."""
        done: list[FetchResult] = []
        stop: Stop | None = None
        for id, text in tasks:
            try:
                result = guarded(self._one, id, text)
                done.append(FetchResult(id, None, result) if isinstance(result, Rejection) else result)
            except Stop as ended:
                self._stopped[host_of(ended.url)] = ended
                stop = stop or ended
        fsync_files(result.outcome.path for result in done if isinstance(result.outcome, Fetched))
        return done, stop

    def _one(self, id: str, text: str) -> FetchResult:
        candidate = Candidate.from_json(text)
        for url in (candidate.page_url or "", *candidate.image_urls) if self._stopped else ():
            if (stop := self._stopped.get(host_of(url))) is not None:
                raise stop
        return process_candidate(id, candidate, self.context, self.folder)


def process_candidate(id: str, candidate: Candidate, context: FetchContext, folder: Path) -> FetchResult:
    """Ask for consent, download, and check the file's own rights. Raises `Stop`."""
    case = Case(candidate, context.http, context.optouts, context.permissions)
    try:
        if context.optouts.forgotten(candidate):
            return FetchResult(id, None, Rejection("removed", ""))
        decision = case.decide()
        if not decision.allowed:
            return FetchResult(id, decision, _no(decision))
        fetched = download(candidate, context.http, folder, case, partial(_inspect, case))
    except _Removed:
        return FetchResult(id, None, Rejection("removed", ""))
    except Rejected as refused:
        return FetchResult(id, case.decision(refused.reason), Rejection(refused.reason, refused.detail))
    return FetchResult(id, case.decision(None), fetched)


class _Removed(Exception):
    """The file was taken out of this folder on request: nothing remembers that it came again."""


def _inspect(case: Case, file: Path, sha256: str) -> None:
    """What the file itself says, while it lies beside its place: a name of content may be another row's file too.

    Raises `_Removed` or `Rejected` where it may not be kept.
    """
    if case.optouts.forgotten(case.candidate, (sha256,)):
        raise _Removed
    decision = case.decide_file(file, (sha256,))
    if not decision.allowed:
        refusal = _no(decision)
        raise Rejected(refusal.reason, refusal.detail)


def _no(decision: Decision) -> Rejection:
    last = decision.evidence[-1] if decision.evidence else {}
    return Rejection(decision.reason or "no_evidence", str(last.get("value") or last.get("detail") or ""))
