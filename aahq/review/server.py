"""The page's server: one process, loopback only, one for a build's folder at a time."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

from aahq.folder import exclusive_lock
from aahq.ledger import LEDGER
from aahq.review.log import FOLDER
from suite.errors import SuiteError
from suite.page import server as page_server
from suite.page.guard import Guard
from suite.page.server import bound_port, missing


def serve(out: Path, reviewer: str, port: int, opened: Callable[[str], object], browser: bool) -> None:
    """Serve until interrupted.

    Args:
        out: the build's folder.
        reviewer: whose decisions the page takes at first.
        port: 0 for any that is free.
        opened: hears the secret address once the port is bound.
        browser: open the address in the person's browser.

    Raises:
        SuiteError: no build there, the port is taken, another page is open on the folder, or a library is missing.
    """
    try:
        import uvicorn  # noqa: F401 - without it nothing need begin

        from aahq.review.app import Session, make_app
        from aahq.review.pictures import FIRST_SHEET
    except ImportError as error:
        raise missing("review", error) from None
    if not (out / LEDGER).is_file():
        raise SuiteError(f"OUT {out}: no {LEDGER} there; start with 'aahq build {out} --source ...'")
    with exclusive_lock(out / FOLDER), bound_port(port) as bound:
        session = Session(out, reviewer)
        session.pictures.make_first(session.catalog.page(session.first_ids[:FIRST_SHEET]))
        # The names live as long as the page: no collection need walk a million of them while a browser waits.
        gc.collect()
        gc.freeze()
        over = threading.Event()
        threading.Thread(target=session.pictures.prepare, args=(session.catalog.items, over), daemon=True).start()
        guard = Guard(make_app(session), bound.getsockname()[1], "aahq review")
        session.write_token = guard.write_token
        try:
            page_server.serve(guard, bound, opened, browser)
        finally:
            over.set()
            session.pictures.close()
            session.log.close()
