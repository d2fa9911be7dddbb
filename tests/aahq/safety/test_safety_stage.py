"""The safety stage over a whole build: who is refused, what is kept, what the cards say, and what a release demands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tiny_classifiers import onnx_model, table

from aahq import pipeline
from aahq.cli import main
from aahq.images.hashes import phash64, phash_hex
from aahq.ledger import Ledger
from aahq.pipeline import open_build
from aahq.release.verify import verify
from aahq.safety import classifier
from aahq.safety.screens import KNOWN
from aahq.stages import safety


def aahq(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def limit(painted_folder: Path) -> tuple[float, set[str]]:
    """A limit on mean red, and the kept pictures at or above it: some, not all."""
    red = {
        path.name: float(np.asarray(Image.open(path).convert("RGB"))[..., 0].mean() / 255 - 0.5)
        for path in painted_folder.glob("p*.png")
    }
    middle = sorted(red.values())[len(red) // 2]
    # The model sees the picture at 224 px.
    value = (middle + max(score for score in red.values() if score < middle)) / 2
    return value, {name for name, score in red.items() if score > value}


def screens(folder: Path, *tables: str) -> Path:
    path = folder / "screens.toml"
    path.write_text("\n".join(tables))
    return path


def rejected(out: Path, reason: str) -> set[str]:
    with Ledger(out) as ledger:
        query = (
            "SELECT p.key FROM faces f JOIN pictures p ON p.id = f.picture WHERE f.reason = ? AND f.stage = 'safety'"
        )
        return {row["key"] for row in ledger.rows(query, (reason,))}


def build_again(out: Path) -> None:
    with open_build(out, workers=1) as build:
        for stage in pipeline.STAGES[4:]:
            pipeline.RUN[stage](build)


def keys(root: Path) -> set[str]:
    return set(pd.read_parquet(root / "manifest.parquet")["key"])


def test_a_classifier_refuses_and_the_cards_say_so(out: Path, limit: tuple[float, set[str]], tmp_path: Path) -> None:
    value, high = limit
    file = screens(tmp_path, table("nsfw", onnx_model(tmp_path / "m.onnx"), reject=value))
    before = keys(out / "release")
    done = aahq("safety", out, "--screens", file, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert high <= rejected(out, "unsafe")
    build_again(out)
    assert keys(out / "release") == before - rejected(out, "unsafe")
    rejects = pd.read_parquet(out / "release" / "rejects.parquet")
    assert rejects[rejects["reason"] == "unsafe"]["detail"].str.fullmatch(rf"nsfw \S+ >= {value:g}").all()
    card = json.loads((out / "release" / "release.json").read_text())
    assert card["screens"]["nsfw"]["not_run"] == 0
    text = json.loads((out / "release" / "croissant.json").read_text())["rai:dataPreprocessingProtocol"]
    page = (out / "release" / "DATASHEET.md").read_text()
    for name in KNOWN:
        told = next(line for line in text if line.startswith(f"screen {name}: "))
        assert told.startswith(f"screen {name}: {'on: looked at the whole picture' if name == 'nsfw' else 'off'}")
        assert f"| {name.replace('_', chr(92) + '_')} |" in page
    assert "off: nobody looked for it" in page
    why = aahq("why", out, next(iter(high)))
    assert "unsafe" in why.stdout
    assert "nsfw" in why.stdout


def test_what_was_looked_at_is_not_looked_at_again_and_another_limit_needs_no_model(
    out: Path, limit: tuple[float, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, _ = limit
    model = onnx_model(tmp_path / "m.onnx")
    looked: list[int] = []
    score = classifier.Classifier.score
    monkeypatch.setattr(
        classifier.Classifier,
        "score",
        lambda self, rgb: looked.append(len(rgb)) or score(self, rgb),  # type: ignore[func-returns-value]
    )
    safety._opened.cache_clear()
    aahq("safety", out, "--screens", screens(tmp_path, table("nsfw", model, reject=value)), "--workers", 1)
    # One grey picture when it is chosen, one when it is loaded for the work.
    pictures = len(looked) - 2
    assert pictures == 8, "six portraits, a copy and a mirror image"
    aahq("safety", out, "--workers", 1)
    assert len(looked) == pictures + 2
    assert (
        aahq("safety", out, "--screens", screens(tmp_path, table("nsfw", model, reject=9.0)), "--workers", 1).exit_code
        == 0
    )
    assert len(looked) == pictures + 3, "a grey one"
    assert rejected(out, "unsafe") == set(), "back again"
    build_again(out)
    with Ledger(out) as ledger:
        assert ledger.count("faces", "kept") == 6


def test_rows_that_come_later_are_looked_at(out: Path, limit: tuple[float, set[str]], tmp_path: Path) -> None:
    value, high = limit
    late = min(high)
    file = screens(tmp_path, table("nsfw", onnx_model(tmp_path / "m.onnx"), reject=value, on="face", size=64))
    with Ledger(out) as ledger:
        face = ledger.one("SELECT f.id FROM faces f JOIN pictures p ON p.id = f.picture WHERE p.key = ?", (late,))
        ledger.update("faces", face, state="found", file=None, sha256=None, pixel_sha256=None, cluster=None)
    aahq("safety", out, "--screens", file, "--workers", 1)
    with Ledger(out) as ledger:
        assert ledger.one("SELECT count(*) FROM screen_scores WHERE id = ?", (face,)) == 0
    with open_build(out, workers=1) as build:
        pipeline.align(build)
        pipeline.safety(build)
    with Ledger(out) as ledger:
        assert ledger.one("SELECT count(*) FROM screen_scores WHERE id = ?", (face,)) == 1
        # Cut anew with other pixels, it is another face.
        ledger.update("faces", face, state="aligned", stage="", reason="", pixel_sha256="0" * 64)
    with open_build(out, workers=1) as build:
        pipeline.safety(build)
    with Ledger(out) as ledger:
        assert ledger.one("SELECT pixel_sha256 FROM screen_scores WHERE id = ?", (face,)) == "0" * 64


def test_a_release_that_a_required_screen_did_not_look_at_is_refused(out: Path, tmp_path: Path) -> None:
    before = verify(out / "release").manifest_sha256
    off = aahq("release", out, "--require", "nsfw")
    assert off.exit_code == 1
    assert "--require nsfw: that screen is off; turn it on" in off.stderr
    assert "did you mean 'nsfw'?" in aahq("release", out, "--require", "nsfv").stderr
    file = screens(tmp_path, table("nsfw", onnx_model(tmp_path / "m.onnx"), reject=9.0))
    aahq("safety", out, "--screens", file, "--workers", 1)
    assert aahq("release", out, "--require", "nsfw").exit_code == 0
    with Ledger(out) as ledger:
        kept = [row["id"] for row in ledger.rows("SELECT id FROM faces WHERE state = 'kept' ORDER BY id")]
        ledger.db.execute("DELETE FROM screen_scores WHERE id = ?", (kept[2].rpartition("-")[0],))
    # OUT remembers what its release demands.
    refused = aahq("release", out)
    assert refused.exit_code == 1
    assert f"--require nsfw: it did not look at 1 faces ({kept[2]}); run 'aahq safety {out}'" in refused.stderr
    assert verify(out / "release").ok, "what was there is there"
    assert before
    assert aahq("safety", out, "--workers", 1).exit_code == 0
    assert aahq("release", out).exit_code == 0


def test_what_a_list_names_is_gone_from_disk_releases_and_tables(
    out: Path, painted_folder: Path, tmp_path: Path
) -> None:
    rgb = np.asarray(Image.open(painted_folder / "p0.png").convert("RGB"))
    (tmp_path / "list.txt").write_text(phash_hex(phash64(rgb)) + "\n")
    with open_build(out, workers=1) as build:
        pipeline.release(build, out=tmp_path / "public")
    with Ledger(out) as ledger:
        rows = list(ledger.rows("SELECT id, file FROM pictures WHERE key IN ('p0.png', 'q_copy.png', 'q_mirror.png')"))
    assert len(rows) == 3
    file = screens(tmp_path, table("illegal", tmp_path / "list.txt", algorithm="phash", distance=4))
    done = aahq("safety", out, "--screens", file, "--workers", 1)
    assert done.exit_code == 0, done.output
    assert not [row["file"] for row in rows if (out / row["file"]).exists()]
    with Ledger(out) as ledger:
        assert {
            row["reason"]
            for row in ledger.rows("SELECT reason FROM pictures WHERE id IN (?, ?, ?)", [r["id"] for r in rows])
        } == {"listed"}
    build_again(out)
    for root in (out / "release", tmp_path / "public"):
        assert verify(root).ok
        assert not {"p0.png", "q_copy.png", "q_mirror.png"} & keys(root)
        rejects = pd.read_parquet(root / "rejects.parquet")
        assert not {"p0.png", "q_copy.png", "q_mirror.png"} & set(rejects["key"])
        assert not rejects["reason"].isin(["listed"]).any()
    # Another list does not bring it back.
    assert aahq("safety", out, "--no-screens", "--workers", 1).exit_code == 0
    build_again(out)
    assert not {"p0.png", "q_copy.png", "q_mirror.png"} & keys(out / "release")


def test_a_model_that_is_gone_stops_before_anything_changes(out: Path, tmp_path: Path) -> None:
    model = onnx_model(tmp_path / "m.onnx")
    file = screens(tmp_path, table("nsfw", model, reject=0.0))
    model.write_bytes(b"other")
    refused = aahq("safety", out, "--screens", file)
    assert refused.exit_code == 2
    assert "its SHA-256 is" in refused.stderr
    assert aahq("safety", out, "--screens", file, "--no-screens").exit_code == 2
    with Ledger(out) as ledger:
        assert ledger.get("screens") is None


def test_a_release_of_before_says_that_nobody_knows(out: Path) -> None:
    from aahq.release.cards.screens import screen_sentences

    assert set(screen_sentences({}).values()) == {"not known: this release keeps no record of it"}
