"""The page's server: one process, loopback only, one for a build's folder at a time."""

from __future__ import annotations

import gc
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from aahq.folder import exclusive_lock
from aahq.ledger import LEDGER
from aahq.review.log import FOLDER
from suite.errors import SuiteError


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
        import uvicorn

        from aahq.review.app import Session, make_app
        from aahq.review.guard import Guard
    except ImportError as error:
        raise SuiteError(f"review: {error.name} is not installed; run: pip install 'aahq-blendgan[review]'") from None
    if not (out / LEDGER).is_file():
        raise SuiteError(f"OUT {out}: no {LEDGER} there; start with 'aahq build {out} --source ...'")
    with exclusive_lock(out / FOLDER), _bound(port) as bound:
        at = bound.getsockname()[1]
        session = Session(out, reviewer)
        session.pictures.make_first(session.catalog.items)
        # The items live as long as the page: no collection need walk tens of thousands of them while a browser waits.
        gc.collect()
        gc.freeze()
        over = threading.Event()
        threading.Thread(target=session.pictures.prepare, args=(session.catalog.items, over), daemon=True).start()
        guard = Guard(make_app(session), at)
        session.write_token = guard.write_token
        address = f"http://127.0.0.1:{at}/?token={guard.secret}"
        config = uvicorn.Config(guard, log_level="warning", access_log=False, server_header=False, ws="none")
        # Loaded by the first request otherwise, while the browser waits.
        config.load()
        opened(address)
        if browser:
            webbrowser.open(address)
        try:
            uvicorn.Server(config).run(sockets=[bound])
        finally:
            over.set()
            session.pictures.close()
            session.log.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(("127.0.0.1", port))
        # From here on a browser that is early waits instead of being refused.
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise SuiteError(f"--port {port}: {error.strerror}; give another, or 0 for any that is free") from None
    return bound
