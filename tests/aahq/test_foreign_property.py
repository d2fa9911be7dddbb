"""Random foreign trees around, inside and behind links; after any sequence of commands every foreign byte is there.

Beside it a model of take-downs: what a command said it removed is in no release that the folder knows.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from aahq.cli import main
from aahq.ledger import Ledger

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

foreign = st.lists(
    st.tuples(st.sampled_from(PLACES), st.sampled_from(NAMES + IN_WEBSITE), st.sampled_from(KINDS)),
    min_size=1,
    max_size=6,
)
COMMANDS = (
    "release out",
    "release out --out public",
    "release out --out public --form shards",
    "release out --out website",
    "release out --out linked",
    "release out --form links",
    "release out --form folder --not-public",
    "remove out --picture p1.png",
    "remove out --picture p2.png",
    "remove out --sha256 {zero}",
    "report out",
    "report out --out website/report.html",
    "cards out --out website",
    "sync copy --from out/tombstones.json",
    "sync copy --from out/release",
    "sync copy --from public",
    "crawl out --again",
    "quality out",
    "verify out",
    "lookup out --artist x",
    "rebuild copy rebuilt --folder source --workers 1",
    "rebuild out out --folder source --workers 1",
    "portraits painted --count 1 --size 32 --workers 1",
)
commands = st.lists(st.sampled_from(COMMANDS), min_size=2, max_size=6)


def plant(root: Path, trees: list[tuple[str, str, str]]) -> dict[Path, bytes | str]:
    """Put the person's things where nothing is yet; returns path -> bytes or link target."""
    kept: dict[Path, bytes | str] = {}
    for number, (place, name, kind) in enumerate(trees):
        path = root / place / name
        own_place = place != "website" and not place.startswith("website/")
        # A name of a release in a release's folder is the release's: nobody can tell.
        if (own_place and name in IN_WEBSITE) or any(
            os.path.lexists(at) and not at.is_dir() for at in (path, *path.parents)
        ):
            continue
        if os.path.lexists(path):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        store = root / "elsewhere" / str(number)
        (store / "images").mkdir(parents=True)
        (store / "images" / "only-copy.jpg").write_bytes(b"behind a link %d" % number)
        kept[store / "images" / "only-copy.jpg"] = b"behind a link %d" % number
        if kind == "file":
            path.write_bytes(b"my only copy %d" % number)
            kept[path] = b"my only copy %d" % number
        else:
            target = {"link to a file": store / "images" / "only-copy.jpg", "link to a folder": store}.get(
                kind, store / "none"
            )
            path.symlink_to(target)
            kept[path] = str(target)
    return kept


def check(kept: dict[Path, bytes | str], after: str) -> None:
    for path, what in kept.items():
        assert os.path.lexists(path), f"{path} is gone after {after}"
        found = os.readlink(path) if path.is_symlink() else path.read_bytes()
        assert found == what, f"{path} has changed after {after}"


def faces_of(out: Path, key: str) -> set[str]:
    with Ledger(out) as ledger:
        query = "SELECT f.sha256 FROM faces f JOIN pictures p ON p.id = f.picture WHERE p.key = ?"
        return {row["sha256"] for row in ledger.rows(query, (key,))}


def digests(*folders: Path) -> set[str]:
    """Of every PNG that lies in a folder; those in shards are looked for by `check_shards`."""
    files = (path for folder in folders if folder.is_dir() for path in folder.rglob("*.png") if path.is_file())
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(built: Path, painted_folder: Path, trees: list[tuple[str, str, str]], sequence: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        shutil.copytree(built, root / "out")
        shutil.copytree(built / "release", root / "copy")
        shutil.copytree(painted_folder, root / "source")
        (root / "big-disk").mkdir()
        (root / "linked").symlink_to(root / "big-disk")
        with Ledger(root / "out") as ledger:
            # The folder of the fixture is everybody's.
            ledger.put("ask", {"source": "folder", "target": str(root / "source")})
        kept = plant(root, trees)
        kept |= {path: path.read_bytes() for path in (root / "source").iterdir()}
        gone: set[str] = set()
        here = os.getcwd()
        os.chdir(root)
        try:
            for number, command in enumerate(sequence):
                words = command.format(zero="0" * 64).split()
                going = faces_of(root / "out", words[-1]) if words[:3] == ["remove", "out", "--picture"] else set()
                done = CliRunner().invoke(main, words)
                assert done.exception is None or isinstance(done.exception, SystemExit), (command, done.exception)
                assert done.exit_code in (0, 1, 2, 75), (command, done.stderr)
                check(kept, f"{sequence[: number + 1]}: {done.stderr[-300:]}")
                if done.exit_code == 0:
                    gone |= going
                assert not gone & digests(
                    root / "out" / "release", root / "out" / "faces", root / "public", root / "big-disk"
                )
        finally:
            os.chdir(here)


@settings(max_examples=4, deadline=None)
@given(trees=foreign, sequence=commands)
def test_every_foreign_byte_is_there(built: Path, painted_folder: Path, trees: list, sequence: list) -> None:  # type: ignore[type-arg]
    run(built, painted_folder, trees, sequence)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(trees=foreign, sequence=commands)
def test_every_foreign_byte_is_there_at_length(built: Path, painted_folder: Path, trees: list, sequence: list) -> None:  # type: ignore[type-arg]
    run(built, painted_folder, trees, sequence)


@pytest.mark.parametrize("place", ["out/release/images/ab", "public/images", "out/release"])
def test_a_takedown_says_what_is_in_its_way(built: Path, painted_folder: Path, place: str) -> None:
    """A foreign file in a release keeps the release from being rewritten; moved away, the same command takes down."""
    run(
        built,
        painted_folder,
        [(place, "mine.jpg", "file")],
        ["release out --out public", "remove out --picture p1.png"],
    )
