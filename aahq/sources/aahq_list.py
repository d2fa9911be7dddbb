"""`aahq-list`: the released AAHQ list (AAHQ-dataset.json of onion-liu/aahq-dataset), with its own four landmarks.

The list names pictures, not the works' pages, so nothing tells whether the artist has reserved the work since: without a
permission (or a `page_url` added to an entry) such a picture is not fetched. `survival` asks, without fetching, what is
still there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aahq.candidates import POINTS, Candidate, Point
from aahq.http import Http
from aahq.reasons import Rejected
from aahq.reservations import header_reservation
from aahq.sources import SourceOptions, SourcePage, Unusable
from aahq.sources.reading import need, text
from suite.errors import SuiteError

PAGE = 100
MAX_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Alive:
    """What became of one entry.

    Attributes:
        key: the entry's name in the list.
        state: "alive"; "changed" (redirected elsewhere, or no picture any more); "gone"; "refused" (by
            robots.txt, the server or a reservation); "unknown" (no answer).
        detail: the finding in words.
    """

    key: str
    state: str
    detail: str


class AahqList:
    """The list's entries in the order of their names; the cursor is the last name done."""

    name = "aahq-list"

    def __init__(self, options: SourceOptions) -> None:
        if not options.target:
            raise SuiteError("--source aahq-list: expected the list's path, as in --source aahq-list AAHQ-dataset.json")
        self.path = Path(options.target)
        self.max_works = options.max_works

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        """Pages of up to 100 entries. The list is read from disk; `http` is not used.

        Raises:
            SuiteError: the file is no such list.
        """
        entries = sorted(read_list(self.path).items())[: self.max_works]
        left = [entry for entry in entries if cursor is None or entry[0] > cursor]
        for start in range(0, len(left), PAGE):
            candidates: list[Candidate] = []
            unusable: list[Unusable] = []
            for key, entry in left[start : start + PAGE]:
                try:
                    candidates.append(_candidate(key, entry))
                except Rejected as refused:
                    unusable.append(Unusable(key, None, refused.reason, refused.detail))
            yield SourcePage(candidates, left[start : start + PAGE][-1][0], unusable)


def read_list(path: Path) -> dict[str, Any]:
    """The list as name -> entry; entries are not checked.

    Raises:
        SuiteError: not readable, not JSON, or not an object.
    """
    fix = "expected AAHQ-dataset.json of the repository onion-liu/aahq-dataset"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SuiteError(f"--source aahq-list: {path} is larger than {MAX_BYTES} bytes; {fix}")
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise SuiteError(f"--source aahq-list: {path}: {error}; {fix}") from None
    if not isinstance(value, dict):
        raise SuiteError(f"--source aahq-list: {path} holds a {type(value).__name__}, not an object; {fix}")
    return {key.encode("utf-8", "backslashreplace").decode(): entry for key, entry in value.items()}


def survival(candidates: Iterable[Candidate], http: Http) -> Iterator[Alive]:
    """Ask by HEAD what became of each entry, in order; no picture is fetched. Raises `aahq.stops.Stop`.

    The list holds no digest, so a picture that was replaced under the same address still counts as alive.
    """
    for candidate in candidates:
        yield _alive(candidate, http)


def _alive(candidate: Candidate, http: Http) -> Alive:
    url = candidate.image_urls[0]
    try:
        answer = http.head(url).ok()
    except Rejected as refused:
        state = {"gone": "gone", "robots": "refused", "forbidden": "refused"}.get(refused.reason, "unknown")
        return Alive(candidate.key, state, str(refused))
    kind = answer.headers.get("Content-Type", "")
    if not kind.lower().startswith("image/"):
        return Alive(candidate.key, "changed", f"{url} is {kind[:60]!r}")
    if answer.url != url:
        return Alive(candidate.key, "changed", f"{url} redirects to {answer.url}")
    reserved = header_reservation(answer.headers)
    return Alive(candidate.key, "refused" if reserved else "alive", reserved or url)


def _candidate(key: str, entry: Any) -> Candidate:
    url = need(entry, "image_url", str, key)
    landmarks = need(entry, "landmarks", dict, key)
    points = tuple(_point(landmarks, name, key) for name in POINTS)
    page = entry.get("page_url")
    # The landmarks are in pixels of the listed size: another size would need other points.
    return Candidate(
        source=AahqList.name,
        key=key,
        page_url=page if isinstance(page, str) else None,
        image_urls=(url,),
        title=text(entry.get("raw_name")),
        landmarks=(points[0], points[1], points[2], points[3]),
        extra={"raw_name": text(entry.get("raw_name"))},
    )


def _point(landmarks: dict[str, Any], name: str, key: str) -> Point:
    value = landmarks.get(name)
    numbers = isinstance(value, list) and len(value) == 2 and all(type(v) in (int, float) for v in value)
    if not numbers or not all(math.isfinite(v) and abs(v) < 1e6 for v in value):  # type: ignore[union-attr]
        raise Rejected("bad_record", f"{key}: landmark {name!r} is {value!r:.80}, expected [x, y]")
    return float(value[0]), float(value[1])  # type: ignore[index]
