"""Permissions: a file that names who allows what, and since when. There is no flag that does the same.

```toml
[[permission]]
who = "Jane Painter <jane@example.org>"
date = 2026-05-01
text = "You may use the works of my account for AAHQ, by e-mail."
artist = "janepainter"                       # the user name at the source; or
work = "https://www.artstation.com/artwork/aB3dE"   # one work's page; or
url_prefix = "https://jane.example.org/art/"        # all pages or pictures under an address
```

Names and addresses are compared by `aahq.web.addresses`; a display name, which anybody may take, permits nothing, and a
name in another order ("Painter, Jane") may be another account's.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from aahq.candidates import Candidate
from aahq.web.addresses import AddressPattern, address_key, name_form
from suite.errors import SuiteError
from suite.files import TOML_MAX, parse_toml, read_bytes, sha256_bytes
from suite.profiles import Settings, first_fault

Words = Annotated[str, Field(min_length=3)]


class Permission(Settings):
    """One permission; exactly one of `artist`, `work` and `url_prefix` says what it covers."""

    who: Words
    date: datetime.date
    text: Words
    artist: Words | None = None
    work: Words | None = None
    url_prefix: Words | None = None

    @model_validator(mode="after")
    def _covers_one_thing(self) -> Permission:
        subjects = [self.artist, self.work, self.url_prefix]
        if sum(value is not None for value in subjects) != 1:
            raise ValueError("give exactly one of artist, work, url_prefix")
        if self.url_prefix is not None:
            parts = urlsplit(self.url_prefix)
            if parts.scheme not in ("http", "https") or "/" not in parts.path:
                raise ValueError("url_prefix is a whole address up to a slash at least, https://host/")
        return self

    def covers(self, candidate: Candidate) -> bool:
        """Whether the candidate falls under this permission."""
        if self.artist is not None:
            return candidate.artist is not None and name_form(candidate.artist) == name_form(self.artist)
        if self.work is not None:
            return candidate.page_url is not None and address_key(candidate.page_url) == address_key(self.work)
        # To a slash: /art/ is permitted, /artists/ is not meant.
        prefix = AddressPattern(f"{address_key(str(self.url_prefix))}/", True)
        if candidate.page_url is not None:
            return prefix.covers(candidate.page_url)
        return bool(candidate.image_urls) and all(prefix.covers(url) for url in candidate.image_urls)


class _File(Settings):
    permission: list[Permission] = Field(default_factory=list)


class Permissions:
    """The permissions of one file; `Permissions()` has none.

    Attributes:
        path, sha256: the file and its digest, which go into the evidence.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.sha256: str | None = None
        self.all: list[Permission] = []
        if path is None:
            return
        try:
            data = read_bytes(path, TOML_MAX)
            self.all = _File.model_validate(parse_toml(data.decode("utf-8-sig"))).permission
        except ValidationError as error:
            raise SuiteError(f"--permissions {path}: {': '.join(first_fault(error))}") from None
        except (OSError, ValueError) as error:
            raise SuiteError(f"--permissions {path}: {error}; expected TOML with [[permission]] tables") from None
        self.sha256 = sha256_bytes(data)

    def find(self, candidate: Candidate) -> Permission | None:
        """The first permission that covers the candidate."""
        return next((permission for permission in self.all if permission.covers(candidate)), None)
