"""A curator's folder of 279 files builds: every file has its row, every row its end, and the release is whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import mixed_folder
import pytest

from aahq.ledger import Ledger
from aahq.pipeline import open_build, run_all
from aahq.reasons import REASONS
from aahq.release.verify import verify


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_file_of_a_mixed_folder_is_accounted_for(tmp_path: Path) -> None:
    from aahq.painted.portraits.paint import paint
    from aahq.painted.portraits.styles import style_seed

    styles = ("natural", "oil", "pastel", "watercolour", "natural", "oil")
    faces = [paint(13 * n + 3, style_seed(family, n), 192).rgb for n, family in enumerate(styles)]
    source, out = tmp_path / "pictures", tmp_path / "out"
    names = mixed_folder.make(source, faces)
    assert len(set(names)) == 279
    with open_build(
        out, source={"source": "folder", "target": str(source)}, release={"size": 64}, workers=1, create=True
    ) as b:
        run_all(b)
    with Ledger(out) as ledger:
        pictures = {row["key"]: row for row in ledger.rows("SELECT id, key, state, reason, detail FROM pictures")}
        ends: dict[str, set[tuple[str, str]]] = {}
        for row in ledger.rows("SELECT picture, state, reason FROM faces"):
            ends.setdefault(row["picture"], set()).add((row["state"], row["reason"]))
        assert ledger.one("SELECT count(*) FROM faults") == 0
    assert sorted(pictures) == sorted([*names, *mixed_folder.ODD])
    for name, row in pictures.items():
        kind = Path(name).name.partition("-")[0]
        allowed = mixed_folder.OUTCOMES.get(kind, {"unreadable"})
        if row["state"] == "rejected":
            assert row["reason"] in allowed, (name, row["reason"], row["detail"])
            assert row["reason"] in REASONS
        else:
            assert row["state"] == "faced", (name, row["state"])
            assert "" in allowed, name
            assert ends[row["id"]] <= {("kept", ""), ("duplicate", "duplicate")} | {
                ("rejected", reason) for reason in REASONS if reason.startswith("quality_")
            }, name
    kinds = Counter(Path(name).name.partition("-")[0] for name, row in pictures.items() if row["state"] == "faced")
    assert set(kinds) == {"face", "copy"}
    assert kinds["copy"] >= 60, "forms of one face are read"
    assert verify(out / "release").ok
