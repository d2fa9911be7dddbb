"""A stranger's method in a process of its own: what it may touch, and one line when it hangs, dies, lies or breaks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from benchmark.leaderboard.check import examine
from benchmark.plugin import landlock
from benchmark.plugin.child import MOST_REPORTED, Touched
from benchmark.plugin.limits import Limits
from benchmark.plugin.process import PluginMethod, package_folder
from benchmark.run import methods
from benchmark.run.picture_cost import peak_bytes
from models.method import Face
from suite.errors import SuiteError

ROOT = Path(__file__).resolve().parents[3]
# Each of several processes imports PyTorch, which takes a minute and more on a busy machine.
pytestmark = pytest.mark.timeout(3600)
STRANGER = '''
"""Does what its option says."""
import os, signal, sys, time
import torch

class Stranger:
    name, modes, face, resolution = "Stranger", {"reference"}, "image", 8
    def __init__(self, what): self.what = what
    def from_latent(self, face, seeds): raise NotImplementedError
    def from_reference(self, face, style, seeds):
        what = self.what
        if what.startswith("read "):
            open(what[5:]).read()
        if what.startswith("quietly read "):
            try: open(what[13:]).read()
            except OSError: pass
        if what.startswith("many and "):
            for k in range(10_001):
                try: open(f"/tmp-nowhere/{k}").read()
                except OSError: pass
            try: open(what[9:]).read()
            except OSError: pass
        if what.startswith("write "):
            open(what[6:], "w").write("x")
        if what == "write at home":
            open("notes.txt", "w").write("x"); open(os.path.expanduser("~/notes.txt")).read()
        if what == "hang": time.sleep(600)
        if what == "die": print("the last words"); os._exit(3)
        if what == "kill": os.kill(os.getpid(), signal.SIGKILL)
        if what == "kill its parent": os.kill(os.getppid(), signal.SIGTERM)
        if what == "raise": raise RuntimeError("not today\\nnor tomorrow")
        if what == "memory": torch.ones(2_000_000_000)
        if what == "print": print("x" * 100_000)
        if what == "another thing": return "a picture"
        if what == "lie": os.write(3, b"no message at all"); os.write(4, b"no message at all")
        return (face.images + style) / 2

def load(weights, device, what="answer"):
    if what == "fail": raise ValueError("no weights, no answer")
    if what == "no method": return object()
    return Stranger(what)
'''


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site" / "stranger_method"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(STRANGER)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path


def opened(what: str, seconds: float = 3600, gigabytes: float = 8, **limits: object) -> PluginMethod:
    bounds = Limits(seconds, gigabytes, **limits)  # type: ignore[arg-type]
    return PluginMethod("Stranger", "stranger_method:load", None, "cpu", bounds, {"what": what})


def asked(method: PluginMethod, count: int = 2) -> torch.Tensor:
    faces = torch.linspace(-1, 1, count * 3 * 64).view(count, 3, 8, 8)
    return method.from_reference(Face(images=faces), -faces, list(range(count)))


@pytest.mark.slow
def test_it_answers_and_goes(stranger: Path) -> None:
    method = opened("print")
    assert (method.name, method.modes, method.face, method.resolution) == ("Stranger", {"reference"}, "image", 8)
    assert asked(method).shape == (2, 3, 8, 8)
    assert float(asked(method).abs().max()) == 0
    assert peak_bytes(lambda: asked(method), "cpu", str(method.pid)) is not None
    home, pid = Path(method.folder.name), method.pid
    method.close()
    assert not home.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("hang", "Stranger: no end of an answer within 2 s; stopped"),
        ("die", "Stranger: its process ended with exit code 3; its last words: the last words"),
        ("kill", "Stranger: its process ended with signal 9"),
        ("raise", "Stranger: RuntimeError: not today nor tomorrow"),
        ("memory", "Stranger: RuntimeError: .*memory"),
        ("another thing", "Stranger: TypeError: returned str; expected a tensor"),
    ],
)
def test_what_goes_wrong_is_one_line(stranger: Path, what: str, said: str) -> None:
    method = opened(what, gigabytes=4)
    if what == "hang":
        method.limits = Limits(2)
    with pytest.raises(SuiteError, match=said) as told:
        asked(method)
    assert "\n" not in str(told.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "what", "said"),
    [
        ("stranger_method:load", "fail", "ValueError: no weights, no answer"),
        ("stranger_method:load", "no method", "has no name"),
        ("stranger_method:nothing", "x", "AttributeError: .*nothing"),
        ("no_such_package:load", "x", "No module named 'no_such_package'"),
    ],
)
def test_what_does_not_load_is_one_line(stranger: Path, load: str, what: str, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        PluginMethod("Stranger", load, None, "cpu", Limits(3600), {"what": what})


@pytest.mark.slow
def test_what_it_was_not_given_is_not_read(stranger: Path) -> None:
    secret = stranger / "release" / "seed.txt"
    secret.parent.mkdir()
    secret.write_text("the hidden seed")
    with pytest.raises(SuiteError, match=r"asks for .*seed\.txt, which it was not given; refused"):
        asked(opened(f"quietly read {secret}", secret=(secret.parent,)))
    with pytest.raises(SuiteError, match=r"asks for more than 10000 files that it was not given; refused"):
        asked(opened(f"many and {secret}", secret=(secret.parent,)))
    link = stranger / "site" / "stranger_method" / "data"
    link.symlink_to(secret.parent)
    with pytest.raises(SuiteError, match="which it was not given"):
        asked(opened(f"quietly read {link}/seed.txt", secret=(secret.parent,)))
    if not landlock.version():
        pytest.skip("no Landlock here: reading is noticed, not prevented")
    # Nobody has named it a secret: it is shut off all the same.
    with pytest.raises(SuiteError, match="PermissionError"):
        asked(opened(f"read {secret}"))
    assert asked(opened(f"read {secret}", readable=(secret.parent,))).shape == (2, 3, 8, 8)


@pytest.mark.slow
@pytest.mark.skipif(not landlock.version(), reason="no Landlock here: nothing holds a method to its folder")
def test_it_writes_to_its_own_folder_alone(stranger: Path) -> None:
    outside = stranger / "written.txt"
    with pytest.raises(SuiteError, match="PermissionError"):
        asked(opened(f"write {outside}"))
    assert not outside.exists()
    assert asked(opened("write at home")).shape == (2, 3, 8, 8)
    if "signals" in (method := opened("kill its parent")).enforced:
        with pytest.raises(SuiteError, match="PermissionError"):
            asked(method)


@pytest.mark.slow
def test_a_repository_with_models_and_ops_of_its_own_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    import models
    import ops

    monkeypatch.syspath_prepend(str(ROOT / "examples" / "published_repository" / "src"))
    found = methods.known() | {"PublishedRepository": "published_repository.method:load"}
    monkeypatch.setattr("benchmark.run.methods.known", lambda: found)
    method = methods.load("PublishedRepository")
    broken = [f"{finding.clause}: {finding.why}" for finding in examine(method) if not finding.holds]
    assert broken == []
    # Here the names are the suite's, before and after.
    assert Path(models.__file__ or "").parent == ROOT / "models"
    assert Path(ops.__file__ or "").parent == ROOT / "ops"


def test_every_question_tells_its_own_files_and_that_there_were_more(tmp_path: Path) -> None:
    touched = Touched([str(tmp_path / "given")])
    for name in ("given/a", "b", "b", "given"):
        touched("open", (str(tmp_path / name), "r", 0))
    touched("open", (b"/c", "r", 0))
    touched("open", (7, "r", 0))
    touched("socket.connect", ("/d",))
    assert touched.taken() == {"touched": [str(tmp_path / "b"), "/c"], "more": False}
    assert touched.taken() == {"touched": [], "more": False}
    for number in range(MOST_REPORTED):
        touched("os.listdir", (f"/{number}",))
    assert not touched.taken()["more"]
    for number in range(MOST_REPORTED + 5):
        touched("os.scandir", (f"/{number}",))
    found = touched.taken()
    assert (len(found["touched"]), found["more"]) == (MOST_REPORTED, True)


def test_a_package_is_found_without_importing_it(stranger: Path) -> None:
    import sys

    assert package_folder("stranger_method:load") == stranger / "site" / "stranger_method"
    assert "stranger_method" not in sys.modules
    assert package_folder("no_such_package.inner:load") is None


def test_where_there_is_no_landlock_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert landlock.version() == 0
    assert landlock.restrict(["/"], []) == []
