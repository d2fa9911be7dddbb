"""The page's HTTP API: faces and styles in, results out. `suite.page.guard` controls access."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from models.inference.stylize import strength_to_blend
from models.page.session import FaceItem, ResultItem, Session, WrongFaces
from suite.errors import SuiteError
from suite.page.files import NEVER, page_app
from suite.pictures import DecodeLimits

PICTURE = "application/octet-stream"
# Media type -> most bytes of what the page sends: questions, and pictures as large as the decoder takes.
BODIES = {"application/json": 1 << 16, PICTURE: DecodeLimits().max_bytes}
# Results that the page is told of at once; the others lie in their folder.
MOST_TOLD = 300
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}


class Wanted(BaseModel):
    """What to make: a strength, or `i` and `theta` by themselves."""

    model_config = ConfigDict(extra="forbid")
    face: str
    style: str
    strength: float | None = Field(default=None, ge=0, le=1)
    i: int | None = Field(default=None, ge=0)
    theta: float | None = Field(default=None, ge=0, le=1)


def make_app(session: Session, token: str, kept: str) -> FastAPI:
    """The application.

    Args:
        session: what it shows and does.
        token: the guard's, which a write repeats.
        kept: where results lie, for people; "" for nowhere beyond this run.
    """
    app = page_app("models.page")
    app.add_exception_handler(WrongFaces, _wrong_faces)
    _add_session(app, session, token, kept)
    _add_pictures(app, session)
    _add_work(app, session)
    return app


async def _wrong_faces(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error), "faces": getattr(error, "count", 0)}, 422)


def _add_session(app: FastAPI, session: Session, token: str, kept: str) -> None:
    @app.get("/api/session")
    def opened() -> Response:
        """Everything that a page needs to begin, or to catch up with another tab."""
        results = list(session.results.values())[-MOST_TOLD:]
        state = {
            "token": token,
            "kept": kept,
            "model": session.facts(),
            "largest": BODIES[PICTURE],
            "faces": [
                *_shipped(session, "face"),
                *(_face_json(one) for one in _own(session, session.faces).values()),
            ],
            "styles": [
                *_shipped(session, "style"),
                *(_style_json(id, one.name) for id, one in _own(session, session.styles).items()),
            ],
            "results": [_result_json(one) for one in results],
        }
        return JSONResponse(state, headers=NEVER)

    @app.get("/api/doing")
    async def doing() -> Response:
        return JSONResponse(session.doing, headers=NEVER)


def _add_pictures(app: FastAPI, session: Session) -> None:
    @app.get("/face/{id}")
    def face(id: str) -> Response:
        return _file(session.faces[id].file if id in session.faces else None)

    @app.get("/style/{id}")
    def style(id: str) -> Response:
        return _file(session.styles[id].path if id in session.styles else None)

    @app.get("/result/{id}")
    def result(id: str) -> Response:
        return _file(session.results[id].file if id in session.results else None)


def _add_work(app: FastAPI, session: Session) -> None:
    @app.post("/api/face")
    async def new_face(request: Request, largest: bool = False, cut: bool = False) -> Response:
        data, name = await request.body(), _name(request)
        return JSONResponse(
            _face_json(await asyncio.to_thread(session.add_face, data, name, largest, cut)), headers=NEVER
        )

    @app.post("/api/style")
    async def new_style(request: Request) -> Response:
        data, name = await request.body(), _name(request)
        id = await asyncio.to_thread(session.add_style, data, name)
        return JSONResponse(_style_json(id, session.style(id).name), headers=NEVER)

    @app.post("/api/stylise")
    def stylise(wanted: Wanted) -> Response:
        i, theta = _blend(wanted, session.model.generator.n_latent)
        made = session.stylise(wanted.face, wanted.style, i, theta, wanted.strength)
        return JSONResponse(_result_json(made), headers=NEVER)


def _blend(wanted: Wanted, layers: int) -> tuple[int, float]:
    if wanted.strength is not None:
        return strength_to_blend(wanted.strength, layers)
    if wanted.i is None or wanted.theta is None:
        raise SuiteError("stylise: give a strength, or both i and theta")
    if wanted.i > layers:
        raise SuiteError(f"i {wanted.i}: from 0 (style everywhere) to {layers} (none) for this generator")
    return wanted.i, wanted.theta


def _own(session: Session, kept: dict[str, Any]) -> dict[str, Any]:
    shipped = {id for kind in session.shipped.values() for id in kind}
    return {id: one for id, one in list(kept.items()) if id not in shipped}


def _shipped(session: Session, kind: str) -> list[dict[str, Any]]:
    return [
        {"id": id, "name": session.shipped_name(id), "src": f"/static/{path.name}", "shipped": True}
        for id, path in session.shipped[kind].items()
    ]


def _face_json(face: FaceItem) -> dict[str, Any]:
    return {"id": face.id, "name": face.name, "src": f"/face/{face.id}"}


def _style_json(id: str, name: str) -> dict[str, Any]:
    return {"id": id, "name": name, "src": f"/style/{id}"}


def _result_json(result: ResultItem) -> dict[str, Any]:
    places = {"id": result.id, "src": f"/result/{result.id}", "file": result.file.name}
    return {**places, "face_id": result.face_id, "style_id": result.style_id, **result.facts}


def _file(path: Any) -> Response:
    if path is None or not path.is_file():
        raise HTTPException(404, "not here (any more)")
    return FileResponse(path, media_type="image/png", headers=_FOREVER)


def _name(request: Request) -> str:
    return unquote(request.headers.get("x-file-name", ""))
