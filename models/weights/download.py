"""Find a published file: the local folders first, then a checked, resumable, atomic download."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import requests

from models.weights.guarded import guarded_session
from models.weights.registry import Published, entry
from suite import portable
from suite.errors import SuiteError
from suite.files import cache_home, sha256_file, write_whole
from suite.netguard import AddressRefused, NetGuard
from suite.progress import progress

FOLDER_VARIABLE = "AAHQ_WEIGHTS"
# Weights small enough to come with the package.
SHIPPED = Path(__file__).parents[1] / "shipped"
# What a person calls the weights that come with the package: BlendGAN's, or the named baseline's.
PAINTED = "painted"
# What a cut connection loses at most: a block that did not arrive whole is not kept.
_BLOCK = 1 << 16
_TIMEOUT = (10, 60)
# Pickles and safetensors name their tensors before the first of them, in some kilobytes.
_NAMES = 1 << 20


def cache_folder() -> Path:
    """Where downloads go: $AAHQ_WEIGHTS, else ~/.cache/aahq/weights (XDG_CACHE_HOME honoured)."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else cache_home() / "weights"


def find(name: str, folder: str | Path | None = None) -> Path | None:
    """A published file, or its converted `.safetensors`, in `folder`, the cache or an installed package, else None."""
    file = entry(name).file
    for place in (*([Path(folder)] if folder else []), cache_folder(), SHIPPED):
        for candidate in (Path(file).with_suffix(".safetensors").name, file):
            if (place / candidate).is_file():
                return place / candidate
    return _packaged(entry(name))


def is_another(name: str, path: Path) -> bool:
    """Whether `path` cannot be the published file `name`: its beginning, where tensors' names stand, lacks one of them."""
    holds = entry(name).holds
    if not holds:
        return False
    with path.open("rb") as file:
        return holds.encode() not in file.read(_NAMES)


def _packaged(wanted: Published) -> Path | None:
    """The file in the installed package that carries it; the package is not imported."""
    try:
        files = metadata.files(wanted.package) if wanted.package else None
    except metadata.PackageNotFoundError:
        return None
    places = (Path(str(one.locate())) for one in files or () if one.name == wanted.file)
    return next((place for place in places if place.is_file()), None)


def obtain(name: str, folder: str | Path | None = None, *, offline: bool = False) -> Path:
    """The path of a published file, downloaded when no local folder has it.

    Args:
        name: short name in the registry, e.g. `"psp"`.
        folder: looked into before the cache; never written to.
        offline: never touch the network.

    Raises:
        SuiteError: offline and absent (says what to put where), or no address served the right bytes.
    """
    local = find(name, folder)
    if local:
        return local
    wanted = entry(name)
    target = cache_folder() / wanted.file
    by_hand = f"get {wanted.file} from {wanted.page} and put it at {target}"
    if wanted.package:
        raise SuiteError(f"{name}: {wanted.what} is not installed; pip install {wanted.package}")
    if offline:
        raise SuiteError(f"--offline: {wanted.what} is not here; {by_hand}, or give its folder with --weights")
    why = ""
    for url in wanted.urls:
        try:
            return fetch(url, target, wanted)
        except SuiteError as error:
            why = f"{error}; "
    raise SuiteError(f"{why}{by_hand}")


def fetch(url: str, target: Path, wanted: Published, allow: Iterable[str] = ()) -> Path:
    """Download `url` to `target`, going on from an earlier cut; the name appears only when size and digest are right.

    Args:
        allow: `host:port` pairs that need not be public, nor https.

    Raises:
        SuiteError: an address (or a redirect's) that is not public, the server's refusal, a web page instead of a file,
            a cut connection (run again to go on), or a wrong digest (what was fetched is thrown away).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".download")
    try:
        with _alone(target):
            _receive(url, part, wanted, NetGuard(allow))
    except AddressRefused as error:
        again = error.reason in ("network", "timeout")
        fix = "run the same command again to go on" if again else "only public addresses are fetched from, by https"
        raise SuiteError(f"{wanted.file}: {error.detail}; {fix}") from None
    except (requests.RequestException, OSError) as error:
        raise SuiteError(f"{wanted.file}: {_reason(error)}; run the same command again to go on") from None
    digest = sha256_file(part)
    kept = target.with_name(target.name + ".sha256")
    known = wanted.sha256 or (kept.read_text().split()[0] if kept.exists() else "")
    if not digest.startswith(known):
        part.unlink()
        raise SuiteError(
            f"{wanted.file}: {url} sent SHA-256 {digest[:16]}..., {known[:16]}... is expected; thrown away"
        )
    with part.open("rb") as done:
        os.fsync(done.fileno())
    write_whole(kept, f"{digest}  {target.name}\n")
    part.replace(target)
    return target


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Two processes that append to one partial download would spoil it: the second is told to wait."""
    with target.with_name(target.name + ".lock").open("w") as lock:
        if not portable.lock(lock.fileno()):
            raise OSError("another process is fetching it now")
        yield


def _receive(url: str, part: Path, wanted: Published, guard: NetGuard) -> None:
    have = part.stat().st_size if part.exists() else 0
    # A compressed transfer would make Range count other bytes than the file's.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with (
        guarded_session(guard) as session,
        session.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer,
    ):
        if answer.status_code == 416:
            if _total(answer) == have:
                return
            part.unlink()
            raise SuiteError(f"{wanted.file}: the partial download does not fit {url} and was thrown away; run again")
        if answer.status_code not in (200, 206):
            raise SuiteError(f"{wanted.file}: {url} answered {answer.status_code}")
        if "text/html" in answer.headers.get("Content-Type", ""):
            raise SuiteError(f"{wanted.file}: {url} sent a web page, not the file (quota or confirmation)")
        go_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        start = have if go_on else 0
        length = int(answer.headers.get("Content-Length", 0))
        total = start + length if length else wanted.size
        with part.open("ab" if go_on else "wb") as out, progress(what=wanted.file, total=total, unit="B") as bar:
            bar.update(start)
            for block in answer.iter_content(_BLOCK):
                out.write(block)
                bar.update(len(block))
            size = out.tell()
    if total and size != total:
        raise OSError(f"the connection was cut after {size} of {total} bytes")


def _total(answer: requests.Response) -> int:
    tail = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(tail) if tail.isdigit() else -1


def _reason(error: Exception) -> str:
    return str(error).split("(Caused by")[0].strip()[:160] or type(error).__name__
