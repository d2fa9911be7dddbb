"""The words by which a page or a header says "not for AI": robots meta tags, X-Robots-Tag, tdm-reservation."""

from __future__ import annotations

import html as markup
import re
from collections.abc import Mapping

AI_WORDS = frozenset({"noai", "noimageai", "noml"})
INDEX_WORDS = frozenset({"noindex", "noimageindex", "none"})
# Directives that carry a value of their own, which is no directive ("max-image-preview: none").
_VALUED = ("max-snippet", "max-image-preview", "max-video-preview", "unavailable_after")
_VALUED_PART = re.compile(rf"(?:{'|'.join(_VALUED)})\s*:[^,]*", re.IGNORECASE)
_SPLIT = re.compile(r"[\s,;:]+")
# A tag can reserve only with one of these in it, in any case, plain or as character references.
_RESERVING = re.compile("|".join([*sorted(AI_WORDS | INDEX_WORDS), "tdm-reservation"]), re.IGNORECASE)
_META = re.compile(r"<meta", re.IGNORECASE)
# A tag in which no quote, angle or equals sign stands where a browser might read it in another way.
_PLAIN_META = re.compile(
    r"""<meta(?:\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>`=]+))?)*\s*/?>""", re.IGNORECASE
)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def words(content: str) -> set[str]:
    """The directives of a robots meta tag or an X-Robots-Tag header, lower case.

    A header's `botname:` prefix is dropped, so a reservation made towards any bot counts.
    """
    return {word.lower() for word in _SPLIT.split(_VALUED_PART.sub(",", content)) if word}


def reserves(content: str) -> bool:
    """Whether the directives reserve the work: noai, noimageai, noml, noindex, noimageindex or none."""
    return not words(content).isdisjoint(AI_WORDS | INDEX_WORDS)


def header_reservation(headers: Mapping[str, str]) -> str | None:
    """The reserving header as "Name: value", or None. `headers` finds names in any case."""
    robots = headers.get("X-Robots-Tag")
    if robots is not None and reserves(robots):
        return f"X-Robots-Tag: {robots[:200]}"
    if (headers.get("tdm-reservation") or "").strip() == "1":
        return "tdm-reservation: 1"
    return None


def page_reservations(html: bytes, token: str = "aahq") -> tuple[str, ...]:
    """The reserving meta tags as "name=content", in the page's order; any bytes are read, however broken the HTML.

    `noai`, `noimageai` and `noml` count under every robot's name, the index words under `robots` and `token` only: a page
    that keeps one search engine out says nothing of AI.
    """
    found: list[str] = []
    if b"<meta" not in html.lower() and not html.startswith(_UTF_16):
        return ()
    # Decoded here: the words are ASCII, and guessing a charset takes longer than all the rest.
    text = _to_last_meta(html.decode("utf-16" if html.startswith(_UTF_16) else "utf-8", errors="replace"))
    if not (_RESERVING.search(text) or _RESERVING.search(markup.unescape(text))):
        return ()
    # Here, because few pages come so far and most commands read none.
    from bs4 import BeautifulSoup, SoupStrainer

    for tag in BeautifulSoup(text, "html.parser", parse_only=SoupStrainer("meta")).find_all("meta"):
        name = str(tag.get("name") or tag.get("property") or tag.get("http-equiv") or "").strip().lower()
        content = str(tag.get("content") or "")
        if name == "tdm-reservation" and content.strip() == "1":
            found.append("tdm-reservation=1")
        elif "bot" in name or name == token:
            counting = AI_WORDS | INDEX_WORDS if name in ("robots", "x-robots-tag", token) else AI_WORDS
            if not words(content).isdisjoint(counting):
                found.append(f"{name}={content[:200]}")
    return tuple(found)


def _to_last_meta(text: str) -> str:
    """The page up to the end of its last meta tag: the rest, mostly its body, says nothing here and is long.

    Where that tag is written in any unusual way, or stands in a comment, the whole page.
    """
    at = max((found.start() for found in _META.finditer(text)), default=0)
    last = _PLAIN_META.match(text, at)
    if last is None or text.rfind("<!--", 0, at) > text.rfind("-->", 0, at):
        return text
    return text[: last.end()]
