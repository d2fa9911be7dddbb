"""Random foreign trees around, inside and behind links, and a model of the build: after every command of any sequence

- every foreign byte and link is where a person put it,
- the ledger has exactly the rows that must be there, and OUT the pictures and faces of those rows,
- every release that the build wrote has exactly the rows that are kept, and is whole; what was taken out, or opted out, is in
  none of them, also not in one that was away meanwhile; a copy loses nothing else by `sync`,
- a command that refuses has changed none of that.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image

from aahq.cli import main
from aahq.ledger import Ledger
from aahq.own import FACES, PICTURES, content_files
from aahq.release.own import foreign_files
from aahq.release.tables import read_rows
from aahq.release.verify import verify

# Where a person may keep something: around the build, in it, in its releases, in a copy, in a folder of their own.
PLACES = (
    *("", "out", "out/pictures", "out/pictures/ab", "out/faces", "out/faces/cd/deep", "out/review/tiles", "out/mine"),
    *("out/release", "out/release/images", "out/release/images/ab", "out/release/shards", "out/.release.smaller"),
    *("public", "public/images", "copy/images/zz", "website", "website/images", "website/shards", "rebuilt", "painted"),
)
NAMES = (
    *("mine.jpg", "a.png", ".film.mkv.part", ".mine.jpg.abcdefgh.part", "ab", "x.tar"),
    *("notes.txt", "\u00e9 #1.psd", "zz-00.png"),
)
# Names that a release has: in a folder that is none they are somebody else's.
IN_WEBSITE = ("manifest.parquet", "release.json", "SHA256SUMS", "DATASHEET.md", "images", ".unfinished.txt")
KINDS = ("file", "link to a file", "link to a folder", "link to nothing")
KEYS = (
    "p0.png",
    "p1.png",
    "p2.png",
    "p3.png",
    "p4.png",
    "p5.png",
    "q_copy.png",
    "q_mirror.png",
    "new.png",
    "never.png",
)
# Known to the build; the last lies behind a link.
RELEASES = ("out/release", "public", "linked")
FORMS = ("", "--form folder", "--form shards", "--form links", "--not-public")
# What leaves ledger, releases and copies as they are.
OTHERS = (
    *("report out", "report out --out website/report.html", "cards out --out website", "style-map out --out map.png"),
    *("quality out", "verify out", "lookup out --artist x", "why out p1.png", "crawl out --retry"),
    *("release out --out website", "release out --out copy", "build painted --source folder source --workers 1"),
    *("rebuild out out --folder source --workers 1", "portraits painted --count 1 --size 32 --workers 1"),
    *("portraits copy --count 1 --size 32 --workers 1", "gallery --truth source/p1.png --count 1"),
    *("align-picture source/r_slope.png -o website --size 64", "survival out/tombstones.json website/table.csv"),
    *("demo source", "sync copy --from painted", "remove out --sha256 {zero}", "remove out --artist nobody"),
)


@cache
def new_picture() -> bytes:
    """A face that is like none of the fixture's."""
    from aahq.painted.portraits.paint import paint
    from aahq.painted.portraits.styles import style_seed

    out = io.BytesIO()
    Image.fromarray(paint(102, style_seed("gouache", 9), 256).rgb).save(out, "PNG")
    return out.getvalue()


def manifest_keys(place: Path) -> set[str]:
    return {row["key"] for row in read_rows(place / "manifest.parquet", ("key",))}


