"""Addresses and names in one form each: what is asked about, what is sent and what is compared are the same text.

`wire_url` is the address as it goes over the wire; robots.txt, the client, consent and the evidence all use it.
`address_keys` and `name_key` are what permissions, opt-outs, tombstones, lookup and removal compare by: two spellings of one
thing have a key in common.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import idna

from aahq.reasons import Rejected
from aahq.web.netguard import check_url

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986: section 2.3 (never to be encoded), sections 3.3 and 3.4 (may stand in a path, in a query).
_UNRESERVED = re.compile(r"%(2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])")
_SEGMENT = "!$&'()*+,;=:@~"
_PATH, _QUERY = "!$&'()*+,;=:@/~%", "!$&'()*+,;=:@/?[]~%"
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Parameters that say how a work is sent or who sent the visitor, and not which work it is.
_NOISE = re.compile(
    r"(utm_\w+|fbclid|gclid|msclkid|referrer|token|sig|signature|expires|policy|key-pair-id|x-(amz|goog)-[\w-]+|"
    r"ver|version|ts|cb|cache|w|h|width|height|size|quality|dpr|fit|crop|auto|fm|format|resize|strip|download|dl)\Z",
    re.IGNORECASE,
)
# At a name's end: "(Dutch, 1853-1890)", ", 1853-1890", ", born 3 Dec 1955".
_YEARS = re.compile(r"\s*(\([^()]*\d{4}[^()]*\)|,[^,()]*\d{4}[^,()]*)$")
# Control and format characters: a zero-width space, a direction mark.
_INVISIBLE = ("Cc", "Cf")


@lru_cache(maxsize=4096)
def wire_url(url: str) -> str:
    """The address as it is sent: RFC 3986 section 6.2.2 and 6.2.3, and the host in punycode (UTS 46).

    Scheme and host in lower case, no default port, no fragment, dot segments resolved, escapes of plain characters undone and
    of all others in capitals, everything else that needs it escaped as UTF-8. An address in this form is left as it is.

    Raises:
        Rejected: "url_refused"; see `aahq.web.netguard.check_url`. Also where no host name can be made of the host.
    """
    parts = check_url(url)
    try:
        host = _host(parts.hostname or "")
        path = _without_dots(_escaped(parts.path, _PATH)) or "/"
        query = _escaped(parts.query, _QUERY)
    except ValueError as error:
        raise Rejected("url_refused", f"{url!r}: {error}") from None
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    sent = f"{parts.scheme}://{host}{port}{path}" + (f"?{query}" if query else "")
    # Also what the quoting made of it has to be an address that may be asked for.
    check_url(sent)
    return sent


class AddressPattern(NamedTuple):
    """An entry of a list: one address by its key, or with `prefix` all whose key begins so."""

    key: str
    prefix: bool

    def covers(self, url: str) -> bool:
        """Whether an address falls under the entry."""
        # "host/jane/" also covers "host/jane", which is the same page.
        if self.prefix:
            return f"{address_key(url)}/".startswith(self.key)
        return not set(self.keys).isdisjoint(address_keys(url))

    @property
    def keys(self) -> tuple[str, ...]:
        """Of one address: what a list of keys holds of it, to be found by `address_keys`."""
        plain, query, _ = self.key.partition("?")
        return (self.key, f"{plain}?*") if query else (self.key,)


def address_pattern(entry: str) -> AddressPattern:
    """Read an entry: an address, with or without its scheme; `*` at the end covers all that begin so.

    An address that ends at its host covers everything of that host: whoever writes it means their site.

    Raises:
        ValueError: it names no host.
    """
    address, prefix = (entry.rstrip("*"), True) if entry.endswith("*") else (entry, False)
    key = _key(address, whole=not prefix)
    host = key.partition("/")[0]
    named = any(letter in host for letter in ".:") or "://" in entry
    if not named or key in ("", "/") or "://" in key or re.search(r"[\s*]", host):
        raise ValueError(f"{entry!r} is no address; expected https://host/page, or https://host/user/*")
    if "/" not in key and "?" not in key:
        return AddressPattern(f"{key}/", True)
    return AddressPattern(key, prefix)


def address_key(url: str) -> str:
    """The address without what does not change the work; two spellings of one address have one key.

    Left out: scheme, user, `www.`, default port, a slash at the end, fragment, and of the query all but the parameters that
    may choose the work (`?id=5`), which are sorted. Unicode is NFC. Any text is possible.
    """
    return _key(url, whole=True)


def address_keys(url: str) -> tuple[str, ...]:
    """The keys under which an address may stand in a list.

    Addresses that differ in nothing but their query are told apart only where both choose the work by one: a link with
    `?from=mail` is still that page.
    """
    key = address_key(url)
    plain, query, _ = key.partition("?")
    return (key, plain) if query else (key, f"{key}?*")


@lru_cache(maxsize=4096)
def name_key(name: str) -> str:
    """An artist in the form that is compared: `name_form` without years of life, and in the order in which it is spoken.

    "Gogh, Vincent van, 1853-1890", "Vincent van Gogh (Dutch, 1853-1890)" and "Vincent van Gogh" are one artist.
    """
    form = name_form(name)
    if spoken := _YEARS.sub("", form).strip(" ,"):
        family, comma, first = spoken.partition(", ")
        # More than one comma is a list of people, or a title after the name.
        form = f"{first} {family}" if comma and "," not in first else spoken
    return form


@lru_cache(maxsize=4096)
def name_form(name: str) -> str:
    """A name as it is written: NFKC, no case, single blanks, no invisible characters, no `@` before it."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(" " if letter.isspace() else letter for letter in folded if letter.isspace() or _visible(letter))
    return " ".join(visible.split()).lstrip("@ ")


