"""`aahq why`: every row's way is told as the ledger has it, by any of its names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from aahq.cli import main
from aahq.ledger import Ledger
from aahq.quality import load_thresholds
from aahq.reasons import REASONS
from aahq.review.log import Decision, DecisionLog
from aahq.why import FACE_STAGES, PICTURE_STAGES, explain
from suite.errors import SuiteError


def why(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["why", *(str(word) for word in words)])
    return done.exit_code, done.stdout, done.stderr


def test_every_row_is_explained_as_the_ledger_has_it(built: Path) -> None:
    with Ledger(built) as ledger:
        pictures = ledger.db.execute("SELECT * FROM pictures").fetchall()
        faces = ledger.db.execute("SELECT * FROM faces").fetchall()
        assert {row["state"] for row in faces} >= {"kept", "duplicate"}
        assert "rejected" in {row["state"] for row in pictures}
        for row in pictures:
            (history,) = explain(ledger, row["id"])
            last = history.steps[-1]
            assert (last.outcome == "dropped") == (row["state"] == "rejected")
            if last.outcome == "dropped":
                assert (last.stage, last.reason, last.detail) == (row["stage"], row["reason"], row["detail"])
                assert [step.stage for step in history.steps] == [*PICTURE_STAGES[: len(history.steps)]]
            assert [face.id for face in history.faces] == [f["id"] for f in faces if f["picture"] == row["id"]]
        for row in faces:
            ((_, steps),) = [(f.id, f.steps) for h in explain(ledger, row["id"]) for f in h.faces]
            dropped = [step for step in steps if step.outcome == "dropped"]
            assert bool(dropped) == (row["state"] != "kept")
            assert all((step.reason, step.detail) == (row["reason"], row["detail"]) for step in dropped)
            if row["state"] == "kept":
                assert [step.stage for step in steps if step.outcome == "passed"] == ["faces", *FACE_STAGES, "release"]
                assert steps[-1].facts["release"] == str((built / "release").absolute())


def test_a_work_is_found_by_any_of_its_names(built: Path) -> None:
    with Ledger(built) as ledger:
        row = ledger.db.execute("SELECT * FROM pictures WHERE key = 'p0.png'").fetchone()
        for key in (row["id"], row["key"], row["response_sha256"], row["pixel_sha256"].upper()):
            assert row["id"] in [history.id for history in explain(ledger, key)], key
        # A work's key names all its pictures, and no other whose key begins with the same letters.
        with ledger.transaction():
            ledger.update("pictures", row["id"], key="work/1")
        assert [history.id for history in explain(ledger, "work")] == [row["id"]]
        assert [history.id for history in explain(ledger, "work/")] == [row["id"]]
        with pytest.raises(SuiteError, match="no picture, work or face"):
            explain(ledger, "wor")
        with ledger.transaction():
            ledger.update("pictures", row["id"], key="p0.png")


def test_text_says_reason_meaning_number_and_evidence(built: Path) -> None:
    code, text, _ = why(built, "q_copy.png")
    assert code == 0
    assert REASONS["duplicate"].text in text
    assert "of " in text
    assert "local folder: chosen by the person" in text
    code, text, _ = why(built, "s_cut.png")
    assert f"screen   dropped  truncated ({REASONS['truncated'].text})" in text
    code, text, _ = why(built, "p2.png", "--json")
    quality = next(s for s in json.loads(text)["pictures"][0]["faces"][0]["steps"] if s["stage"] == "quality")
    assert quality["facts"]["quad_side"] > 0
    assert quality["facts"]["limits"]["reject sharpness_min"] == load_thresholds().reject["sharpness_min"]


def test_nothing_of_that_name_is_one_line_and_exit_code_1(built: Path) -> None:
    code, out, error = why(built, "nobody.png")
    assert (code, out) == (1, "")
    assert "KEY nobody.png: no picture, work or face" in error


def test_what_waits_is_said_to_wait_and_people_are_heard(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        row = ledger.db.execute("SELECT id, picture FROM faces WHERE state = 'kept' ORDER BY id LIMIT 1").fetchone()
        log = DecisionLog(out)
        log.append([Decision(act="drop", nonce="a" * 12, reviewer="ada", id=row["id"], reason="text")])
        log.close()
        with ledger.transaction():
            ledger.update("faces", row["id"], state="aligned", stage="")
            slope = ledger.one("SELECT id FROM pictures WHERE key = 'r_slope.png'")
            ledger.reject("pictures", slope, "screen", "fault", "x", "Trace\nOops: 7")
        steps = explain(ledger, row["id"])[0].faces[0].steps
        assert [(step.stage, step.outcome) for step in steps] == [
            ("faces", "passed"),
            ("align", "passed"),
            ("safety", "waiting"),
            ("review", "dropped"),
        ]
        assert steps[-1].detail == "drop text"
        assert steps[-1].facts["reviewer"] == "ada"
        assert explain(ledger, "r_slope.png")[0].steps[-1].traceback.endswith("Oops: 7")
    assert "Oops: 7 (--json shows the whole traceback)" in why(out, "r_slope.png")[1]


def test_a_release_that_is_a_link_to_itself_is_passed(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out, ignore=shutil.ignore_patterns("release"))
    (out / "release").symlink_to("release")
    with Ledger(out) as ledger:
        key = ledger.one("SELECT key FROM pictures WHERE state != 'rejected'")
    code, told, _ = why(out, key)
    assert (code, key in told) == (0, True)
