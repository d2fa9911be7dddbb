"""Static files of a local page, read once, and its errors as JSON: a request never names a path."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from suite.errors import SuiteError

KINDS = {
    **{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"},
    ".webp": "image/webp",
}
NEVER = {"cache-control": "no-store"}


def page_app(package: str) -> FastAPI:
    """An application that serves `static/` of a package: index.html at /, the others below /static/.

    To be served behind `suite.page.guard.Guard` only. A SuiteError anywhere becomes {"detail": its line}, status 422.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_exception_handler(SuiteError, _as_detail)
    folder = resources.files(package) / "static"
    files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if Path(entry.name).suffix in KINDS}

    @app.get("/")
    async def page() -> Response:
        return Response(files["index.html"], media_type="text/html", headers=NEVER)

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "no such file")
        return Response(files[name], media_type=KINDS[Path(name).suffix], headers=NEVER)

    return app


async def _as_detail(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 422)