def _visible(letter: str) -> bool:
    return unicodedata.category(letter) not in _INVISIBLE


@lru_cache(maxsize=4096)
def _key(address: str, whole: bool) -> str:
    text = address.strip(" \t\r\n")
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        text = f"https://{text.removeprefix('//')}"
    try:
        parts = urlsplit(text)
        port, host = parts.port, _host((parts.hostname or "").removeprefix("www."))
        path = _without_dots(_escaped(parts.path, _PATH))
    except ValueError:
        return address
    place = host.removeprefix("www.") + ("" if port in (None, 80, 443) else f":{port}")
    path = "/".join(_composed(segment) for segment in path.split("/"))
    key = place + (path.rstrip("/") if whole else path)
    pairs = sorted((name, value) for name, value in parse_qsl(parts.query) if not _NOISE.match(name))
    return key + ("?" + "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs) if pairs else "")


def _composed(segment: str) -> str:
    """A path's segment with its letters composed: some systems write one letter as two."""
    if "%" not in segment:
        return segment
    text = unicodedata.normalize("NFC", unquote(segment, errors="surrogateescape"))
    return quote(text, safe=_SEGMENT, errors="surrogateescape")


def _host(host: str) -> str:
    """The host's name in punycode and lower case, or its IP address in short form."""
    name = host.rstrip(".")
    if ":" in name:
        return f"[{ipaddress.ip_address(name).compressed}]"
    if name.isascii():
        return name.lower()
    return idna.encode(name, uts46=True).decode("ascii")


def _escaped(text: str, safe: str) -> str:
    stray = _NO_ESCAPE.sub("%25", text)
    capitals = _ESCAPE.sub(lambda match: match[0].upper(), stray)
    return quote(_UNRESERVED.sub(lambda match: chr(int(match[1], 16)), capitals), safe=safe)


def _without_dots(path: str) -> str:
    """RFC 3986 section 5.2.4; an empty segment stands, as servers tell `//a` from `/a`."""
    out: list[str] = []
    segments = path.split("/")
    for number, segment in enumerate(segments):
        if segment == "..":
            if len(out) > 1:
                out.pop()
        elif segment != ".":
            out.append(segment)
        if segment in (".", "..") and number == len(segments) - 1:
            out.append("")
    return "/".join(out)


def page_link(url: str) -> str:
    """The address where it is one for people; a hostile record's `javascript:` is none."""
    try:
        return url if urlsplit(url).scheme in ("http", "https") else ""
    except ValueError:
        return ""
