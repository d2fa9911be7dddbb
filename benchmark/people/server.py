"""Serve the judging page: one process, this machine only, until interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark.people.study import check_pictures, read
from suite.page import server as page_server
from suite.page.guard import Guard
from suite.page.server import bound_port, missing


def serve(folder: Path, judge: str, port: int, opened: Callable[[str], object], browser: bool) -> None:
    """Serve a study's page.

    Args:
        folder: of a designed study.
        judge: whose answers the page takes at first.
        port, opened, browser: as of `suite.page.server`.

    Raises:
        SuiteError: no study there, its pictures have changed, the port is taken, or a library is missing.
    """
    try:
        import uvicorn  # noqa: F401 - without it nothing need begin

        from benchmark.people.app import Session, make_app
    except ImportError as error:
        raise missing("judge", error) from None
    design = read(folder)
    check_pictures(design)
    with bound_port(port) as bound:
        session = Session(folder, design, judge)
        guard = Guard(None, bound.getsockname()[1], "aahq-bench judge")
        guard.app = make_app(session, guard.write_token)
        try:
            page_server.serve(guard, bound, opened, browser)
        finally:
            session.log.close()
