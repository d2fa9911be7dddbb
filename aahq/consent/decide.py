"""Consent: may this picture be taken? The checks in their order, stopping at the first no, each with its evidence.

The local opt-out list, before anybody is asked -> the work's marks -> robots.txt and what else the hosts say of AI, for
exactly the addresses that will be sent -> the work's page -> the headers of the picture's answer, before a byte of its body,
and of every redirect on the way, whose target is judged anew -> once the file is here, its embedded metadata and its digests
on the opt-out list. Without evidence the answer is no: a page that cannot be read, or a picture of which no page, open
licence or permission is known. A yes of one carrier never overrides the no of another.

A permission (see `aahq.consent.permissions`) waives what the rights holder may waive: the NoAI tag, the page's, the picture's
and the host's reservations, the missing page, the embedded ones. It waives neither robots.txt nor a site's terms, which are
the site's word, nor the marks "adult" and "AI-made", nor the opt-out list, which is the later wish.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aahq.candidates import Candidate
from aahq.consent.embedded_rights import read_rights
from aahq.consent.licences import is_open, open_licence
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permission, Permissions
from aahq.consent.reservations import Finding, header_findings
from aahq.reasons import Rejected
from aahq.web.addresses import wire_url
from aahq.web.client import Http, utc_now

__all__ = ["Case", "Decision", "OptOuts", "Permissions", "decide", "decide_file", "is_open"]

# The site's own word about who may come: no artist can waive it.
_SITE_WORD = frozenset(("robots.txt for AI crawlers", "site terms"))
_NOAI_TAGS = ("noai", "noimageai", "noaitraining")


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


def decide(candidate: Candidate, http: Http | None, optouts: OptOuts, permissions: Permissions) -> Decision:
    """Every check that needs no picture; see `Case.decide`."""
    return Case(candidate, http, optouts, permissions).decide()


def decide_file(
    candidate: Candidate, path: Path, hashes: tuple[str, ...], optouts: OptOuts, permissions: Permissions
) -> Decision:
    """The checks on a file that was got in another way; see `Case.decide_file`."""
    return Case(candidate, None, optouts, permissions).decide_file(path, hashes)


class No(Rejected):
    """A check's no, on its way out of a request or a step."""


