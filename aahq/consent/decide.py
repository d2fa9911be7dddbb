"""Consent: may this picture be taken? The checks in their order, stopping at the first no, each with its evidence.

robots.txt -> the work's tags and page -> `X-Robots-Tag` of the picture by HEAD -> the local opt-out list; and once the file is
here, its embedded metadata and its digests on the opt-out list. Without evidence the answer is no: a page that cannot be
read, or a picture of which no page, open licence or permission is known.

A permission (see `aahq.consent.permissions`) waives what the artist may waive: the NoAI tag, the page's and the picture's
reservations, the missing page, the embedded ones. It waives neither robots.txt, which is the site's word, nor the marks "adult"
and "AI-made", nor the opt-out list, which is the later wish.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aahq.candidates import Candidate
from aahq.consent.embedded_rights import read_rights
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permission, Permissions
from aahq.consent.reservations import header_reservation
from aahq.reasons import Rejected
from aahq.web.client import UNREACHED, Http, utc_now
from aahq.web.response import check_status

__all__ = ["Decision", "OptOuts", "Permissions", "decide", "decide_file", "is_open"]

_OPEN = re.compile(r"(CC0|CC-BY|PDM|public[ -]domain)", re.IGNORECASE)
_CLOSED_TERMS = re.compile(r"-ND\b", re.IGNORECASE)


@dataclass(frozen=True)
class Decision:
    """The answer for one candidate.

    Attributes:
        allowed: whether the picture may be fetched (or, after download, kept).
        reason: a key of `aahq.reasons.REASONS` where not allowed, else None.
        evidence: one JSON-able entry a check done: {"check", "url", "value", "time"}.
        decided_at: ISO time, UTC.
        image_url: the first of the candidate's addresses that answered, or None.
    """

    allowed: bool
    reason: str | None
    evidence: list[dict[str, Any]] = field(default_factory=list)
    decided_at: str = ""
    image_url: str | None = None


def is_open(license: str | None) -> bool:
    """Whether a stated licence lets everybody adapt the work: CC0, public domain, the CC-BY family without ND."""
    text = re.sub(r"[ _]+", "-", (license or "").strip())
    return bool(_OPEN.match(text)) and not _CLOSED_TERMS.search(text)


def decide(candidate: Candidate, http: Http | None, optouts: OptOuts, permissions: Permissions) -> Decision:
    """Every check that needs no picture; not one byte of the picture is fetched.

    Raises:
        Stop: a challenge, or a busy host; nothing is decided then.
        SuiteError: `http` is None for a candidate that is not a local file.
    """
    case = _Case(candidate, permissions.find(candidate), permissions)
    try:
        if candidate.local_path is not None:
            case.note("local folder", None, f"chosen by the person: {candidate.extra.get('folder', '')}")
            case.marks()
        else:
            assert http is not None, "only local files are decided without a client"
            case.robots(http)
            case.marks()
            case.page(http)
            case.header(http)
        blocked = optouts.blocks(candidate)
        if blocked:
            case.refuse("opted_out", "opt-out list", None, blocked)
        case.note("opt-out list", None, "not listed" if optouts.path else "no list given")
    except _No as no:
        return case.decision(no.reason)
    return case.decision(None)


def decide_file(
    candidate: Candidate, path: Path, hashes: tuple[str, ...], optouts: OptOuts, permissions: Permissions
) -> Decision:
    """The checks on the file itself; where the answer is no, the caller deletes it.

    Args:
        candidate: the picture.
        path: its file.
        hashes: its hex SHA-256 digests (response, pixels).
        optouts, permissions: as for `decide`.
    """
    case = _Case(candidate, permissions.find(candidate), permissions)
    try:
        rights = read_rights(path)
        if rights.ai_made:
            case.refuse("ai_made", "embedded metadata", None, f"DigitalSourceType {rights.ai_made}")
        if rights.prohibits:
            case.reserve("embedded_noai", "embedded metadata", None, rights.prohibits)
        case.note("embedded metadata", None, rights.allows or "no reservation")
        blocked = optouts.blocks(candidate, hashes)
        if blocked:
            case.refuse("opted_out", "opt-out list", None, blocked)
        case.note("opt-out list", None, "file not listed" if optouts.path else "no list given")
    except _No as no:
        return case.decision(no.reason)
    return case.decision(None)


class _No(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Case:
    """One candidate on its way through the checks, with the evidence so far."""

    def __init__(self, candidate: Candidate, permission: Permission | None, permissions: Permissions) -> None:
        self.candidate, self.permission = candidate, permission
        self.evidence: list[dict[str, Any]] = []
        self.image_url: str | None = None
        if permission is not None:
            terms = f"{permission.who}, {permission.date}: {permission.text} [{permissions.path}, {permissions.sha256}]"
            self.note("permission", None, terms)

    def note(self, check: str, url: str | None, value: str) -> None:
        self.evidence.append({"check": check, "url": url, "value": value, "time": utc_now()})

    def refuse(self, reason: str, check: str, url: str | None, value: str) -> None:
        self.note(check, url, value)
        raise _No(reason)

    def reserve(self, reason: str, check: str, url: str | None, value: str) -> None:
        """The artist's own reservation: a no, unless the artist's permission is on file."""
        if self.permission is None:
            self.refuse(reason, check, url, value)
        self.note(check, url, f"{value} (waived by the permission)")

    def decision(self, reason: str | None) -> Decision:
        return Decision(reason is None, reason, self.evidence, utc_now(), self.image_url)

    def robots(self, http: Http) -> None:
        urls = [*self.candidate.image_urls]
        if self._page_is_read():
            urls.insert(0, str(self.candidate.page_url))
        said = set()
        for url in urls:
            try:
                answer = http.robots.check(url)
            except Rejected as refused:
                self.refuse(refused.reason, "robots.txt", url, refused.detail)
            if not answer.allowed:
                self.refuse("robots" if answer.reachable else "robots_unreachable", "robots.txt", url, answer.value)
            if answer.url not in said:
                said.add(answer.url)
                self.note("robots.txt", answer.url, answer.value)

    def marks(self) -> None:
        """What the source itself says of the work."""
        tags = ", ".join(self.candidate.tags)
        page = self.candidate.page_url
        if self.candidate.adult:
            self.refuse("adult", "tags", page, "marked as mature content")
        if self.candidate.ai_made:
            self.refuse("ai_made", "tags", page, f"marked as made by a generator; tags: {tags}")
        if any(_plain(tag) in ("noai", "noimageai", "noaitraining") for tag in self.candidate.tags):
            self.reserve("tag_noai", "tags", page, tags)
        self.note("tags", page, tags or "no tags")

    def page(self, http: Http) -> None:
        candidate = self.candidate
        if self._page_is_read():
            url = str(candidate.page_url)
            try:
                page = http.page(url)
                check_status(page.status, url)
            except Rejected as refused:
                self._without_page(url, f"the page cannot be read: {refused}")
                return
            if page.reservations:
                self.reserve("page_noai", "page", url, "; ".join(page.reservations))
            self.note("page", url, "no reservation")
            return
        self._without_page(candidate.page_url, "no page is known")

    def header(self, http: Http) -> None:
        if not self.candidate.image_urls:
            self.refuse("no_picture", "source", self.candidate.page_url, "no address of a picture")
        last = ""
        for url in self.candidate.image_urls:
            try:
                answer = http.head(url).ok()
            except Rejected as refused:
                self.note("picture header", url, str(refused))
                last = refused.reason
                if last in UNREACHED:
                    break
                continue
            found = header_reservation(answer.headers)
            if found:
                self.reserve("header_noai", "picture header", url, found)
            self.note("picture header", url, "no reservation")
            self.image_url = url
            return
        raise _No(last)

    def _page_is_read(self) -> bool:
        """A museum's record that gives the licence needs no page beside it."""
        return self.candidate.page_url is not None and "license_record" not in self.candidate.extra

    def _without_page(self, url: str | None, why: str) -> None:
        licence = self.candidate.license
        if is_open(licence):
            stated = self.candidate.extra.get("license_record", "the source")
            self.note("licence", url, f"{licence}, stated by {stated}; {why}")
        elif self.permission is not None:
            self.note("page", url, f"{why} (the permission stands for it)")
        else:
            self.refuse("no_evidence", "page", url, f"{why}, and neither an open licence nor a permission is on file")


def _plain(tag: str) -> str:
    return re.sub(r"[^a-z]", "", tag.lower())
