"""Decisions in the ledger and the release: they hold, they survive a new build, and an undone one leaves no trace."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aahq import pipeline
from aahq.faces.align import align
from aahq.images import decode
from aahq.ledger import Ledger, face_id
from aahq.release.store import decode_png
from aahq.review.catalog import Catalog
from aahq.review.log import Decision, DecisionLog

SIZE = 64
names = (f"nonce{n:05}" for n in itertools.count())
FIVE = ((90.0, 100.0), (170.0, 104.0), (130.0, 140.0), (100.0, 180.0), (162.0, 184.0))


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "out")
    return tmp_path / "out"


def decide(out: Path, id: str, act: str, who: str = "ann", **more: object) -> str:
    log = DecisionLog(out)
    reason = {"reason": "not_a_face"} if act == "drop" else {}
    line = Decision(act=act, nonce=next(names), reviewer=who, id=id, **{**reason, **more})  # type: ignore[arg-type]
    log.append([line])
    log.close()
    return line.nonce


def release(out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    with pipeline.open_build(out, workers=1) as build:
        pipeline.review(build)
        pipeline.release(build)
    tables = (pd.read_parquet(out / "release" / f"{name}.parquet").set_index("id") for name in ("manifest", "rejects"))
    return tuple(tables)  # type: ignore[return-value]


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All of a release but its version, which tells that there was another in between."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    card = json.loads(files["release.json"])
    told = {name: value for name, value in card.items() if name not in ("version", "follows")}
    versioned = ("SHA256SUMS", "DATASHEET.md", "croissant.json")
    return {
        **{name: data for name, data in files.items() if name not in versioned},
        "release.json": json.dumps(told).encode(),
    }


def id_of(out: Path, key: str) -> str:
    with Ledger(out) as ledger:
        return face_id(ledger.one("SELECT id FROM pictures WHERE key = ?", (key,)), 0)


def test_a_dropped_face_goes_out_and_comes_back_when_undone(built: Path, out: Path) -> None:
    id = id_of(out, "p2.png")
    nonce = decide(out, id, "drop")
    manifest, rejects = release(out)
    assert id not in manifest.index
    assert tuple(rejects.loc[id, ["stage", "reason"]]) == ("review", "reviewer")
    assert "ann" not in rejects.to_csv(), "a reviewer's name is not handed on"
    with pipeline.open_build(out, workers=1) as build:
        pipeline.run_all(build)
    again = pd.read_parquet(out / "release" / "manifest.parquet")
    assert id not in set(again["id"]), "a new build does what was decided"
    decide(out, id, "undo", undoes=nonce)
    release(out)
    assert bytes_of(out / "release") == bytes_of(built / "release")


def test_a_copy_of_a_dropped_face_does_not_take_its_place(out: Path) -> None:
    ids = {id_of(out, key) for key in ("p0.png", "q_copy.png", "q_mirror.png")}
    with Ledger(out) as ledger:
        keeper = next(id for id in ids if ledger.one("SELECT state FROM faces WHERE id = ?", (id,)) == "kept")
    decide(out, keeper, "drop")
    with pipeline.open_build(out, workers=1) as build:
        pipeline.run_all(build)
    assert not ids & set(pd.read_parquet(out / "release" / "manifest.parquet")["id"])


def test_a_copy_that_a_person_keeps_comes_in_in_the_same_split(out: Path) -> None:
    mirror = id_of(out, "q_mirror.png")
    decide(out, mirror, "keep")
    manifest, _ = release(out)
    assert mirror in manifest.index
    assert len(set(manifest[manifest["cluster"] == manifest.loc[mirror, "cluster"]]["split"])) == 1


def test_a_face_that_quality_refused_comes_in_and_its_stand_in_goes_back(out: Path, tmp_path: Path) -> None:
    ids = sorted(id_of(out, key) for key in ("p0.png", "q_copy.png", "q_mirror.png"))
    with Ledger(out) as ledger, ledger.transaction():
        scores = {id: json.loads(ledger.one("SELECT quality FROM faces WHERE id = ?", (id,))) for id in ids}
        keeper = next(id for id in ids if ledger.one("SELECT keeper FROM faces WHERE id = ?", (id,)))
        ledger.update("faces", keeper, quality=json.dumps({**scores[keeper], "brightness": 1.0}))
    with pipeline.open_build(out, workers=1) as build:
        pipeline.quality(build)
        assert build.ledger.one("SELECT reason FROM faces WHERE id = ?", (keeper,)) == "quality_exposure"
        (stand_in,) = (id for id in ids if build.ledger.one("SELECT state FROM faces WHERE id = ?", (id,)) == "kept")
    decide(out, keeper, "keep")
    manifest, rejects = release(out)
    assert keeper in manifest.index
    assert rejects.loc[stand_in, "reason"] == "duplicate"


def test_reviewers_who_disagree_keep_a_face_out_until_it_is_settled(out: Path) -> None:
    id = id_of(out, "p3.png")
    decide(out, id, "keep", "ann")
    decide(out, id, "drop", "ben")
    manifest, rejects = release(out)
    assert id not in manifest.index
    assert rejects.loc[id, "reason"] == "reviewers_disagree"
    decide(out, id, "keep", "cleo", settle=True)
    manifest, rejects = release(out)
    assert id in manifest.index
    assert id not in rejects.index


def test_a_face_that_no_detector_found_is_aligned_by_its_points(built: Path, out: Path, painted_folder: Path) -> None:
    id = id_of(out, "r_slope.png")
    (item,) = (one for one in Catalog.read(out).items if one.id == id)
    assert item.bucket == "no face"
    nonce = decide(out, id, "keep", points=FIVE)
    manifest, _ = release(out)
    row = manifest.loc[id]
    four = np.array(FIVE)[[0, 1, 3, 4]]
    assert row["detector"] == "person"
    assert json.loads(row["landmarks"]) == four.tolist()
    rgb = decode.canonical(painted_folder / "r_slope.png").rgb
    released = decode_png((out / "release" / row["file"]).read_bytes())
    assert np.array_equal(released, align(rgb, four, SIZE, 4 * SIZE))
    decide(out, id, "undo", undoes=nonce)
    release(out)
    assert bytes_of(out / "release") == bytes_of(built / "release")


def test_a_misplaced_face_is_cut_anew_and_back_again(built: Path, out: Path) -> None:
    id = id_of(out, "p4.png")
    first = decide(out, id, "keep", points=FIVE)
    manifest, _ = release(out)
    before = pd.read_parquet(built / "release" / "manifest.parquet").set_index("id")
    assert manifest.loc[id, "sha256"] != before.loc[id, "sha256"]
    moved = tuple((x + 5, y) for x, y in FIVE)
    second = decide(out, id, "keep", points=moved)
    assert json.loads(release(out)[0].loc[id, "landmarks"])[0] == [95.0, 100.0]
    decide(out, id, "undo", undoes=second)
    decide(out, id, "undo", undoes=first)
    release(out)
    assert bytes_of(out / "release") == bytes_of(built / "release")


def test_the_catalogue_shows_what_stages_said_not_what_people_did(out: Path) -> None:
    before = [(item.id, item.bucket, item.reason) for item in Catalog.read(out).items]
    decide(out, id_of(out, "p2.png"), "drop")
    release(out)
    assert [(item.id, item.bucket, item.reason) for item in Catalog.read(out).items] == before
