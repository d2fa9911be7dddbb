"""The words by which a page or a header says "not for AI": robots meta tags, X-Robots-Tag, tdm-reservation, Content-Usage,
RSL."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aahq.web.ai_tokens import AI_TOKENS
from aahq.web.markup import without
from aahq.web.preferences import reading, statement
from aahq.web.robots_file import decoded

AI_WORDS = frozenset({"noai", "noimageai", "noml", "noaitraining", "notrain", "notraining"})
INDEX_WORDS = frozenset({"noindex", "noimageindex", "none"})
# Directives that carry a value of their own, which is no directive ("max-image-preview: none").
_VALUED_PART = re.compile(
    r"(?:max-snippet|max-image-preview|max-video-preview)\s*:\s*[^\s,;]*|unavailable_after\s*:[^,]*", re.IGNORECASE
)
_SPLIT = re.compile(r"[^A-Za-z_-]+")
# A tag can reserve only with one of these in it, in any case, plain or as character references.
_RESERVING = re.compile(
    r"no-?_?(?:image-?_?)?ai|noml|no-?train|noindex|noimageindex|none|tdm-reservation|content-(?:usage|signal)|rsl",
    re.IGNORECASE,
)
_META = re.compile(r"<(?:meta|link)", re.IGNORECASE)
# A tag in which no quote, angle or equals sign stands where a browser might read it in another way.
_PLAIN_META = re.compile(
    r"""<(?:meta|link)(?:\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>`=]+))?)*\s*/?>""", re.IGNORECASE
)
_INLINE_RSL = re.compile(r"<script[^>]{0,1000}application/rsl\+xml", re.IGNORECASE)
# What a meta tag's name may stand in.
_NAMES = ("name", "property", "http-equiv", "itemprop")
# Characters of a page that the parser of HTML reads at once: a tag of many attributes takes a hundred times its size, and tags
# that never close take time by the square. Of a longer page each tag is read alone.
PARSED_MAX, TAG_MAX, TAGS_MAX = 256 * 1024, 8192, 1000
RSL_TYPE = "application/rsl+xml"


@dataclass(frozen=True)
class Finding:
    """What one carrier says of one address.

    Attributes:
        carrier: where it stands, as `docs/stewardship.md` names it ("Content-Signal").
        url: of the file or page that says it; None where the address itself does.
        value: its words.
        no: whether it reserves the work.
    """

    carrier: str
    url: str | None
    value: str
    no: bool


def words(content: str) -> set[str]:
    """The directives of a robots meta tag or an X-Robots-Tag header, lower case.

    A header's `botname:` prefix is dropped, so a reservation made towards any bot counts.
    """
    plain = {word.lower() for word in _SPLIT.split(_VALUED_PART.sub(",", content)) if word}
    # A word of AI is never part of another directive's value.
    return plain | ({_joined(word) for word in _SPLIT.split(content)} & AI_WORDS)


def _joined(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def reserves(content: str) -> bool:
    """Whether the directives reserve the work: noai, noimageai, noml, noindex, noimageindex or none."""
    return not words(content).isdisjoint(AI_WORDS | INDEX_WORDS)


def tdm_reserved(value: str) -> bool:
    """Whether a `tdm-reservation` value reserves: 0 and nothing do not, 1 does, and so does what is neither."""
    return any(part.strip(" \t\"'") not in ("", "0", "false") for part in re.split(r"[,;]", value.lower()))


def header_findings(headers: Mapping[str, str]) -> list[Finding]:
    """What the reserving headers say. `headers` finds names in any case, or is a plain mapping."""
    values = {name.lower(): value for name, value in headers.items()}
    findings: list[Finding] = []
    robots = values.get("x-robots-tag")
    if robots is not None:
        findings.append(Finding("X-Robots-Tag", None, f"X-Robots-Tag: {robots[:200]}", reserves(robots)))
    tdm = values.get("tdm-reservation")
    if tdm is not None:
        findings.append(Finding("TDM header", None, f"tdm-reservation: {tdm[:200]}", tdm_reserved(tdm)))
    for name, carrier in (("content-usage", "Content-Usage header"), ("content-signal", "Content-Signal header")):
        if name in values:
            said = reading([statement(values[name])], "/")
            findings.append(Finding(carrier, None, f"{name.title()}: {values[name][:200]}", said.no is not None))
    if RSL_TYPE in values.get("link", "").lower():
        findings.append(Finding("RSL", None, f"Link: {values['link'][:200]}", True))
    return findings


def header_reservation(headers: Mapping[str, str]) -> str | None:
    """The first reserving header as "Name: value", or None."""
    return next((finding.value for finding in header_findings(headers) if finding.no), None)


def page_findings(html: bytes, token: str = "aahq") -> tuple[Finding, ...]:
    """The reserving tags, in the page's order; any bytes are read, however broken the HTML.

    `noai`, `noimageai` and `noml` count under every robot's name, the index words under `robots`, `token` and the names of AI
    crawlers only: a page that keeps one search engine out says nothing of AI.
    """
    findings: list[Finding] = []
    text = decoded(html)
    if _INLINE_RSL.search(text):
        findings.append(Finding("RSL", None, "a licence in the page", True))
    if _META.search(text) is None:
        return tuple(findings)
    text = _to_last_meta(text)
    if not _may_reserve(text):
        return tuple(findings)
    if len(text) <= PARSED_MAX:
        return (*findings, *_tag_findings(text, token))
    for number, tag in enumerate(_reserving_tags(text)):
        if number == TAGS_MAX:
            findings.append(
                Finding("page meta", None, f"more than {TAGS_MAX} tags that may reserve, which counts as a no", True)
            )
            break
        findings += _tag_findings(tag, token)
    return tuple(findings)


def _tag_findings(html: str, token: str) -> Iterator[Finding]:
    # Here, because few pages come so far and most commands read none.
    from bs4 import BeautifulSoup, SoupStrainer

    soup = BeautifulSoup(
        html, "html.parser", parse_only=SoupStrainer(("meta", "link")), on_duplicate_attribute=_keep_both
    )
    for tag in soup.find_all(("meta", "link")):
        if tag.name == "link":
            if RSL_TYPE in str(tag.get("type") or "").lower():
                yield Finding("RSL", None, f"link to {str(tag.get('href'))[:200]}", True)
            continue
        for name in {str(tag.get(key)).strip().lower(): None for key in _NAMES if tag.get(key)}:
            yield from _meta_findings(name, str(tag.get("content") or ""), token)


def _keep_both(attributes: dict[str, str | None], name: str, value: str | None) -> None:
    """Of an attribute that is given twice browsers take the first; a no counts in either."""
    attributes[name] = f"{attributes[name]}, {value}"


def _meta_findings(name: str, content: str, token: str) -> Iterator[Finding]:
    if name == "tdm-reservation" and tdm_reserved(content):
        yield Finding("TDM meta", None, f"tdm-reservation={content.strip()[:200]}", True)
    elif name in ("content-usage", "content-signal"):
        said = reading([statement(content)], "/")
        if said.no is not None:
            yield Finding("page meta", None, f"{name}={content[:200]}", True)
    elif "bot" in name or name == token or name in AI_TOKENS:
        whole = name in ("robots", "x-robots-tag", token) or name in AI_TOKENS
        if not words(content).isdisjoint(AI_WORDS | INDEX_WORDS if whole else AI_WORDS):
            yield Finding("page meta", None, f"{name}={content[:200]}", True)


def _reserving_tags(text: str) -> Iterator[str]:
    """The meta and link tags of a long page that hold a reserving word, outside of comments; one that is written in an unusual
    way goes as far as the next."""
    text = without(text, "<!--", "-->")
    at = next((match.start() for match in _META.finditer(text)), None)
    while at is not None:
        plain = _PLAIN_META.match(text, at, at + TAG_MAX)
        following = _META.search(text, at + 1)
        end = following.start() if following else len(text)
        tag = plain[0] if plain else text[at : min(end, at + TAG_MAX)]
        if _may_reserve(tag):
            # Unclosed, the parser would take it for text.
            yield tag if plain else f"{tag}'>\">"
        at = following.start() if following else None


def _may_reserve(text: str) -> bool:
    return bool(_RESERVING.search(text) or ("&" in text and _RESERVING.search(markup.unescape(text))))


def _to_last_meta(text: str) -> str:
    """The page up to the end of its last meta or link tag: the rest, mostly its body, says nothing here and is long.

    Where that tag is written in any unusual way, or stands in a comment, the whole page.
    """
    at = max((match.start() for match in _META.finditer(text)), default=0)
    last = _PLAIN_META.match(text, at, at + TAG_MAX)
    if last is None or text.rfind("<!--", 0, at) > text.rfind("-->", 0, at):
        return text
    return text[: last.end()]
