"""Parse robots.txt: who is addressed (RFC 9309), and what the file says beside Allow and Disallow.

Protego judges paths; which lines are meant for whom is decided here, because product tokens are compared whole and without what
follows them ("aahq/0.1.0" is "aahq", "aa" is not), and because Content-Signal, Content-Usage and License lines belong to
groups too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from protego import Protego

EVERYBODY = "*"
_AGENT = re.compile(r"user[- ]?agent\s*(?::|\s)\s*(.*)\Z", re.IGNORECASE)
_TOKEN = re.compile(r"[a-z_-]+")
_LONG_TOKEN = re.compile(r"[a-z0-9_.-]+")
_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9 _-]{0,40}?)\s*:\s*(.*)\Z")
# Names of crawlers for AI that nobody here knows yet.
_AI_NAME = re.compile(r"(?:^|[-_])(?:ai|ml|llm)(?:[-_]|bot|$)|gpt|genai|dataset|training|llm")
# Lines about the whole site, which end no group of agents.
_SITE_WIDE = frozenset(("sitemap", "sitemaps", "site-map", "host", "license", "licence"))
_HOST = re.compile(r"[a-z]+://[^/]*/?", re.IGNORECASE)
_LICENSE = ("license", "licence")
SIGNALS, USAGE = ("content-signal", "content-signals"), ("content-usage",)
_DISALLOW = frozenset(("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"))
_SAYS = frozenset(("allow", *_DISALLOW, *SIGNALS, *USAGE))
_RULES = _SAYS | {"crawl-delay", "crawl delay", "request-rate", "visit-time"}
# RFC 9309, section 2.5: at least 500 KiB of a file are read. What is meant for others is not kept.
LINES_MAX = 512 * 1024
# Of one line; Google's parser reads as many.
LINE_MAX = 16664
UNKNOWN_KEPT = 8


@dataclass
class Lines:
    """What the file says to one reader: the lines of all its groups, in order."""

    rules: list[str] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    usage: list[str] = field(default_factory=list)
    size: int = 0

    def rule_set(self) -> Protego:
        """The rules, whoever asks."""
        return Protego.parse("\n".join(["User-agent: *", *self.rules]))


@dataclass
class RobotsFile:
    """A file read for some tokens.

    Attributes:
        groups: token (lower case, or "*") -> its lines; only those asked for.
        licenses: the addresses of License lines (RSL).
        unknown: names of directives, and of crawlers for AI, that nobody here knows, some 8 of them.
    """

    groups: dict[str, Lines]
    licenses: list[str]
    unknown: list[str]

    def for_token(self, token: str) -> Lines:
        """The lines of the token's own groups; where it has none, those for everybody."""
        return self.groups.get(token) or self.groups.get(EVERYBODY) or Lines()


def decoded(body: bytes) -> str:
    """The file's text: UTF-8 with or without a mark, UTF-16 with a mark or with a zero byte in every second place."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        # UTF-32 begins so, too, with two bytes more of nothing a letter.
        return body.decode("utf-16", errors="replace").replace("\0", "")
    head = body[:400]
    for zeros, name in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
        if len(head) > 3 and zeros.count(0) > 0.9 * len(zeros):
            return body.decode(name, errors="replace")
    return body.decode("utf-8-sig", errors="replace").replace("\0", "")


def read(text: str, tokens: Iterable[str]) -> RobotsFile:
    """Take a file apart; any text is read.

    Args:
        text: the file.
        tokens: product tokens, lower case, whose groups are kept; those for everybody always are.
    """
    wanted = {*tokens, EVERYBODY}
    groups: dict[str, Lines] = {}
    licenses: list[str] = []
    unknown: dict[str, None] = {}
    current: list[Lines] = []
    naming = began = False
    # One line at a time: as a list, a file of short lines would take fifty times its size.
    for match in re.finditer(r"[^\r\n]+", text):
        line = match[0][:LINE_MAX].partition("#")[0].strip()
        if not line:
            continue
        if agent := _AGENT.match(line):
            if not naming:
                current, naming = [], True
            began = True
            named = _tokens(agent[1])
            if not named & wanted and len(unknown) < UNKNOWN_KEPT:
                unknown |= {f"User-agent {token}": None for token in sorted(named) if _AI_NAME.search(token)}
            for token in named & wanted:
                group = groups.setdefault(token, Lines())
                if not any(group is known for known in current):
                    current.append(group)
            continue
        stated = _FIELD.match(line)
        name, value = (stated[1].lower(), stated[2].strip()) if stated else (line.split()[0].lower(), "")
        if name in _LICENSE and len(licenses) < UNKNOWN_KEPT:
            licenses.append(value)
        if name in _SITE_WIDE:
            continue
        if name not in _RULES and re.fullmatch(r"[a-z][a-z -]{1,40}", name) and stated and len(unknown) < UNKNOWN_KEPT:
            unknown[name] = None
        # As Google's parser has it: names stand together until something is said to them, whatever stands between.
        naming = naming and name not in _SAYS
        if not began and name in (*SIGNALS, *USAGE):
            # Before the first group: said to everybody.
            current = [groups.setdefault(EVERYBODY, Lines())]
        for group in current if name in _RULES else ():
            _add(group, name, line, value)
        if not began:
            current = []
    return RobotsFile(groups, licenses, list(unknown))


def _tokens(value: str) -> set[str]:
    """The product tokens of a User-agent line, lower case; "*" for everybody; none where it names nobody.

    RFC 9309 ends a token at the first character that is no letter, `_` or `-`; names with digits ("img2dataset") are kept whole
    as well. Several names on one line are no standard, and counted.
    """
    tokens: set[str] = set()
    for part in value.lower().split(","):
        part = part.strip(" \t\"'")
        if part.startswith(EVERYBODY) and part[1:2] in ("", " ", "\t"):
            tokens.add(EVERYBODY)
        for pattern in (_TOKEN, _LONG_TOKEN):
            if match := pattern.match(part):
                tokens.add(match[0])
    return tokens


def _add(group: Lines, name: str, line: str, value: str) -> None:
    group.size += len(line) + 1
    if group.size > LINES_MAX:
        return
    if name in SIGNALS:
        group.signals.append(value)
    elif name in USAGE:
        group.usage.append(value)
    elif name in _DISALLOW and value and not value.startswith(("/", "*")):
        # No path, and meant as one: "Disallow: private/", "Disallow: https://x.org/private/".
        group.rules.append(f"Disallow: /{_HOST.sub('', value)}")
    else:
        group.rules.append(line)
