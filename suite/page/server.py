"""Serve an application to this machine only, behind the guard, until interrupted."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from suite.errors import SuiteError
from suite.page.guard import Guard


@contextmanager
def bound_port(port: int) -> Iterator[socket.socket]:
    """A listening socket on loopback; 0 is any port that is free.

    Raises:
        SuiteError: the port is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(("127.0.0.1", port))
            # From here on a browser that is early waits instead of being refused.
            bound.listen(128)
        except OSError as error:
            raise SuiteError(f"--port {port}: {error.strerror}; give another, or 0 for any that is free") from None
        yield bound


def serve(guard: Guard, bound: socket.socket, opened: Callable[[str], object], browser: bool) -> None:
    """Serve until interrupted.

    Args:
        guard: the application behind its guard.
        bound: of `bound_port`; the guard's port.
        opened: hears the secret address when the first request may come.
        browser: open the address in the person's browser.
    """
    import uvicorn

    address = f"http://127.0.0.1:{bound.getsockname()[1]}/?token={guard.secret}"
    config = uvicorn.Config(guard, log_level="warning", access_log=False, server_header=False, ws="none")
    # Loaded by the first request otherwise, while the browser waits.
    config.load()
    opened(address)
    if browser:
        webbrowser.open(address)
    uvicorn.Server(config).run(sockets=[bound])


def missing(page: str, error: ImportError) -> SuiteError:
    """What to say where a library of the extra is not installed."""
    return SuiteError(f"{page}: {error.name} is not installed; run: pip install 'aahq-blendgan[page]'")
