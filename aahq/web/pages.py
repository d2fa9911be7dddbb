"""Whether an answer is the work's page: readable HTML under its own address, no challenge, no log-in, no way elsewhere."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

from aahq.web.addresses import address_key
from aahq.web.markup import without
from aahq.web.robots_file import decoded

# Statuses of the 200s that come with the page itself.
_WHOLE = (200, 203)
_HTML = ("text/html", "application/xhtml+xml", "")
_LOGIN_PATH = re.compile(
    r"/(?:log[-_]?in|sign[-_]?in|sign[-_]?up|auth|sso|session/new|accounts?/login|anmelden)(?:[/.?]|\Z)", re.I
)
# Whole titles: a work of art may be called "Login" or "Just a moment" too, and its page then names artist or site as well.
_LOGIN_TITLE = re.compile(
    r"(?:please )?(?:log[ -]?in|sign[ -]?in|anmelden|se connecter|iniciar sesi\S{1,3}n)"
    r"(?: ?(?:[|:\u2013\u2014\u00b7-]|to|at) ?.{0,200})?\Z",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<title[^<>]{0,300}>(.{0,300}?)</title", re.IGNORECASE | re.DOTALL)
_REFRESH = re.compile(
    r"<meta[^<>]{0,300}http-equiv\s{0,9}=\s{0,9}[\"']?refresh[^<>]{0,300}?"
    r"url\s{0,9}=\s{0,9}[\"']?([^\"'>\s]{1,2000})",
    re.IGNORECASE,
)
# What challenge pages hold and pages behind the same service do not.
_CHALLENGE_BODY = re.compile(
    r"_cf_chl_opt|<iframe[^<>]{0,300}_Incapsula_Resource|anubis_challenge|awsWafCookieDomainList|gokuProps|px-captcha|"
    r"captcha-delivery\.com|vercel/security|sgcaptcha|ddos-guard/js-challenge|__qrator",
    re.IGNORECASE,
)
_CHALLENGE_TITLE = re.compile(
    r"(?:just a moment|checking your browser[^|]{0,60}|making sure you.{1,6}re not a bot)[.!\u2026]{0,3}\Z|"
    r"attention required! \| cloudflare\Z|vercel security checkpoint\Z|ddos-guard\Z",
    re.IGNORECASE,
)
_CHALLENGE_HEADERS = {
    "cf-mitigated": "challenge",
    "x-amzn-waf-action": ("challenge", "captcha"),
    "x-vercel-mitigated": "challenge",
    "x-vercel-challenge-token": "",
    "x-dd-b": "",
}


def challenge_header(headers: Mapping[str, str]) -> str | None:
    """The header by which a service says that it asks for a browser, as "name: value"; None without one."""
    for name, words in _CHALLENGE_HEADERS.items():
        value = headers.get(name)
        wanted = (words,) if isinstance(words, str) else words
        if value is not None and any(word in value.lower() for word in wanted):
            return f"{name}: {value[:80]}"
    return None


def challenge_body(text: str) -> str | None:
    """The words by which a page shows itself to be a challenge; None where it is none."""
    match = _CHALLENGE_BODY.search(text) or _CHALLENGE_TITLE.match(_title(text))
    return match[0][:80] if match else None


def why_no_page(wanted: str, url: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """Why an answer is not the page that was asked for, or None.

    Args:
        wanted: the work's page as the source names it.
        url: the address that answered, after redirects.
        status, headers, body: the answer's.
    """
    if status not in _WHOLE:
        return f"status {status}"
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in _HTML:
        return f"Content-Type {kind[:60]!r}"
    text = decoded(body)
    if not text.strip():
        return "an empty answer"
    if "<" not in text[:2000]:
        return "no HTML"
    if address_key(url) != address_key(wanted):
        path = urlsplit(url).path
        if path in ("", "/"):
            return f"redirected to the start page {url}"
        if _LOGIN_PATH.search(path):
            return f"redirected to a log-in, {url}"
    if _LOGIN_TITLE.match(_title(text)):
        return f"a log-in: {_title(text)[:80]!r}"
    refresh = _REFRESH.search(without(text, "<noscript", "</noscript"))
    if refresh and address_key(urljoin(url, markup.unescape(refresh[1]))) != address_key(url):
        return f"a page that sends browsers on to {refresh[1][:200]}"
    return None


def _title(text: str) -> str:
    match = _TITLE.search(text)
    return " ".join(markup.unescape(match[1]).split()) if match else ""
