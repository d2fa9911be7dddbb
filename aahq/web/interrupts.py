"""Resumable stops: the crawl ends here, nothing is lost, and the same command goes on later. Each has its exit code.

| code | class | what happened |
|---|---|---|
| 75 | `BotChallenge` | the site answered with a challenge meant for browsers; never evaded |
| 76 | `FormatChanged` | the site's answers have another shape than this adapter knows |
| 77 | `SiteBusy` | the site asks to wait (429, 503) longer than this run may, or cannot be reached |
| 78 | `RobotsDisallowed` | robots.txt does not allow the addresses that the source needs |
"""

from __future__ import annotations

from suite.errors import SuiteError

LAWFUL_WAYS = (
    "lawful ways on: --source met or another museum (open access), --source urls or folder with works whose artists agreed "
    "(--permissions FILE), --source aahq-list; or run the same command later, it goes on where it stopped"
)


class Stop(SuiteError):
    """The base of all resumable stops.

    Attributes:
        kind: a short name for the ledger ("challenged").
        url: the address whose answer ended the crawl.
    """

    kind = "stopped"
    code = 75

    def __init__(self, message: str, url: str) -> None:
        super().__init__(message, exit_code=self.code)
        self.url = url


class BotChallenge(Stop):
    """A challenge, by header or page: the site wants a browser with a person in front of it."""

    kind = "challenged"
    code = 75

    def __init__(self, url: str, sign: str = "") -> None:
        sign = f" ({sign})" if sign else ""
        super().__init__(
            f"{url}: the site answered with a browser challenge{sign} and is left alone; {LAWFUL_WAYS}", url
        )


class FormatChanged(Stop):
    """The source's answer has another shape than expected."""

    kind = "changed"
    code = 76

    def __init__(self, url: str, what: str) -> None:
        super().__init__(f"{url}: {what}; the site's format has changed or the answer was cut: {LAWFUL_WAYS}", url)


class SiteBusy(Stop):
    """The site asks for a longer pause than this run may take, or does not answer."""

    kind = "busy"
    code = 77

    def __init__(self, url: str, what: str) -> None:
        super().__init__(f"{url}: {what}; run the same command later, it goes on where it stopped", url)


class RobotsDisallowed(Stop):
    """robots.txt forbids what the source would have to read."""

    kind = "disallowed"
    code = 78

    def __init__(self, url: str, what: str) -> None:
        super().__init__(f"{url}: {what}; {LAWFUL_WAYS}", url)
