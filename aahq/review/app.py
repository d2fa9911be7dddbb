"""The page's answers: tiles, pictures, decisions, agreement. Who may ask is `guard`'s business."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask

from aahq.reasons import REASONS
from aahq.review import agreement
from aahq.review.catalog import Catalog, Item
from aahq.review.log import DROP_REASONS, Decision, DecisionLog
from aahq.review.pictures import Pictures
from aahq.review.points import NAMES, check_points
from suite.errors import SuiteError

_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# A tile's address carries its content's digest.
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}
_NEVER = {"cache-control": "no-store"}
UNDO_STEPS = 200


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
        self.scores = _json(self.catalog.scores())

    def item(self, id: str) -> Item:
        """The item of that name, or 404."""
        if id not in self.catalog.by_id:
            raise HTTPException(404, f"no face {id!r}")
        return self.catalog.by_id[id]


def make_app(session: Session) -> FastAPI:
    """The application; to be served behind `guard.Guard` only."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(SuiteError, _told)
    _add_files(app)
    _add_pictures(app, session)
    _add_answers(app, session)
    return app


async def _told(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)


def _add_files(app: FastAPI) -> None:
    """The page's own files, read once: a request never names a path."""
    folder = resources.files("aahq.review") / "static"
    files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if Path(entry.name).suffix in _KINDS}

    @app.get("/")
    def page() -> Response:
        return Response(files["index.html"], media_type="text/html", headers=_NEVER)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "no such file")
        return Response(files[name], media_type=_KINDS[Path(name).suffix], headers=_NEVER)


def _add_pictures(app: FastAPI, session: Session) -> None:
    @app.get("/tile/{id}")
    def tile(id: str) -> Response:
        found = session.item(id)
        session.pictures.asked()
        path = session.pictures.tile_path(found)
        if path.is_file():
            return FileResponse(path, media_type="image/jpeg", headers=_FOREVER)
        data = session.pictures.tile(found)
        # It is kept once it is sent: the disk need not be waited for.
        later = BackgroundTask(session.pictures.store_tile, found, data)
        return Response(data, media_type="image/jpeg", headers=_FOREVER, background=later)

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
        return Response(session.pictures.preview(item, four), media_type="image/jpeg", headers=_NEVER)


def _add_answers(app: FastAPI, session: Session) -> None:
    @app.get("/api/session")
    def opened() -> Any:
        return _never(
            {
                "name": session.out.absolute().name,
                "reviewer": session.reviewer,
                "token": session.write_token,
                "drop_reasons": DROP_REASONS,
                "reasons": REASONS,
                "points": NAMES,
            }
        )

    @app.get("/api/tiles")
    def tiles() -> Response:
        session.pictures.asked()
        return Response(session.tiles, media_type="application/json", headers=_NEVER)

    @app.get("/api/scores")
    def scores() -> Response:
        return Response(session.scores, media_type="application/json", headers=_NEVER)

    @app.get("/api/item/{id}")
    def item(id: str) -> Any:
        found = session.item(id)
        return _never({"id": id, "bucket": found.bucket, "reason": found.reason, "detail": found.detail, **found.facts})

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

    @app.get("/api/agreement")
    def agree() -> Any:
        said = session.log.decisions
        words, settled = said.words(), said.settled()
        return _never(
            {
                "pairs": [pair.as_dict() for pair in agreement.pairs(said)],
                "disagreements": [
                    {
                        "id": id,
                        "words": {who: _brief(line) for who, line in sorted(words[id].items())},
                        "settled": {"by": settled[id].reviewer, **_brief(settled[id])} if id in settled else None,
                    }
                    for id in agreement.disagreements(said)
                    if id in session.catalog.by_id
                ],
            }
        )


def _brief(line: Decision) -> dict[str, Any]:
    return {"act": line.act, "reason": line.reason, "points": line.points, "nonce": line.nonce}


def _never(value: Any) -> JSONResponse:
    return JSONResponse(value, headers=_NEVER)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
