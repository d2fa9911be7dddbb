"""The review page's HTTP API: tiles, pictures, decisions, agreement. `suite.page.guard` controls access."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from aahq.reasons import REASONS
from aahq.review import agreement
from aahq.review.catalog import Catalog, Item
from aahq.review.log import DROP_REASONS, Decision, DecisionLog
from aahq.review.pictures import Pictures
from aahq.review.points import NAMES, check_points
from aahq.review.views import SCORE, Filters, View, Views, select
from suite.page.files import NEVER, page_app

# A tile's address carries its content's digest.
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
UNDO_STEPS = 200
# Items that a page may ask for at once.
WINDOW = 200


class Lines(BaseModel):
    """Decisions that the page sends together."""

    model_config = ConfigDict(extra="forbid")
    decisions: list[Decision] = Field(max_length=2000)


class Placed(BaseModel):
    """Five points to preview."""

    model_config = ConfigDict(extra="forbid")
    id: str
    points: list[tuple[float, float]] = Field(min_length=5, max_length=5)


class Session:
    """One run of the page: the build's folder, its catalogue, and the log that it holds."""

    def __init__(self, out: Path, reviewer: str) -> None:
        self.out = out
        self.reviewer = reviewer
        self.catalog = Catalog.read(out)
        self.log = DecisionLog(out)
        self.pictures = Pictures(out)
        self.write_token = ""
        self.views = Views()
        # Copies are shown where they are asked for.
        shown = [bucket for bucket in self.catalog.counts if bucket != "duplicate"]
        self.first = Filters(reviewer=reviewer, bucket=shown or None)
        self.first_ids = select(self.catalog, self.first, self.log.decisions)

    def item(self, id: str) -> Item:
        """The item of that name, or 404."""
        found = self.catalog.item(id)
        if found is None:
            raise HTTPException(404, f"no face {id!r}")
        return found

    def view(self, name: int) -> View:
        """The list of that name, or 404; the page then asks anew."""
        found = self.views.get(name)
        if found is None:
            raise HTTPException(404, f"no view {name}")
        return found

    def told(self, view: View, reviewer: str, here: str = "") -> dict[str, Any]:
        """What the page is told of a list: how long it is, what is decided of it, and where an item is in it."""
        kept, dropped = view.tally(self.log.decisions.own(reviewer))
        at = view.place(here) if here else None
        return {"view": view.name, "count": len(view.ids), "kept": kept, "dropped": dropped, "at": at}

    def window(self, ids: list[str], reviewer: str) -> dict[str, Any]:
        """Rows of a list for the page, a list a column, with the reviewer's own words about them."""
        items = {item.id: item for item in self.catalog.page(ids)}
        # One that was taken out since the page was opened keeps its place.
        known = [items.get(id) for id in ids]
        said = self.log.decisions
        own = {id: line for id in ids if (line := said.word(id, reviewer)) is not None}
        return {
            "id": ids,
            "stamp": [item.stamp if item else "" for item in known],
            "bucket": [item.bucket if item else "unfinished" for item in known],
            "reason": [item.reason if item else "" for item in known],
            "own": {id: _brief(line) for id, line in own.items()},
        }


def make_app(session: Session) -> FastAPI:
    """The application; to be served behind `suite.page.guard.Guard` only."""
    app = page_app("aahq.review")
    _add_pictures(app, session)
    _add_first_sheet(app, session)
    _add_lists(app, session)
    _add_decisions(app, session)
    _add_agreement(app, session)
    return app


def _add_pictures(app: FastAPI, session: Session) -> None:
    # A kept tile is read at once, without a thread: a sheet of fifty comes in the time that handing over would take.
    @app.get("/tile/{id}")
    async def tile(id: str) -> Response:
        found = session.item(id)
        session.pictures.asked()
        data = session.pictures.made_tile(found)
        if data is None:
            data = await asyncio.wrap_future(session.pictures.make_tile(found))
        return Response(data, media_type="image/jpeg", headers=_FOREVER)

    @app.get("/face/{id}")
    def face(id: str) -> Response:
        return Response(session.pictures.face(session.item(id)), media_type="image/jpeg", headers=_FOREVER)

    @app.get("/picture/{id}")
    def picture(id: str) -> Response:
        return Response(session.pictures.whole(session.item(id)), media_type="image/jpeg", headers=_FOREVER)

    @app.post("/api/preview")
    def preview(placed: Placed) -> Response:
        item = session.item(placed.id)
        four = check_points(placed.points, item.facts["width"], item.facts["height"])
        return Response(session.pictures.preview(item, four), media_type="image/jpeg", headers=NEVER)


