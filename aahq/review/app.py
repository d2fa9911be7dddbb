"""The review page's HTTP API: tiles, pictures, decisions, agreement. `suite.page.guard` controls access."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
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
from suite.page.files import NEVER, page_app

# A tile's address carries its content's digest.
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
UNDO_STEPS = 200
# Tiles that a page may ask for at once.
MOST_FIRST = 200


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
        self.tiles = _json(self.catalog.columns())

    @functools.cached_property
    def scores(self) -> bytes:
        """Every item's scores as the page reads them, computed when it first asks."""
        return _json(self.catalog.scores())

    def item(self, id: str) -> Item:
        """The item of that name, or 404."""
        if id not in self.catalog.by_id:
            raise HTTPException(404, f"no face {id!r}")
        return self.catalog.by_id[id]


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
    async def first(count: Annotated[int, Query(ge=1, le=MOST_FIRST)]) -> Response:
        """Tiles of the first so many items, those that are made: one answer where fifty would each cost their way."""
        session.pictures.asked()
        made = ((item.id, session.pictures.made_tile(item)) for item in session.catalog.items[:count])
        return _never({id: base64.b64encode(data).decode() for id, data in made if data is not None})


def _add_lists(app: FastAPI, session: Session) -> None:
    """What the page shows: who asks, all tiles at once, and one item closely."""

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
            }
        )

    @app.get("/api/tiles")
    async def tiles() -> Response:
        session.pictures.asked()
        return Response(session.tiles, media_type="application/json", headers=NEVER)

    @app.get("/api/scores")
    def scores() -> Response:
        return Response(session.scores, media_type="application/json", headers=NEVER)

    @app.get("/api/item/{id}")
    def item(id: str) -> Any:
        found = session.item(id)
        return _never({"id": id, "bucket": found.bucket, "reason": found.reason, "detail": found.detail, **found.facts})


def _add_decisions(app: FastAPI, session: Session) -> None:
    """What people said about the items, and what they say now."""

    @app.get("/api/decisions")
    def decisions(reviewer: str) -> Any:
        said = session.log.decisions
        return _never(
            {
                "own": {id: _brief(line) for id, line in said.own(reviewer).items()},
                "recent": [
                    {"nonce": line.nonce, "group": line.group, "id": line.id}
                    for line in said.recent(reviewer, UNDO_STEPS)
                ],
                "reviewers": said.reviewers(),
                # Who decided, not what: the second reviewer is to decide for themselves.
                "decided": {who: sorted(said.own(who)) for who in said.reviewers() if who != reviewer},
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

        def case(id: str) -> dict[str, Any]:
            ruled = {"by": settled[id].reviewer, **_brief(settled[id])} if id in settled else None
            return {
                "id": id,
                "words": {who: _brief(line) for who, line in sorted(words[id].items())},
                "settled": ruled,
            }

        return _never(
            {
                "pairs": [pair.as_dict() for pair in agreement.pairs(said)],
                "disagreements": [case(id) for id in agreement.disagreements(said) if id in session.catalog.by_id],
            }
        )


def _brief(line: Decision) -> dict[str, Any]:
    return {"act": line.act, "reason": line.reason, "points": line.points, "nonce": line.nonce}


def _never(value: Any) -> JSONResponse:
    return JSONResponse(value, headers=NEVER)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