class Build(RuleBasedStateMachine):
    """A build, its releases, a copy, a person's files, and what must be of them."""

    built: ClassVar[Path]
    painted: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.before = os.getcwd()
        self.root = Path(tempfile.mkdtemp(prefix="foreign-"))
        os.chdir(self.root)
        self.foreign: dict[Path, bytes | str] = {}
        self.trees = 0
        self.log: list[str] = []

    def teardown(self) -> None:
        os.chdir(self.before)
        shutil.rmtree(self.root)

    @initialize()
    def begin(self) -> None:
        shutil.copytree(self.built, "out")
        shutil.copytree(self.painted, "source")
        Path("big-disk").mkdir()
        Path("linked").symlink_to(self.root / "big-disk")
        with Ledger(Path("out")) as ledger:
            # The folder of the fixture is everybody's: the pictures lie here now.
            ledger.put("ask", {"source": "folder", "target": str(self.root / "source")})
            for table, column in (("pictures", "candidate"), ("pictures", "image_url"), ("cursors", "query")):
                moved = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                ledger.db.execute(moved, (str(self.painted), str(self.root / "source")))
            self.rows = {row["key"] for row in ledger.rows("SELECT key FROM pictures")}
            kept = "SELECT p.key FROM faces f JOIN pictures p ON p.id = f.picture WHERE f.state = 'kept'"
            self.kept = {row["key"] for row in ledger.rows(kept)}
            query = "SELECT p.key, f.sha256, f.cluster FROM faces f JOIN pictures p ON p.id = f.picture"
            found = list(ledger.rows(query))
        self.digests = {row["key"]: row["sha256"] for row in found}
        self.cluster = {
            row["key"]: {other["key"] for other in found if other["cluster"] == row["cluster"]} for row in found
        }
        self.opted_out: set[str] = set()
        self.removed: set[str] = set()
        self.releases = {"out/release": set(self.kept)}
        self.away: set[str] | None = None
        self.copy: set[str] | None = None
        self.rebuilt: set[str] | None = None
        for path in Path("source").iterdir():
            self.foreign[self.root / path] = path.read_bytes()

    def aahq(self, command: str) -> bool:
        """Run a command; whether it did what it was asked for."""
        self.log.append(command)
        done = CliRunner().invoke(main, command.split())
        assert done.exception is None or isinstance(done.exception, SystemExit), (self.log, done.exception)
        assert done.exit_code in (0, 1, 2, 75), (self.log, done.stderr)
        self.log[-1] += f"  -> {done.exit_code} {done.stderr.strip()[-200:]}"
        return done.exit_code == 0

    def gone(self, keys: set[str]) -> None:
        """Keys that no release of the build has any more; the one that is away is made right when it is back."""
        self.kept -= keys
        for held in self.releases.values():
            held -= keys

    # What a person does beside the build.

    @rule(place=st.sampled_from(PLACES), name=st.sampled_from(NAMES + IN_WEBSITE), kind=st.sampled_from(KINDS))
    def plant(self, place: str, name: str, kind: str) -> None:
        """Something of the person's own, where nothing is yet."""
        path = self.root / place / name
        theirs = place == "website" or place.startswith("website/")
        # A name of a release in a release's folder is the release's: nobody can tell.
        if (not theirs and name in IN_WEBSITE) or os.path.lexists(path):
            return
        if any(os.path.lexists(at) and not at.is_dir() for at in path.parents):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self.trees += 1
        store = self.root / "elsewhere" / str(self.trees)
        (store / "images").mkdir(parents=True)
        only = store / "images" / "only-copy.jpg"
        only.write_bytes(b"behind a link %d" % self.trees)
        self.foreign[only] = only.read_bytes()
        self.log.append(f"[{kind}: {place}/{name}]")
        if kind == "file":
            path.write_bytes(b"my only copy %d" % self.trees)
            self.foreign[path] = path.read_bytes()
        else:
            targets = {"link to a file": only, "link to a folder": store, "link to nothing": store / "none"}
            path.symlink_to(targets[kind])
            self.foreign[path] = str(targets[kind])

    @rule()
    def tidy_up(self) -> None:
        """The person moves everything of their own out of what the suite writes."""
        for path in [path for path in self.foreign if not path.is_relative_to(self.root / "source")]:
            if not path.is_relative_to(self.root / "elsewhere"):
                path.unlink()
                del self.foreign[path]
        self.log.append("[tidied up]")

    @precondition(lambda self: "public" in self.releases and self.away is None)
    @rule()
    def public_moves_away(self) -> None:
        os.rename("public", "elsewhere-public")
        self.away = self.releases.pop("public")
        self.move_foreign("public", "elsewhere-public")

    @precondition(lambda self: self.away is not None and not os.path.lexists("public"))
    @rule()
    def public_is_back(self) -> None:
        """The next command that works in the folder takes out of it what was taken out meanwhile."""
        os.rename("elsewhere-public", "public")
        self.move_foreign("elsewhere-public", "public")
        held, self.away = self.away or set(), None
        self.aahq("quality out")
        if held - self.kept and not any(foreign_files(Path("public"))):
            held &= self.kept
        # With a file of the person's own in it, it waits.
        self.releases["public"] = held if manifest_keys(Path("public")) == held else held & self.kept

    def move_foreign(self, old: str, new: str) -> None:
        moved = {
            p: self.root / new / p.relative_to(self.root / old) for p in self.foreign if self.root / old in p.parents
        }
        self.foreign = {moved.get(path, path): what for path, what in self.foreign.items()}

    @precondition(lambda self: self.copy is None and not os.path.lexists("copy"))
    @rule()
    def copy_the_release(self) -> None:
        if not any(foreign_files(Path("out/release"))):
            shutil.copytree("out/release", "copy")
            self.copy = set(self.releases["out/release"])
            self.log.append("[copied]")

    # What the suite does.

    @rule(key=st.sampled_from(KEYS))
    def remove(self, key: str) -> None:
        if self.aahq(f"remove out --picture {key}"):
            gone = self.cluster.get(key, {key}) if key in self.rows and key not in self.opted_out else {key}
            self.removed |= gone
            self.rows -= gone
            self.gone(gone)

    @rule(key=st.sampled_from(("p4.png", "p5.png")))
    def opt_out(self, key: str) -> None:
        """Whoever opts out later goes from everything that the build wrote; the row stays, so that it is known."""
        listed = self.root / "elsewhere-list.txt"
        digest = hashlib.sha256((self.root / "source" / key).read_bytes()).hexdigest()
        with listed.open("a") as file:
            file.write(f"sha256: {digest}\n")
        asked = {name for name in ("p4.png", "p5.png") if self.is_listed(name)}
        if self.aahq(f"crawl out --again --opt-outs {listed}"):
            self.opted_out |= asked & self.rows
            self.gone(asked)
        self.take_new()

    def is_listed(self, key: str) -> bool:
        digest = hashlib.sha256((self.root / "source" / key).read_bytes()).hexdigest()
        return digest in (self.root / "elsewhere-list.txt").read_text()

    @rule()
    def add_a_picture(self) -> None:
        path = self.root / "source" / "new.png"
        if not path.exists():
            path.write_bytes(new_picture())
            self.foreign[path] = path.read_bytes()

    @rule(command=st.sampled_from(("build out --workers 1", "crawl out --again")))
    def build(self, command: str) -> None:
        done = self.aahq(command)
        self.take_new()
        if done:
            assert "new.png" in self.rows | self.removed or not Path("source/new.png").exists(), self.log
        if done and command.startswith("build"):
            assert "new.png" in self.kept or "new.png" not in self.rows, self.log
            self.releases["out/release"] = set(self.kept)

    def take_new(self) -> None:
        """A picture that was added, unless it was taken out before it came; a refused build may have come some way with it."""
        query = "SELECT f.sha256, f.state FROM pictures p LEFT JOIN faces f ON f.picture = p.id WHERE p.key = 'new.png'"
        with Ledger(Path("out")) as ledger:
            found = ledger.db.execute(query).fetchone()
        if found is not None:
            assert "new.png" not in self.removed, self.log
            self.rows.add("new.png")
            if found["state"] == "kept":
                self.kept.add("new.png")
                self.digests["new.png"] = found["sha256"]

    @rule(place=st.sampled_from(RELEASES), form=st.sampled_from(FORMS))
    def release(self, place: str, form: str) -> None:
        where = "" if place == "out/release" else f"--out {place}"
        if place == "public" and self.away is not None:
            return
        if self.aahq(f"release out {where} {form}"):
            self.releases[place] = set(self.kept)

    @precondition(lambda self: self.copy is not None)
    @rule(source=st.sampled_from(("out/tombstones.json", "out/release", "public", "linked")))
    def sync(self, source: str) -> None:
        before = set(self.copy or ())
        if not self.aahq(f"sync copy --from {source}"):
            return
        self.copy = manifest_keys(Path("copy"))
        assert self.copy <= before, self.log
        assert before - self.copy <= self.removed | self.opted_out, self.log
        if source.endswith(".json"):
            assert not self.copy & self.removed, self.log

    @precondition(lambda self: self.copy and self.rebuilt is None)
    @rule()
    def rebuild(self) -> None:
        if self.aahq("rebuild copy rebuilt --folder source --workers 1"):
            self.rebuilt = set(self.copy or ())

    @rule(command=st.sampled_from(OTHERS))
    def anything_else(self, command: str) -> None:
        self.aahq(command.format(zero="0" * 64))
        if command.startswith("crawl"):
            # A local folder is listed again by every crawl.
            self.take_new()

    # What must be.

    @invariant()
    def every_foreign_byte_is_there(self) -> None:
        for path, what in self.foreign.items():
            assert os.path.lexists(path), (path, self.log)
            assert (os.readlink(path) if path.is_symlink() else path.read_bytes()) == what, (path, self.log)

    @invariant()
    def the_ledger_has_its_rows_and_their_files(self) -> None:
        out = Path("out")
        if not out.is_dir():
            return
        with Ledger(out) as ledger:
            assert {row["key"] for row in ledger.rows("SELECT key FROM pictures")} == self.rows, self.log
            for kind in (PICTURES, FACES):
                named = {row["file"] for row in ledger.rows(f"SELECT file FROM {kind} WHERE file IS NOT NULL")}
                there = {path.relative_to(out).as_posix() for path in content_files(out, kind)}
                assert there == named, self.log

    @invariant()
    def each_release_has_what_is_kept(self) -> None:
        if not Path("out").is_dir():
            return
        for place, keys in self.releases.items():
            assert manifest_keys(Path(place)) == keys, (place, self.log)
            told = verify(Path(place))
            assert not told.counts["missing"], (place, told, self.log)
            assert not told.counts["changed"], (place, told, self.log)
        for place, held in (("elsewhere-public", self.away), ("copy", self.copy), ("rebuilt/release", self.rebuilt)):
            if held is not None:
                assert manifest_keys(Path(place)) == held, (place, self.log)

    @invariant()
    def nothing_that_went_lies_about(self) -> None:
        if not Path("out").is_dir():
            return
        went = {self.digests[key] for key in self.removed | self.opted_out if key in self.digests}
        places = [Path("out/faces"), *map(Path, self.releases)]
        for path in (path for place in places for path in place.rglob("*.png") if path.is_file()):
            assert hashlib.sha256(path.read_bytes()).hexdigest() not in went, (path, self.log)


