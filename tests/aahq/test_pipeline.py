"""The way through: what is kept and dropped, resuming after kill -9 at any event, one writer, the same bytes twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_build
import pandas as pd
import pytest
from killed_build import SIZE, files_of

from aahq.ledger import Ledger
from aahq.pipeline import RUN, STAGES, open_build, run_all
from suite.errors import SuiteError


def drive(out: Path, source: Path, stage: str, at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", killed_build.__file__, "once", str(out), str(source), stage, str(at)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def states(out: Path) -> dict[str, tuple[str, str]]:
    with Ledger(out) as ledger:
        rows = ledger.rows(
            "SELECT p.key, coalesce(f.state, p.state) AS state, coalesce(f.reason, p.reason) AS reason "
            "FROM pictures p LEFT JOIN faces f ON f.picture = p.id"
        )
        return {row["key"]: (row["state"], row["reason"]) for row in rows}


def test_every_picture_ends_kept_or_with_its_reason(built: Path) -> None:
    found = states(built)
    cluster = ["p0.png", "q_copy.png", "q_mirror.png"]
    assert sorted(found[key][0] for key in cluster) == ["duplicate", "duplicate", "kept"]
    assert all(found[f"p{n}.png"] == ("kept", "") for n in range(1, 6))
    assert found["r_slope.png"] == ("rejected", "no_face")
    assert found["s_cut.png"][1] in ("truncated", "corrupt")
    assert found["t_text.jpg"] == ("rejected", "not_an_image")
    manifest = pd.read_parquet(built / "release" / "manifest.parquet")
    rejects = pd.read_parquet(built / "release" / "rejects.parquet")
    assert len(manifest) == 6
    assert sorted(rejects["reason"]) == sorted(reason for state, reason in found.values() if state != "kept")


def test_the_same_ledger_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / "release")
    with open_build(tmp_path / "again", workers=1) as build:
        all_stats = run_all(build)
    assert [stats.stage for stats in all_stats] == list(STAGES)
    assert all(stats.rows == 0 for stats in all_stats[:4]), "nothing is done twice"
    assert files_of(tmp_path / "again" / "release") == files_of(built / "release")


@pytest.mark.slow
def test_workers_do_not_change_the_release(built: Path, painted_folder: Path, tmp_path: Path) -> None:
    ask = {"source": "folder", "target": str(painted_folder)}
    with open_build(tmp_path / "two", source=ask, release={"size": SIZE}, workers=2, create=True) as build:
        run_all(build)
    assert files_of(tmp_path / "two" / "release") == files_of(built / "release")


@pytest.mark.slow
def test_killed_before_an_event_and_resumed_gives_the_same_bytes(
    built: Path, painted_folder: Path, tmp_path: Path
) -> None:
    """While fetching, then while aligning; the long fault suite kills everywhere."""
    out = tmp_path / "out"
    for stage, at in (("crawl", 5), ("align", 3)):
        killed = drive(out, painted_folder, stage, at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        with Ledger(out) as ledger:
            assert ledger.one("PRAGMA integrity_check") == "ok"
            for file in [row["file"] for row in ledger.rows("SELECT file FROM faces WHERE file IS NOT NULL")]:
                assert (out / file).is_file(), "a row points only to files that are whole"
    done = drive(out, painted_folder, "", 0)
    assert done.returncode == 0, done.stderr
    assert not list(out.rglob("*.part")), "nothing half-written is left"
    assert files_of(out / "release") == files_of(built / "release")


@pytest.mark.slow
def test_a_killed_pool_leaves_no_worker_and_resumes(built: Path, painted_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ask = ["-m", "aahq", "build", str(out), "--source", "folder", str(painted_folder), "--size", str(SIZE)]
    for seconds in (2.0, 4.0):
        process = subprocess.Popen(
            [sys.executable, *ask, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        process.kill()
        process.wait()
        until = time.monotonic() + 20
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
            time.sleep(0.1)
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "workers end with their build"
    subprocess.run([sys.executable, *ask, "--workers", "2", "--json"], check=True, capture_output=True)
    assert files_of(out / "release") == files_of(built / "release")


def test_two_builds_on_one_folder_are_refused_and_a_dead_ones_lock_is_not(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "out")
    (tmp_path / "out" / "build.lock").write_text("1\n")
    with (
        open_build(tmp_path / "out", workers=1),
        pytest.raises(SuiteError, match=f"process {os.getpid()} is working on it"),
        open_build(tmp_path / "out", workers=1),
    ):
        pass
    with open_build(tmp_path / "out", workers=1):
        pass


def test_an_opted_out_row_stops_the_release_until_the_crawl_has_dropped_it(built: Path, tmp_path: Path) -> None:
    from aahq import pipeline

    out = tmp_path / "out"
    shutil.copytree(built, out)
    manifest = pd.read_parquet(out / "release" / "manifest.parquet")
    row = manifest.iloc[0]
    (tmp_path / "optouts.txt").write_text(f"sha256: {row['source_pixel_sha256']}\n")
    with open_build(out, policy={"optouts": str(tmp_path / "optouts.txt")}, workers=1) as build:
        with pytest.raises(SuiteError, match="opted out") as refused:
            pipeline.release(build)
        assert refused.value.exit_code == 1
        run_all(build)
    after = pd.read_parquet(out / "release" / "manifest.parquet")
    assert row["id"] not in set(after["id"])
    # Its whole cluster holds the same face, but only this file was named: a copy stands in where there is one.
    assert len(after) in (len(manifest), len(manifest) - 1)
    rejects = pd.read_parquet(out / "release" / "rejects.parquet")
    assert not {row["id"], row["key"]} & {*rejects["id"], *rejects["key"]}


def test_a_release_of_unfinished_stages_is_refused(built: Path, tmp_path: Path) -> None:
    from aahq import pipeline

    out = tmp_path / "out"
    shutil.copytree(built, out)
    with open_build(out, workers=1) as build:
        build.ledger.db.execute("UPDATE faces SET state = 'aligned' WHERE id = (SELECT min(id) FROM faces)")
        with pytest.raises(SuiteError, match="aligned"):
            pipeline.release(build)


def test_size_of_a_begun_folder_cannot_change(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "out")
    with (
        pytest.raises(SuiteError, match=r"--size 128: .* begun with 64"),
        open_build(tmp_path / "out", release={"size": 128}, workers=1),
    ):
        pass


def test_quality_with_stricter_thresholds_and_back(built: Path, tmp_path: Path) -> None:
    """A second verdict over the same numbers gives the first again: nothing of the first is lost."""
    from aahq import pipeline

    shutil.copytree(built, tmp_path / "out")
    with open_build(tmp_path / "out", workers=1) as build:
        text = (Path(pipeline.__file__).parent / "quality.toml").read_text()
        strict = tmp_path / "strict.toml"
        strict.write_text(re.sub(r"(?m)^quad_side_min = .*$", "quad_side_min = 100000", text))
        assert pipeline.quality(build, strict).kept == 0
        pipeline.dedup(build)
        assert pipeline.quality(build, shipped=True).kept == 6
        pipeline.release(build)
    assert files_of(tmp_path / "out" / "release") == files_of(built / "release")


@pytest.mark.parametrize("harm", ["gone", "cut", "changed", "empty"])
def test_a_lost_face_is_cut_again_and_the_release_is_the_same(built: Path, tmp_path: Path, harm: str) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        face = out / ledger.one("SELECT file FROM faces WHERE state = 'kept' ORDER BY id")
    data = face.read_bytes()
    if harm == "gone":
        face.unlink()
    else:
        face.write_bytes({"cut": data[:100], "changed": data[:-20] + bytes(8) + data[-12:], "empty": b""}[harm])
    with open_build(out, workers=1) as build:
        RUN["release"](build)
    assert face.read_bytes() == data
    assert files_of(out / "release") == files_of(built / "release")