def _add_first_sheet(app: FastAPI, session: Session) -> None:
    @app.get("/api/first")
    async def first(count: Annotated[int, Query(ge=1, le=WINDOW)]) -> Response:
        """The list that is shown first, the first so many of its items, and their tiles, those that are made.

        One answer where fifty would each cost their way.
        """
        session.pictures.asked()
        view = session.views.add(session.first_ids)
        items = session.catalog.page(view.ids[:count])
        made = ((item.id, session.pictures.made_tile(item)) for item in items)
        tiles = {id: base64.b64encode(data).decode() for id, data in made if data is not None}
        rows = session.window(view.ids[:count], session.reviewer)
        return _never({**session.told(view, session.reviewer), "first": 0, "rows": rows, "tiles": tiles})


def _add_lists(app: FastAPI, session: Session) -> None:
    """What the page shows: who asks, windows of the lists that fit its filters, and one item closely."""

    @app.get("/api/session")
    async def opened() -> Any:
        return _never(
            {
                "name": session.out.absolute().name,
                "reviewer": session.reviewer,
                "token": session.write_token,
                "drop_reasons": DROP_REASONS,
                "reasons": {name: reason.text for name, reason in REASONS.items()},
                "points": NAMES,
                "buckets": session.catalog.counts,
                "shown": session.first.bucket or list(session.catalog.counts),
                "count": len(session.catalog.ids),
            }
        )

    @app.get("/api/words")
    def words() -> Any:
        return _never(session.catalog.words())

    @app.get("/api/range")
    def score_range(score: SCORE) -> Any:
        values = session.catalog.scores(score).values() if score else ()
        return _never([min(values, default=0.0), max(values, default=0.0)])

    @app.post("/api/view")
    def view(asked: Filters, here: str = "") -> Any:
        """Make the list that fits the filters; `here` is an item whose place in it is asked for."""
        session.pictures.asked()
        made = session.views.add(select(session.catalog, asked, session.log.decisions))
        told = session.told(made, asked.reviewer, here)
        first = (told["at"] or 0) // WINDOW * WINDOW
        rows = session.window(made.ids[first : first + WINDOW], asked.reviewer)
        return _never({**told, "first": first, "rows": rows})

    @app.get("/api/tiles")
    def tiles(
        view: int | None = None,
        first: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=WINDOW)] = WINDOW,
        reviewer: str = "",
    ) -> Any:
        """A window of a list; of all items where none is named."""
        session.pictures.asked()
        ids = session.catalog.ids if view is None else session.view(view).ids
        return _never(session.window(ids[first : first + count], reviewer))

    @app.get("/api/place")
    def place(view: int, id: str) -> Any:
        return _never({"at": session.view(view).place(id)})

    @app.get("/api/next")
    def next_open(view: int, after: int, reviewer: str) -> Any:
        return _never({"at": session.view(view).next_open(after, session.log.decisions.own(reviewer))})

    @app.get("/api/item/{id}")
    def item(id: str) -> Any:
        found = session.item(id)
        told = {"bucket": found.bucket, "reason": found.reason, "detail": found.detail, "scores": found.scores}
        return _never({"id": id, **told, **found.facts})


def _add_decisions(app: FastAPI, session: Session) -> None:
    """What people said about the items, and what they say now."""

    @app.get("/api/decisions")
    def decisions(reviewer: str) -> Any:
        said = session.log.decisions
        return _never(
            {
                "recent": [
                    {"nonce": line.nonce, "group": line.group, "id": line.id}
                    for line in said.recent(reviewer, UNDO_STEPS)
                ],
                "reviewers": said.reviewers(),
                # Who decided, not what: the second reviewer is to decide for themselves.
                "decided": {who: len(said.own(who)) for who in said.reviewers() if who != reviewer},
            }
        )

    @app.post("/api/decisions")
    def decide(lines: Lines) -> Any:
        for line in lines.decisions:
            found = session.item(line.id)
            if line.points is not None:
                check_points(line.points, found.facts["width"], found.facts["height"])
        try:
            return {"saved": session.log.append(lines.decisions)}
        except OSError as error:
            raise HTTPException(507, f"not saved: {error.strerror or error}") from None


def _add_agreement(app: FastAPI, session: Session) -> None:
    """How far reviewers agree, and every face on which they do not."""

    @app.get("/api/agreement")
    def agree() -> Any:
        said = session.log.decisions
        words, settled = said.words(), said.settled()

        def case(item: Item) -> dict[str, Any]:
            id = item.id
            ruled = {"by": settled[id].reviewer, **_brief(settled[id])} if id in settled else None
            return {
                "id": id,
                "stamp": item.stamp,
                "words": {who: _brief(line) for who, line in sorted(words[id].items())},
                "settled": ruled,
            }

        return _never(
            {
                "pairs": [pair.as_dict() for pair in agreement.pairs(said)],
                "disagreements": [case(item) for item in session.catalog.page(agreement.disagreements(said))],
            }
        )


def _brief(line: Decision) -> dict[str, Any]:
    return {"act": line.act, "reason": line.reason, "points": line.points, "nonce": line.nonce}


def _never(value: Any) -> JSONResponse:
    return JSONResponse(value, headers=NEVER)