@pytest.fixture
def machine(built: Path, painted_folder: Path) -> type[Build]:
    """`Build` over the session's build and its pictures."""
    return type("Build", (Build,), {"built": built, "painted": painted_folder})


QUIET = (HealthCheck.too_slow, HealthCheck.filter_too_much)


def test_any_sequence_of_commands(machine: type[Build]) -> None:
    few = settings(max_examples=3, stateful_step_count=8, deadline=None, suppress_health_check=QUIET)
    run_state_machine_as_test(machine, settings=few)


@pytest.mark.slow
def test_any_sequence_of_commands_at_length(machine: type[Build]) -> None:
    many = settings(max_examples=40, stateful_step_count=15, deadline=None, suppress_health_check=QUIET)
    run_state_machine_as_test(machine, settings=many)


@pytest.mark.parametrize("place", ["out/release/images/ab", "public/images", "out/release"])
def test_a_takedown_says_what_is_in_its_way(machine: type[Build], place: str) -> None:
    """A foreign file in a release keeps the release from being rewritten; moved away, the same command takes down."""
    state = machine()
    try:
        state.begin()
        state.release("public", "")
        state.plant(place, "mine.jpg", "file")
        state.remove("p1.png")
        assert "p1.png" in state.rows
        assert "mine.jpg is not part of the release" in state.log[-1]
        state.tidy_up()
        state.remove("p1.png")
        assert "p1.png" not in state.rows
        state.every_foreign_byte_is_there()
        state.each_release_has_what_is_kept()
        state.nothing_that_went_lies_about()
    finally:
        state.teardown()
