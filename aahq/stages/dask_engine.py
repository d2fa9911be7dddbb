"""The stages' executor: processes of this machine, or the workers of a Dask cluster.

Both are `concurrent.futures.Executor`s, so no stage knows the difference. Workers of a cluster need this package and the same
folders under the same paths; the ledger stays with the one process that asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import aahq
from aahq.stages.engine import Engine, open_engine
from suite.errors import SuiteError
from suite.files import digest, sha256_file

# Seconds to reach the scheduler.
PATIENCE = 20
# Tasks sent ahead for each thread of the cluster: enough to hide the way there and back.
AHEAD = 3


@contextmanager
def choose_engine(workers: int | None = None, scheduler: str | None = None) -> Iterator[Engine]:
    """An engine on this machine, or on the cluster of that scheduler.

    Args:
        workers: processes on this machine; one a core where None.
        scheduler: a Dask scheduler's address, `tcp://host:8786`.

    Raises:
        SuiteError: both are given, the extra is not installed, nobody answers there, or the cluster was lost; what was
            committed stands.
    """
    if scheduler is None:
        with open_engine(workers) as engine:
            yield engine
        return
    if workers is not None:
        raise SuiteError("--workers: the cluster has its own; give --scheduler or --workers")
    with _cluster(scheduler) as engine:
        yield engine


@contextmanager
def _cluster(address: str) -> Iterator[Engine]:
    try:
        from distributed import Client
        from distributed.comm import CommClosedError
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise SuiteError("--scheduler: needs Dask; install it with pip install 'aahq-blendgan[cluster]'") from None
    if not re.fullmatch(r"[a-z]+://\S+", address):
        raise SuiteError(f"--scheduler {address}: expected the address of a running 'dask scheduler', tcp://HOST:8786")
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SuiteError(
            f"--scheduler {address}: no answer ({error}); expected the address of a running 'dask scheduler'"
        ) from None
    try:
        threads = sum(client.nthreads().values())
        if not threads:
            raise SuiteError(f"--scheduler {address}: it has no workers; start some with 'dask worker {address}'")
        _refuse_other_versions(address, client.run(_version, on_error="return"))
        # A task of the same batch is never taken for one done already: its result is also a file in the folder.
        yield Engine(client.get_executor(pure=False), AHEAD * threads)
    except (KilledWorker, CommClosedError) as error:
        raise SuiteError(
            f"--scheduler {address}: the cluster was lost ({type(error).__name__}); run the same command again to go on",
            1,
        ) from None
    finally:
        client.close(timeout=PATIENCE)


def _version() -> str:
    """This package's number, and a digest of its modules: a clone has the number of the last release."""
    root = Path(aahq.__file__).parent
    modules = {path.relative_to(root).as_posix(): sha256_file(path) for path in root.rglob("*.py")}
    try:
        number = version("aahq-blendgan")
    except PackageNotFoundError:
        number = "not installed"
    return f"{number} ({digest(modules)[:12]})"


def _refuse_other_versions(address: str, found: Mapping[str, object]) -> None:
    """Refuse workers with another version of this package, or without it: they would make other rows of the same pictures.

    Args:
        address: the scheduler's.
        found: worker -> its version, or what asking for it raised.
    """
    ours = _version()
    for worker, theirs in sorted(found.items()):
        if theirs != ours:
            what = "no aahq-blendgan that answers" if isinstance(theirs, BaseException) else f"aahq-blendgan {theirs}"
            raise SuiteError(
                f"--scheduler {address}: its worker {worker} has {what}, expected {ours}; install the same on every worker"
            )
