"""Serve the page: networks loaded once, one port on this machine, results in a folder."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from models.inference.pretrained import Pretrained
from suite.errors import SuiteError
from suite.page import server as page_server
from suite.page.guard import Guard
from suite.page.server import bound_port, missing

if TYPE_CHECKING:
    import torch
    from torch import nn

    from models.inference.stylize import Inverter
    from models.networks.psp import PSPEncoder
    from models.page.session import Session

    Inversion = tuple[PSPEncoder | None, nn.Module | None, Inverter]


def serve(
    model: Pretrained,
    inversion: Inversion,
    steps: int,
    half: torch.dtype | None,
    out: Path | None,
    port: int,
    opened: Callable[[str], object],
    browser: bool,
) -> None:
    """Serve until interrupted.

    Args:
        model: the networks.
        inversion: pSp (or None), the distance of optimisation (or None), and which of them.
        steps: of an optimisation.
        half: dtype of large feature maps.
        out: where results are kept; None: nowhere beyond this run.
        port, opened, browser: as of `suite.page.server`.
    """
    try:
        import uvicorn  # noqa: F401 - without it nothing need begin

        from models.page.app import BODIES, make_app
    except ImportError as error:
        raise missing("page", error) from None
    from models.page.session import Session

    psp, distance, inverter = inversion
    with tempfile.TemporaryDirectory() as folder, bound_port(port) as bound:
        scratch = Path(folder)
        session = Session(model, inverter, steps, scratch, out or scratch, psp=psp, distance=distance, half=half)
        guard = Guard(None, bound.getsockname()[1], "blendgan page", BODIES)
        guard.app = make_app(session, guard.write_token, str(out.absolute()) if out else "")
        threading.Thread(target=_warm, args=(session,), daemon=True).start()
        try:
            page_server.serve(guard, bound, opened, browser)
        finally:
            session.close()


def _warm(session: Session) -> None:
    """The first photograph would wait for dlib's start otherwise."""
    try:
        session.face(next(iter(session.shipped["face"])))
    except (SuiteError, OSError):
        # What is wrong is told when a face is asked for.
        return
