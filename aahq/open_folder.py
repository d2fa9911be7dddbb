"""Open a build's folder for writing: claim it, lock it, end what a killed process left unfinished."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aahq.folder import exclusive_lock, explain_disk_errors
from aahq.ledger import LEDGER, Ledger
from aahq.own import FACES, PICTURES, claim_build, sweep_parts
from aahq.remove.forget import STRAY
from aahq.remove.opted_out import finish_opt_outs
from aahq.remove.remove import finish_removal
from suite.errors import SuiteError


@contextmanager
def open_folder(out: Path, create: bool = False) -> Iterator[Ledger]:
    """The one way to work in a build's folder: ours, locked, its disk's failures in one line, killed removals ended.

    Args:
        out: the folder.
        create: begin a build where there is none.

    Raises:
        SuiteError: another process works there, there is nothing to go on from, or something foreign is in the way.
    """
    if not create and not out.is_dir():
        raise SuiteError(f"OUT {out}: no such folder; start with 'aahq build {out} --source ...'")
    if not create and not (out / LEDGER).is_file():
        raise SuiteError(f"OUT {out}: no {LEDGER} there; start with 'aahq build {out} --source ...'")
    with explain_disk_errors(out):
        claim_build(out)
        strays = not (out / LEDGER).is_file() and any((out / kind).exists() for kind in (PICTURES, FACES))
        with exclusive_lock(out) as stopped, Ledger(out, create=create) as ledger:
            if stopped or strays:
                sweep_parts(out)
                ledger.put(STRAY, True)
            finish_removal(ledger)
            finish_opt_outs(ledger)
            yield ledger
