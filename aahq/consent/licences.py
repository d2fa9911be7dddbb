"""Licences that let everybody adapt a work, from a closed list of names; whatever is not on it is closed."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_VERSIONS = r"(?:1\.0|2\.0|2\.1|2\.5|3\.0|4\.0)"
_PORT = r"(?:-(?:[a-z]{2}|igo|international|unported|generic|universal|scotland))?"
_TERMS = {"by": "BY", "by-sa": "BY-SA", "by-nc": "BY-NC", "by-nc-sa": "BY-NC-SA"}
_SHORT = re.compile(rf"cc-(by(?:-nc)?(?:-sa)?)(?:-({_VERSIONS}){_PORT})?\Z")
_LONG = re.compile(
    rf"creative-commons-attribution(-non-?commercial)?(-share-?alike)?(?:-({_VERSIONS}){_PORT})?(?:-license)?\Z"
)
_PAGE = re.compile(
    rf"https?://(?:www\.)?creativecommons\.org/licenses/(by(?:-nc)?(?:-sa)?)/({_VERSIONS})(?:/[a-z]{{2}})?"
    r"(?:/(?:deed|legalcode)[a-z._-]*)?/?\Z"
)
_ZERO = re.compile(
    r"(?:cc0|cc-0|cc-zero|creative-commons-(?:zero|0))(?:-(?:v?1\.0|public-domain(?:-dedication)?|universal))*\Z|"
    r"https?://(?:www\.)?creativecommons\.org/publicdomain/zero/1\.0(?:/(?:deed|legalcode)[a-z._-]*)?/?\Z"
)
_MARK = re.compile(
    r"(?:pdm|cc-pdm|public-?domain(?:-mark)?)(?:-1\.0)?\Z|"
    r"https?://(?:www\.)?creativecommons\.org/publicdomain/mark/1\.0(?:/(?:deed)[a-z._-]*)?/?\Z"
)
# A short name behind a long one, which has to be the same: "Creative Commons Attribution 4.0 (CC BY 4.0)".
_REPEATED = re.compile(r"\s*\((cc[^()]*)\)")
_VERSION = re.compile(rf"-{_VERSIONS}\Z")


@lru_cache(maxsize=1024)
def open_licence(stated: str | None) -> str | None:
    """The SPDX-like name of an open licence ("CC-BY-SA-4.0", "CC0-1.0", "PDM-1.0"), or None for every other text.

    Open are CC0, the public domain mark and the CC BY family without NoDerivatives, as short names, long names or the
    licence's own address. Case, blanks, underscores and dashes of any kind do not matter.
    """
    text = unicodedata.normalize("NFKC", stated or "").strip().casefold()
    if "://" not in text:
        if repeated := _REPEATED.search(text):
            first, again = (open_licence(part) for part in (_REPEATED.sub("", text, count=1), repeated[1]))
            return first if first and again and _same(first, again) else None
        text = re.sub(r"[\s_\u2010-\u2015\u2212\u00ad-]+", "-", text).strip("-")
    if _ZERO.match(text):
        return "CC0-1.0"
    if _MARK.match(text):
        return "PDM-1.0"
    for pattern in (_SHORT, _PAGE):
        if match := pattern.match(text):
            return "-".join(filter(None, ("CC", _TERMS[match[1]], match[2])))
    if match := _LONG.match(text):
        return "-".join(filter(None, ("CC-BY", "NC" if match[1] else "", "SA" if match[2] else "", match[3])))
    return None


def _same(one: str, other: str) -> bool:
    """Whether two names do not contradict each other: alike but for a version that one of them leaves out, or no terms."""
    free = {"CC0-1.0", "PDM-1.0"}
    plain = {_VERSION.sub("", one), _VERSION.sub("", other)}
    return one == other or {one, other} <= free or (len(plain) == 1 and plain <= {one, other})


def is_open(stated: str | None) -> bool:
    """Whether a stated licence lets everybody adapt the work."""
    return open_licence(stated) is not None
