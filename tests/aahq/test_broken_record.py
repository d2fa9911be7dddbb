"""A record that is broken in one row ends no command on the others: reading, taking out, drawing, releasing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from aahq.cli import main
from aahq.ledger import Ledger
from aahq.release.tables import read_rows

# A column that holds JSON, and the picture whose row is broken there; `p2.png` is taken out, the copies of `p0.png` stay sound.
BROKEN = (
    ("pictures", "candidate", "p4.png"),
    ("pictures", "consent", "p5.png"),
    ("pictures", "notes", "p5.png"),
    ("faces", "landmarks", "p3.png"),
    ("faces", "box", "p3.png"),
    ("faces", "quality", "p1.png"),
)
JUNK = {"cut": '{"source": "fold', "another": "[1, 2]", "fields": '{"no": 1}', "empty": ""}
COMMANDS = (
    "style-map {out} --out {new}/map.png",
    "lookup {out} --artist nobody --url https://x.org/y --image {src}/p2.png",
    "why {out} p2.png",
    "report {out}",
    "quality {out}",
    "plan {out} --faces 10",
    "cards {out} --out {new}/cards",
    "release {out} --quota style=100",
    "release {out} --out {new}/linked --form links",
    "verify {out}",
    "crawl {out} --again --opt-outs {list}",
    "crawl {out} --retry",
    "remove {out} --picture p2.png",
    "remove {out} --artist nobody",
    "build {out} --workers 1 --opt-outs {list}",
)


@pytest.mark.parametrize("junk", JUNK)
def test_broken_records_end_no_command(built: Path, painted_folder: Path, tmp_path: Path, junk: str) -> None:
    out, listed = tmp_path / "out", tmp_path / "list.txt"
    shutil.copytree(built, out)
    listed.write_text("artist: somebody else\n")
    with Ledger(out) as ledger:
        for table, column, key in BROKEN:
            which = "key = ?" if table == "pictures" else "picture = (SELECT id FROM pictures WHERE key = ?)"
            ledger.db.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (JUNK[junk], key))
    places = {"out": out, "src": painted_folder, "new": tmp_path, "list": listed}
    wrong = {}
    for command in COMMANDS:
        done = CliRunner().invoke(main, [word.format(**places) for word in command.split()])
        if done.exit_code != 0:
            wrong[command] = f"{done.exit_code} {done.exception!r} {done.stderr[-300:]}"
    assert not wrong
    names = {row["key"] for row in read_rows(out / "release" / "manifest.parquet", ("key",))}
    assert names & {"p0.png", "q_copy.png", "q_mirror.png"}
    assert "p2.png" not in names


def test_a_broken_record_is_judged_by_its_columns(built: Path, tmp_path: Path) -> None:
    """Whoever opted out, or asks to be taken out, is not kept because a record is damaged."""
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        ledger.db.execute("UPDATE pictures SET candidate = '', artist = 'Jane' WHERE key IN ('p3.png', 'p4.png')")
        ledger.db.execute("UPDATE pictures SET page_url = 'https://x.org/4' WHERE key = 'p4.png'")
    (tmp_path / "list.txt").write_text("url: https://x.org/4\n")
    assert CliRunner().invoke(main, ["crawl", str(out), "--opt-outs", str(tmp_path / "list.txt")]).exit_code == 0
    with Ledger(out) as ledger:
        state = "SELECT state, reason FROM pictures WHERE key = 'p4.png'"
        assert tuple(ledger.db.execute(state).fetchone()) == ("rejected", "opted_out")
    done = CliRunner().invoke(main, ["remove", str(out), "--artist", "JANE"])
    assert done.exit_code == 0, done.stderr
    assert {row["key"] for row in read_rows(out / "release" / "manifest.parquet", ("key",))} == {
        "p1.png", "p2.png", "p5.png", "q_mirror.png",
    }  # fmt: skip