class Case:
    """One candidate on its way through the checks, with the evidence so far; a client calls `before` and `answered` for each
    hop.

    Args:
        candidate: the picture on offer.
        http: the client; None for local files and files got in another way.
        optouts, permissions: what binds.
    """

    def __init__(self, candidate: Candidate, http: Http | None, optouts: OptOuts, permissions: Permissions) -> None:
        self.candidate, self.http, self.optouts, self.permissions = candidate, http, optouts, permissions
        self.permission = permissions.find(candidate)
        self.evidence: list[dict[str, Any]] = []
        self._judged: set[str] = set()
        self._needs_permission = False
        if self.permission is not None:
            self._note("permission", None, _terms(self.permission, permissions))

    def decide(self) -> Decision:
        """Every check that needs no picture; not one byte of it, and no header, is asked for.

        Raises:
            Stop: a challenge, or a busy host; nothing is decided then.
        """
        return self._decided(self._before_the_picture)

    def decide_file(self, path: Path, hashes: tuple[str, ...]) -> Decision:
        """The checks on the file itself; where the answer is no, the caller deletes it.

        Args:
            path: the file.
            hashes: its hex SHA-256 digests (response, pixels).
        """
        return self._decided(lambda: self._file(path, hashes))

    def before(self, url: str) -> None:
        """An address that is about to be sent, redirects included. Raises `Rejected`."""
        if url in self._judged:
            return
        hop = replace(self.candidate, image_urls=(url,))
        self._opted_out(hop)
        self._host(url)
        permission = self.permissions.find(hop)
        if self.permission is not None and permission is None:
            self.permission = None
            if self._needs_permission:
                self._refuse("no_evidence", "permission", url, "redirected to an address that no permission covers")

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """The headers of an answer whose body is unread. Raises `Rejected`."""
        findings = header_findings(headers)
        self._weigh(findings, "header_noai", url)
        if not findings:
            self._note("picture header", url, "no reservation")

    def decision(self, reason: str | None) -> Decision:
        """The evidence so far, with this outcome."""
        return Decision(reason is None, reason, list(self.evidence), utc_now())

    def _decided(self, checks: Any) -> Decision:
        try:
            checks()
        except No as no:
            return self.decision(no.reason)
        return self.decision(None)

    def _before_the_picture(self) -> None:
        local = self.candidate.local_path is not None
        if local:
            self._note("local folder", None, f"chosen by the person: {self.candidate.extra.get('folder', '')}")
        self._opted_out(self.candidate)
        self._note("opt-out list", None, "not listed" if self.optouts.path else "no list given")
        if local:
            self._marks()
            return
        assert self.http is not None, "only local files are decided without a client"
        self._marks()
        if not self.candidate.image_urls:
            self._refuse("no_picture", "source", self.candidate.page_url, "no address of a picture")
        page = [str(self.candidate.page_url)] if self._page_is_read() else []
        sent = [self._sent(url) for url in (*page, *self.candidate.image_urls)]
        for url in sent:
            self._robots(url)
        for url in sent:
            self._host(url)
        self._page()

    def _sent(self, url: str) -> str:
        try:
            return wire_url(url)
        except Rejected as refused:
            self._refuse(refused.reason, "address", url, refused.detail)
            raise AssertionError("unreachable") from None

    def _file(self, path: Path, hashes: tuple[str, ...]) -> None:
        rights = read_rights(path)
        if rights.ai_made:
            self._refuse("ai_made", "embedded metadata", None, f"DigitalSourceType {rights.ai_made}")
        if rights.prohibits:
            self._reserve("embedded_noai", rights.carrier, None, rights.prohibits)
        self._note("embedded metadata", None, rights.allows or "no reservation")
        if blocked := self.optouts.blocks(self.candidate, hashes):
            self._refuse("opted_out", "opt-out list", None, blocked)
        self._note("opt-out list", None, "file not listed" if self.optouts.path else "no list given")

    def _note(self, check: str, url: str | None, value: str) -> None:
        if any((entry["check"], entry["url"], entry["value"]) == (check, url, value) for entry in self.evidence):
            return
        self.evidence.append({"check": check, "url": url, "value": value, "time": utc_now()})

    def _refuse(self, reason: str, check: str, url: str | None, value: str) -> None:
        self._note(check, url, value)
        raise No(reason, value)

    def _reserve(self, reason: str, check: str, url: str | None, value: str) -> None:
        """The rights holder's own reservation: a no, unless their permission is on file."""
        if self.permission is None:
            self._refuse(reason, check, url, value)
        self._note(check, url, f"{value} (waived by the permission)")

    def _weigh(self, findings: Iterable[Finding], reason: str, url: str) -> None:
        """Noes first, whatever else the same carriers say."""
        for finding in sorted(findings, key=lambda finding: not finding.no):
            where = finding.url or url
            if not finding.no:
                if not any(entry["check"] == finding.carrier and entry["url"] == where for entry in self.evidence):
                    self._note(finding.carrier, where, finding.value)
            elif finding.carrier in _SITE_WORD:
                self._refuse(reason, finding.carrier, where, finding.value)
            else:
                self._reserve(reason, finding.carrier, where, finding.value)

    def _opted_out(self, candidate: Candidate) -> None:
        if blocked := self.optouts.blocks(candidate):
            self._refuse("opted_out", "opt-out list", None, blocked)

    def _robots(self, url: str) -> None:
        assert self.http is not None
        listed = self.http.sites.terms(url)
        if listed is not None:
            self._refuse("site_reserved", listed.carrier, listed.url, listed.value)
        try:
            answer = self.http.robots.check(url)
        except Rejected as refused:
            self._refuse(refused.reason, "robots.txt", url, refused.detail)
        if not answer.allowed:
            self._refuse("robots" if answer.reachable else "robots_unreachable", "robots.txt", url, answer.value)
        if not any(entry["check"] == "robots.txt" and entry["url"] == answer.url for entry in self.evidence):
            self._note("robots.txt", answer.url, answer.value)

    def _host(self, url: str) -> None:
        """What the host says of AI for this address: in robots.txt, in files of its own, in its terms."""
        assert self.http is not None
        self._judged.add(url)
        listed = self.http.sites.terms(url)
        self._weigh([listed] if listed else [], "site_reserved", url)
        try:
            findings = self.http.robots.findings(url)
            self._weigh(findings, "site_reserved", url)
            self._weigh(self.http.sites.findings(url), "site_reserved", url)
        except No:
            raise
        except Rejected as refused:
            self._refuse(refused.reason, "robots.txt", url, refused.detail)

    def _marks(self) -> None:
        """What the source itself says of the work."""
        tags = ", ".join(self.candidate.tags)
        page = self.candidate.page_url
        if self.candidate.adult:
            self._refuse("adult", "tags", page, "marked as mature content")
        if self.candidate.ai_made:
            self._refuse("ai_made", "tags", page, f"marked as made by a generator; tags: {tags}")
        if any(_plain(tag) in _NOAI_TAGS for tag in self.candidate.tags):
            self._reserve("tag_noai", "tags", page, tags)
        self._note("tags", page, tags or "no tags")

    def _page(self) -> None:
        if not self._page_is_read():
            self._without_page(self.candidate.page_url, "no page is known")
            return
        assert self.http is not None
        url = str(self.candidate.page_url)
        try:
            page = self.http.page(url, _PageHops(self))
        except No:
            raise
        except Rejected as refused:
            self._without_page(url, f"the page cannot be read: {refused}")
            return
        # The page may have been read for another picture, whose artist allows more.
        for hop in page.hops:
            self.before(hop)
        self._weigh(page.findings, "page_noai", url)
        if page.problem:
            self._without_page(url, f"this is not the work's page: {page.problem}")
            return
        self._note("page", url, "no reservation")

    def _page_is_read(self) -> bool:
        """A museum's record that gives the licence needs no page beside it."""
        return self.candidate.page_url is not None and "license_record" not in self.candidate.extra

    def _without_page(self, url: str | None, why: str) -> None:
        licence = self.candidate.license
        if is_open(licence):
            stated = self.candidate.extra.get("license_record", "the source")
            words = self.candidate.extra.get("license_stated")
            statement = f"{licence} ({open_licence(licence)}), stated by {stated}" + (f" as {words!r}" if words else "")
            self._note("licence", url, f"{statement}; {why}")
        elif self.permission is not None:
            self._needs_permission = True
            self._note("page", url, f"{why} (the permission stands for it)")
        else:
            self._refuse("no_evidence", "page", url, f"{why}, and neither an open licence nor a permission is on file")


class _PageHops:
    """The redirects on the way to the work's page; the page's own headers are weighed with its tags."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def before(self, url: str) -> None:
        self._case.before(url)

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """Weighed as `Page.findings`."""


def _terms(permission: Permission, permissions: Permissions) -> str:
    return f"{permission.who}, {permission.date}: {permission.text} [{permissions.path}, {permissions.sha256}]"


def _plain(tag: str) -> str:
    return re.sub(r"[^a-z]", "", tag.lower())
