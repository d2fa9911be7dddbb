"""Nothing that is somebody else's is deleted, renamed or overwritten, whatever lies around, inside and behind links."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from aahq.cli import main
from aahq.ledger import LEDGER
from aahq.own import is_report


def snapshot(folder: Path, but: tuple[Path, ...] = ()) -> dict[str, bytes]:
    """Every file and link under a folder, behind no link: relative path -> bytes or target."""
    out = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if Path(place, name) not in but]
        for name in (*files, *(name for name in folders if os.path.islink(os.path.join(place, name)))):
            path = Path(place, name)
            if path not in but:
                out[path.relative_to(folder).as_posix()] = (
                    os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
                )
    return out


def aahq(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert len(done.stderr.strip().splitlines()) <= 1 or done.exit_code == 0, done.stderr
    return done.exit_code, done.stderr


# A file of the person's own, and what is refused because of it. {t} is the test's folder, {out} a build, {src} its pictures.
REFUSED = {
    "a project with its own pictures": ("pictures/2019/1.jpg", "build {t} --source folder {src}"),
    "a project with its own faces": ("faces/refs/notes.psd", "build {t} --source folder {src}"),
    "a project with its own release": ("release/images/v1.psd", "build {t} --source folder {src}"),
    "a release that looks like one": ("release/manifest.parquet", "build {t} --source folder {src}"),
    "a page of one's own": ("report.html", "build {t} --source folder {src}"),
    "a review of one's own": ("review/thesis.md", "crawl {t} --source folder {src}"),
    "a lock of another program": ("build.lock", "crawl {t} --source folder {src}"),
    "a folder in the report's place": ("report.html/x", "crawl {t} --source folder {src}"),
    "a downloaded release in the build's place": ("release/release.json", "build {t} --source folder {src}"),
    "a website with images": ("images/logo.png", "release {out} --out {t}"),
    "shards of one's own": ("shards/mine.tar", "release {out} --out {t} --form shards"),
    "checksums of one's own": ("SHA256SUMS", "release {out} --out {t} --form links"),
    "portraits over a folder": ("images/me.jpg", "portraits {t} --count 2 --size 32 --workers 1"),
    "rebuild into a folder": ("release/images/me.jpg", "rebuild {out} {t} --folder {src}"),
    "a report over a page": ("page.html", "report {out} --out {t}/page.html"),
    "cards over a datasheet": ("DATASHEET.md", "cards {out} --out {t}"),
    "a map over a picture": ("map.png", "style-map {out} --out {t}/map.png"),
    "an aligned face over a picture": ("p0.png", "align-picture {src}/p0.png -o {t}"),
    "a truth over notes": ("notes.json", "gallery --truth {t}/notes.json --count 1"),
    "survival over a table": ("table.csv", "survival {list} {t}/table.csv"),
    "a demo over a thesis": ("thesis.txt", "demo {t}"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_foreign_file_in_the_way_is_refused_before_any_work(
    built: Path, painted_folder: Path, tmp_path: Path, case: str
) -> None:
    name, command = REFUSED[case]
    target, listed = tmp_path / "t", tmp_path / "list.json"
    (target / name).parent.mkdir(parents=True)
    (target / name).write_bytes(b"my only copy")
    listed.write_text("[]")
    before = snapshot(target)
    out = tmp_path / "out"
    shutil.copytree(built, out)
    built_before = snapshot(out / "release")
    places = {"t": target, "out": out, "src": painted_folder, "list": listed}
    code, said = aahq(*(word.format(**places) for word in command.split()))
    assert code == 2, said
    assert said.startswith("error: "), said
    assert snapshot(target) == before
    assert snapshot(out / "release") == built_before


@pytest.mark.parametrize("how", ["same", "inside", "around", "behind a link", "the pictures themselves"])
def test_what_is_read_is_never_written_over(built: Path, painted_folder: Path, tmp_path: Path, how: str) -> None:
    got = tmp_path / "downloaded" / "release"
    shutil.copytree(built / "release", got)
    (tmp_path / "link").symlink_to(tmp_path / "downloaded")
    source = tmp_path / "source"
    shutil.copytree(painted_folder, source)
    before, pictures = snapshot(got), snapshot(source)
    out, folder = {
        "same": (tmp_path / "downloaded", source),
        "inside": (got, source),
        "around": (got / "images" / "new", source),
        "behind a link": (tmp_path / "link", source),
        "the pictures themselves": (source.parent / "new", source.parent / "new" / "pictures"),
    }[how]
    if how == "the pictures themselves":
        shutil.copytree(source, folder)
    code, said = aahq("rebuild", got, out, "--folder", folder, "--workers", 1)
    assert code == 2, said
    assert snapshot(got) == before
    assert snapshot(source) == pictures


def test_a_database_of_another_program_is_not_opened_as_a_ledger(painted_folder: Path, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / LEDGER) as db:
        db.execute("CREATE TABLE accounts (name TEXT, euros INTEGER)")
        db.execute("INSERT INTO accounts VALUES ('rent', 900)")
    db.close()
    before = snapshot(tmp_path)
    for words in (
        ("build", tmp_path, "--source", "folder", painted_folder),
        ("remove", tmp_path, "--artist", "x"),
        ("lookup", tmp_path, "--artist", "x"),
        ("report", tmp_path),
        ("demo", tmp_path),
    ):
        code, said = aahq(*words)
        assert code == 2, words
        assert "another program" in said, words
    assert snapshot(tmp_path) == before


def test_a_demo_over_a_demo_takes_only_its_own(built: Path, tmp_path: Path) -> None:
    from aahq.demo import _clear
    from aahq.ledger import Ledger

    out = tmp_path / "demo"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        ledger.put("demo", True)
    (out / "pictures" / "ab").mkdir(exist_ok=True)
    for name in (
        "pictures/ab/mine.jpg",
        "pictures/mine.jpg",
        "faces/mine.psd",
        "notes.txt",
        "pictures/ab/.film.mkv.part",
    ):
        (out / name).write_bytes(b"mine")
    _clear(out)
    left = snapshot(out)
    assert [name for name, data in left.items() if data == b"mine"] == [
        "notes.txt", "pictures/mine.jpg", "pictures/ab/.film.mkv.part", "pictures/ab/mine.jpg", "faces/mine.psd",
    ]  # fmt: skip
    assert not [name for name in left if name.startswith(("release", LEDGER))]


def test_the_commands_own_results_are_written_over(built: Path, painted_folder: Path, tmp_path: Path) -> None:
    """What a command wrote once it writes again."""
    out = tmp_path / "out"
    shutil.copytree(built, out)
    for _ in range(2):
        for words in (
            ("report", out, "--out", tmp_path / "page.html"),
            ("report", out),
            ("cards", out, "--out", tmp_path / "cards"),
            ("release", out, "--out", tmp_path / "public"),
        ):
            code, said = aahq(*words)
            assert code == 0, said
    assert is_report(out / "report.html")
    digest = hashlib.sha256((tmp_path / "cards" / "DATASHEET.md").read_bytes()).hexdigest()
    assert digest == hashlib.sha256((tmp_path / "public" / "DATASHEET.md").read_bytes()).hexdigest()


def test_pictures_of_this_command_are_known_by_their_mark(tmp_path: Path) -> None:
    from suite.ownership import is_png_of, png_mark

    picture = Image.new("RGB", (8, 8))
    picture.save(tmp_path / "ours.png", pnginfo=png_mark("aahq style-map"))
    picture.save(tmp_path / "mine.png")
    (tmp_path / "empty.png").touch()
    ours = is_png_of("aahq style-map")
    assert [ours(tmp_path / name) for name in ("ours.png", "mine.png", "empty.png")] == [True, False, True]
    assert not is_png_of("aahq align-picture")(tmp_path / "ours.png")


@pytest.mark.parametrize(
    "command",
    [
        "release {out} --out {got}",
        "portraits {got} --count 1 --size 32 --workers 1",
        "build {downloaded} --source folder {src}",
        "rebuild {out} {downloaded} --folder {src}",
    ],
)
def test_a_downloaded_release_is_nobodys_to_write_over(
    built: Path, painted_folder: Path, tmp_path: Path, command: str
) -> None:
    """It is of this program's making, and no build or painter here could make it again."""
    places = {"out": tmp_path / "out", "downloaded": tmp_path / "downloaded", "src": painted_folder}
    places["got"] = places["downloaded"] / "release"
    shutil.copytree(built, places["out"])
    shutil.copytree(built / "release", places["got"])
    before = snapshot(places["downloaded"])
    code, said = aahq(*(word.format(**places) for word in command.split()))
    assert code == 2, said
    assert snapshot(places["downloaded"]) == before


@pytest.mark.parametrize(
    "place", ["out", "out/pictures/x", "out/release/x", "out/faces", "out/review/x", "link/pictures/x", "."]
)
def test_a_release_lies_in_nothing_that_the_build_keeps(built: Path, tmp_path: Path, place: str) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    (tmp_path / "link").symlink_to(out)
    before = {
        name: data for name, data in snapshot(tmp_path).items() if not name.startswith(("out/ledger", "out/build.lock"))
    }
    code, said = aahq("release", out, "--out", tmp_path / place)
    assert code == 2, said
    after = {
        name: data for name, data in snapshot(tmp_path).items() if not name.startswith(("out/ledger", "out/build.lock"))
    }
    assert after == before
