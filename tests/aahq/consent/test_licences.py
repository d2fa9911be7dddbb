"""Licences come from a closed list: what is not on it, or says more than its name, is closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aahq.consent.licences import is_open, open_licence

OPEN = {
    "CC0-1.0": ["CC0", "cc0-1.0", "CC0 1.0 Universal", "CC0 Public Domain Dedication", "CC Zero"],
    "CC-BY": ["CC BY", "cc_by", "Creative Commons Attribution"],
    "CC-BY-4.0": ["CC BY 4.0", "CC-BY-4.0", "CC\u2011BY\u20114.0", "https://creativecommons.org/licenses/by/4.0/"],
    "CC-BY-SA-4.0": ["CC BY-SA 4.0", "Creative Commons Attribution-ShareAlike 4.0 International (CC BY-SA 4.0)"],
    "CC-BY-SA-3.0": ["CC BY-SA 3.0 DE", "http://creativecommons.org/licenses/by-sa/3.0/de/deed.en"],
    "CC-BY-NC-SA-2.0": ["CC BY-NC-SA 2.0", "Creative Commons Attribution-NonCommercial-ShareAlike 2.0 Generic"],
    "PDM-1.0": ["Public domain", "PDM 1.0", "publicdomain", "https://creativecommons.org/publicdomain/mark/1.0/"],
}
CLOSED = [
    *("CC BY-ND 4.0", "CC BY-NC-ND", "CC BY-NoDerivs 2.0", "CC BY\u2013ND 4.0", "CC BY-NoDerivatives 4.0", "CC-BYOB"),
    *("public domain: no", "not public domain", "CC0?", "CC BY 5.0", "CC BY 4.0, no AI", "CC0 except for training"),
    *("https://creativecommons.org/licenses/by-nd/4.0/", "https://creativecommons.org.evil.example/licenses/by/4.0/"),
    *("", "All rights reserved", "Attribution", "by", "free", "pd-art", "CC", "Getty CC BY 4.0"),
]


@pytest.mark.parametrize(("name", "stated"), [(name, text) for name, texts in OPEN.items() for text in texts])
def test_open(name: str, stated: str) -> None:
    for text in (stated, stated.upper(), f"  {stated.replace(' ', '  ')} "):
        assert open_licence(text) == name


@pytest.mark.parametrize("stated", CLOSED)
def test_closed(stated: str) -> None:
    assert not is_open(stated)


@given(st.text(max_size=40))
def test_words_before_or_after_a_name_close_it(text: str) -> None:
    if text.strip():
        assert open_licence(f"CC BY 4.0; {text}") is None
        assert open_licence(f"{text} xyz CC BY 4.0") is None
