"""What a folder was asked for holds until something else is said; what the disk lost is made again."""

from __future__ import annotations

import json
import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aahq import pipeline
from aahq.cli import main
from aahq.ledger import Ledger
from aahq.pipeline import open_build
from aahq.release.verify import verify
from suite.errors import SuiteError


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    """A build with one picture that may be handed on."""
    shutil.copytree(built, tmp_path / "out")
    with Ledger(tmp_path / "out") as ledger:
        ledger.db.execute("UPDATE pictures SET license = 'CC0-1.0' WHERE key = 'p3.png'")
    return tmp_path / "out"


def release(folder: Path, **asked: Any) -> dict[str, Any]:
    with open_build(folder, workers=1) as build:
        notes = pipeline.release(build, **asked).notes
    card: dict[str, Any] = json.loads((Path(notes["folder"]) / "release.json").read_text())
    assert (card["form"], card["public"]) == (notes["form"], notes["public"]), "what is said is what was done"
    return card


def test_a_public_release_stays_public_until_somebody_says_otherwise(out: Path, tmp_path: Path) -> None:
    assert release(out, public=True)["pictures"] == 1
    assert release(out)["pictures"] == 1
    with open_build(out, workers=1) as build:
        assert pipeline.run_all(build)[-1].notes["pictures"] == 1
    assert release(out, out=tmp_path / "other")["public"], "another place is as the last one was"
    assert release(out, public=False)["pictures"] == 6
    assert release(out)["pictures"] == 6
    assert release(out, out=tmp_path / "other")["public"], "each place has its own memory"


def test_the_form_and_the_shards_size_are_remembered(out: Path) -> None:
    asked = release(out, form="shards", shard_bytes=20000)
    again = release(out)
    assert (again["form"], again["shard_bytes"], again["manifest_sha256"]) == (
        "shards",
        20000,
        asked["manifest_sha256"],
    )
    assert release(out, form="links")["pictures"] == 0
    assert release(out)["pictures"] == 0


def test_a_folder_of_before_goes_by_its_release(out: Path) -> None:
    release(out, public=True, form="links")
    with Ledger(out) as ledger:
        ledger.db.execute("DELETE FROM meta WHERE name = 'layouts'")
    card = release(out)
    assert (card["form"], card["public"]) == ("links", True)


def test_the_curators_thresholds_judge_every_later_build(out: Path, tmp_path: Path) -> None:
    shipped = (resources.files("aahq") / "quality.toml").read_text()
    (tmp_path / "strict.toml").write_text(
        re.sub(r"(?m)^quad_side_min = .*$", "quad_side_min = 100000", shipped, count=1)
    )
    before = release(out)["thresholds_sha256"]
    with open_build(out, workers=1) as build:
        assert pipeline.quality(build, tmp_path / "strict.toml").kept == 0
    with open_build(out, workers=1) as build, pytest.raises(SuiteError, match="no face is kept"):
        pipeline.run_all(build)
    with open_build(out, workers=1) as build:
        pipeline.dedup(build)
        assert pipeline.quality(build, shipped=True).kept == 6
    assert release(out)["thresholds_sha256"] == before


def test_a_mistake_in_a_name_is_not_remembered(out: Path) -> None:
    with (
        pytest.raises(SuiteError, match="--name 'a/b': expected letters"),
        open_build(out, release={"name": "a/b"}, workers=1),
    ):
        pass
    assert release(out)["name"] == "aahq"


def test_a_picture_that_is_lost_with_its_face_is_fetched_again(out: Path) -> None:
    before = verify(out / "release").manifest_sha256
    with Ledger(out) as ledger:
        row = ledger.db.execute(
            "SELECT p.file AS picture, f.file FROM faces f JOIN pictures p ON p.id = f.picture WHERE f.state = 'kept'"
        ).fetchone()
    for name in row:
        (out / name).unlink()
    told = CliRunner().invoke(main, ["release", str(out)])
    assert told.exit_code == 1
    # The way out that it names, word for word.
    for command in (["crawl", str(out), "--retry"], ["build", str(out), "--workers", "1"]):
        assert f"aahq {command[0]} {out}" in told.stderr
        assert CliRunner().invoke(main, command).exit_code == 0
    assert verify(out / "release").ok
    assert verify(out / "release").manifest_sha256 != before, "only its licence was set for this test"


def test_pictures_that_are_whole_are_not_fetched_again(out: Path) -> None:
    with open_build(out, workers=1) as build:
        assert pipeline.crawl(build, retry=True).rows == 0
