"""A third-party method behind the `Method` interface, running in a process of its own.

It is given pictures and seeds and nothing else, may read Python, its own package and its weights, and may write to one folder
that goes with it. What of this the system enforces is known from `enforced`; no system here bounds
processor time of other processes, UDP, or the graphics card's memory.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import sysconfig
import tempfile
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from importlib import util
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from torch import Tensor

from benchmark.plugin import child
from benchmark.plugin.limits import Limits
from models.method import Face, Mode
from suite.errors import SuiteError
from suite.ownership import real
from suite.portable import end_session

CHILD = Path(child.__file__)
ROOT = CHILD.parents[2]
# Of this suite what a method may import.
OWN = ("benchmark", "baselines", "models", "ops", "suite")
SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/etc", "/proc", "/sys")
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/dri")
MOST_BYTES = 1 << 33


def package_folder(load: str) -> Path | None:
    """Where the top-level package of `module:factory` lies, found without importing it."""
    try:
        spec = util.find_spec(load.partition(":")[0].partition(".")[0])
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ())
    return Path(places[0]) if places else Path(spec.origin) if spec.origin else None


class PluginMethod:
    """A `Method` whose answers come from a process; it ends with this object.

    Attributes:
        pid: of the process.
        enforced: what the system holds it to: `memory`, `files`, `TCP`, `signals`.

    Args:
        label: its name in messages.
        load: `module:factory`.

    Raises:
        SuiteError: one line that says why there is no method: it does not load, dies, hangs, or is no method.
    """

    name: str
    modes: frozenset[Mode]
    face: Literal["image", "seed"]
    resolution: int

    def __init__(
        self,
        label: str,
        load: str,
        weights: Path | None,
        device: str,
        limits: Limits,
        options: Mapping[str, Any],
    ) -> None:
        self.label, self.limits = label, limits
        if os.name != "posix":
            raise SuiteError(
                f"{label}: a process of its own needs Linux or macOS; hand in pictures ('aahq-bench inputs')"
            )
        # Everything that it writes goes here, and goes with it.
        self.folder = tempfile.TemporaryDirectory(prefix="aahq-method-")
        self.log = Path(self.folder.name) / "log.txt"
        home = Path(self.folder.name) / "home"
        home.mkdir()
        package = package_folder(load)
        readable = [*SYSTEM, sys.prefix, sys.base_prefix, *_libraries(), *(str(ROOT / room) for room in OWN)]
        readable += [str(real(path)) for path in (package, weights, *limits.readable) if path is not None]
        setup = {
            "path": [place for place in sys.path if place],
            "load": load,
            "weights": None if weights is None else str(weights.resolve()),
            "device": device,
            "options": dict(options),
            "gigabytes": limits.gigabytes,
            "readable": readable,
            "writable": [str(home), *DEVICES, *map(str, Path("/dev").glob("nvidia*"))],
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-u", str(CHILD)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=home,
                env=_environment(home),
                start_new_session=True,
            )
        self.pid = self.process.pid
        self._end = weakref.finalize(self, _ended, self.process, self.folder)
        self._send(json.dumps(setup).encode())
        about = self._answer("loading")[0]["about"]
        if about["lacking"]:
            self._refuse(f"has no {about['lacking'][0]}; see models.method.Method")
        self.enforced = frozenset(about["held"])
        self.name, self.face = str(about["name"]), about["face"]
        self.modes = frozenset(about["modes"])
        self.resolution = int(about["resolution"])

    def close(self) -> None:
        """End the process and remove what it wrote."""
        self._end()

    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        """See `models.method.Method`."""
        return self._ask("latent", face, None, seeds)

    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        """See `models.method.Method`."""
        return self._ask("reference", face, style, seeds)

    def _ask(self, mode: Mode, face: Face, style: Tensor | None, seeds: Sequence[int]) -> Tensor:
        question = {"mode": mode, "seeds": list(seeds), "faces": None if face.seeds is None else list(face.seeds)}
        text = torch.frombuffer(bytearray(json.dumps(question).encode()), dtype=torch.uint8)
        tensors = {"told": text, "images": face.images, "style": style}
        # Copies: faces may be given as styles too, and a message holds each by itself.
        held = {name: one.detach().cpu().contiguous().clone() for name, one in tensors.items() if one is not None}
        self._send(save(held))
        pictures = self._answer("an answer")[1]
        if pictures is None:
            self._refuse("gave no pictures")
        return pictures

    def _send(self, message: bytes) -> None:
        assert self.process.stdin is not None
        handle, left = self.process.stdin.fileno(), memoryview(child.framed(message))
        until = time.monotonic() + self.limits.seconds
        os.set_blocking(handle, False)
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_WRITE)
            while left:
                if not selector.select(max(0.0, until - time.monotonic())):
                    self._refuse(f"takes no question within {self.limits.seconds:g} s; stopped")
                try:
                    left = left[os.write(handle, left) :]
                except OSError:
                    self._died()

    def _answer(self, what: str) -> tuple[dict[str, Any], Tensor | None]:
        until = time.monotonic() + self.limits.seconds
        length = int.from_bytes(self._read(child.LENGTH, until, what), "little")
        if length > MOST_BYTES:
            self._refuse(f"sends {length} bytes")
        message = self._read(length, until, what)
        try:
            reply = _json_of(message)
            pictures = load_tensors(message).get("pictures")
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            self._refuse(f"sends no answer that can be read ({' '.join(str(error).split())[:120]})")
        self._honest(reply.get("touched", ()), bool(reply.get("more")))
        if "error" in reply:
            raise SuiteError(f"{self.label}: {reply['error']}")
        return reply, pictures

    def _honest(self, touched: Iterable[str], more: bool) -> None:
        secret = [str(real(path)) for path in self.limits.secret]
        for path in touched:
            if any(path == one or path.startswith(one + os.sep) for one in secret):
                self._refuse(f"asks for {path}, which it was not given; refused")
        if more and secret:
            # Among so many a secret could hide.
            self._refuse(f"asks for more than {child.MOST_REPORTED} files that it was not given; refused")

    def _read(self, count: int, until: float, what: str) -> bytes:
        assert self.process.stdout is not None
        parts, left = [], count
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while left:
                if not selector.select(max(0.0, until - time.monotonic())):
                    self._refuse(f"no end of {what} within {self.limits.seconds:g} s; stopped")
                part = os.read(self.process.stdout.fileno(), min(left, 1 << 20))
                if not part:
                    self._died()
                parts.append(part)
                left -= len(part)
        return b"".join(parts)

    def _died(self) -> NoReturn:
        code = self.process.wait()
        words = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        last_words = f"; its last words: {words[-1][:200]}" if words else ""
        self._refuse(f"its process ended with {how}{last_words}")

    def _refuse(self, why: str) -> NoReturn:
        self.close()
        raise SuiteError(f"{self.label}: {why}")


def _json_of(message: bytes) -> dict[str, Any]:
    """The JSON in the head of a safetensors message."""
    end = 8 + int.from_bytes(message[:8], "little")
    reply: dict[str, Any] = json.loads(json.loads(message[8:end])["__metadata__"]["told"])
    return reply


def _ended(process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    if process.poll() is None:
        end_session(process)
    process.wait()
    folder.cleanup()


def _libraries() -> list[str]:
    return sorted(
        {
            path
            for path in (*sysconfig.get_paths().values(), *map(os.path.realpath, sys.path))
            if "site-packages" in path or "dist-packages" in path
        }
    )


def _environment(home: Path) -> dict[str, str]:
    """Of the parent only what a computation needs; homes and caches are in its own folder."""
    kept = (
        "PATH",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "OMP_NUM_THREADS",
        "OMP_WAIT_POLICY",
        "MKL_NUM_THREADS",
        "CUDA_VISIBLE_DEVICES",
    )
    places = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "CUDA_CACHE_PATH", "TRITON_CACHE_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | dict.fromkeys(places, str(home))
