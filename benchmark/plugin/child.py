"""The process in which a third-party method runs. It is started by its file's name and imports nothing of this suite, so that a
package which brings a `models` or `ops` of its own gets its own.

Messages both ways are eight bytes of length, little end first, and a safetensors file whose metadata holds one JSON text.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

LENGTH = 8
MOST_REPORTED = 10_000


@dataclass(frozen=True)
class Face:
    """What methods are given; as `models.method.Face`."""

    images: Any = None
    seeds: Any = None

    def __len__(self) -> int:
        return len(self.images) if self.images is not None else len(self.seeds or ())


class Touched:
    """Which files the method asked for outside of what it may read. Python's own hook: code of other languages is not seen."""

    def __init__(self, allowed: list[str]) -> None:
        self.allowed = tuple(os.path.join(os.path.realpath(path), "") for path in allowed)
        self.files: dict[str, None] = {}

    def taken(self) -> dict[str, Any]:
        """What was asked for since this was called last, and whether there was more than is reported."""
        # Exchanged in one step: a thread of the method may ask for files meanwhile.
        found, self.files = self.files, {}
        reported = list(found)[:MOST_REPORTED]
        return {"touched": reported, "more": len(found) > len(reported)}

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        # One more than is reported shows that there were more.
        if event not in ("open", "os.listdir", "os.scandir") or len(self.files) > MOST_REPORTED:
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, str):
            real = os.path.realpath(path)
            if not os.path.join(real, "").startswith(self.allowed):
                self.files[real] = None


def receive(source: BinaryIO) -> bytes | None:
    """One message; None at the end."""
    head = source.read(LENGTH)
    if len(head) < LENGTH:
        return None
    return source.read(int.from_bytes(head, "little"))


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return len(message).to_bytes(LENGTH, "little") + message


def limit(gigabytes: float) -> list[str]:
    """Bound the memory that this process may write to, and leave no core file; returns what is enforced."""
    try:
        import resource
    except ImportError:
        return []
    most = int(gigabytes * 1e9)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    except (OSError, ValueError):
        return []
    # Elsewhere the bound is taken and not kept.
    return ["memory"] if sys.platform == "linux" else []


def words(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def main() -> None:
    # What the method prints goes to the other's log: the way back is nobody's but ours.
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.close(0)
    setup = json.loads(receive(source) or b"{}")
    sys.path[:] = setup["path"]
    held = limit(setup["gigabytes"]) if setup["device"] == "cpu" else []
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    import landlock

    sys.path.remove(here)
    held += landlock.restrict(setup["readable"], setup["writable"])
    touched = Touched([*setup["readable"], *setup["writable"]])
    sys.addaudithook(touched)
    serve(source, target, setup, held, touched)


def serve(source: BinaryIO, target: BinaryIO, setup: dict[str, Any], held: list[str], touched: Touched) -> None:
    """Load the method, say what it is, then answer until there are no more questions."""
    import torch
    from safetensors.torch import load, save

    def reply(fields: dict[str, Any], picture: Any = None) -> None:
        tensors = {} if picture is None else {"pictures": picture}
        # Each answer tells its own: what loading asked for takes no place from what a question does.
        fields |= touched.taken()
        target.write(framed(save(tensors or {"none": torch.zeros(0)}, {"told": json.dumps(fields)})))
        target.flush()

    def pictures(answer: Any) -> Any:
        if not isinstance(answer, torch.Tensor):
            raise TypeError(f"returned {type(answer).__name__}; expected a tensor")
        return answer.detach().cpu().contiguous()

    try:
        import importlib
        from pathlib import Path

        module, _, name = setup["load"].partition(":")
        factory = getattr(importlib.import_module(module), name)
        weights = None if setup["weights"] is None else Path(setup["weights"])
        method = factory(weights=weights, device=setup["device"], **setup["options"])
        about = {key: getattr(method, key) for key in ("name", "face", "resolution") if hasattr(method, key)}
        lacking = [
            key
            for key in ("name", "modes", "face", "resolution", "from_latent", "from_reference")
            if not hasattr(method, key)
        ]
        reply({"about": about | {"modes": sorted(getattr(method, "modes", ())), "lacking": lacking, "held": held}})
    except BaseException as error:
        reply({"error": words(error)})
        return
    while (message := receive(source)) is not None:
        tensors = load(message)
        question = json.loads(bytes(tensors.pop("told").numpy().tobytes()).decode())
        try:
            with torch.inference_mode():
                images = tensors.get("images")
                face = Face(
                    None if images is None else images.to(setup["device"]),
                    question["faces"] and tuple(question["faces"]),
                )
                if question["mode"] == "latent":
                    answer = method.from_latent(face, question["seeds"])
                else:
                    answer = method.from_reference(face, tensors["style"].to(setup["device"]), question["seeds"])
                reply({}, pictures(answer))
        except BaseException as error:
            reply({"error": words(error)})


if __name__ == "__main__":
    main()
