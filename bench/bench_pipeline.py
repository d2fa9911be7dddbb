"""The pipeline's spine: memory that stays flat from 1,000 to 100,000 rows, and what a row costs without its picture."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.run import Row

SMALL, LARGE = 1_000, 100_000

# One process a measurement: the peak of a process never falls again.
SCRIPT = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from aahq.candidates import Candidate
from aahq.ledger import Ledger, face_id, picture_id
from aahq.release import encode_png
from aahq.stages import quality, release
from aahq.consent import OptOuts
from suite.files import sha256_bytes, write_whole
from suite.progress import set_quiet

set_quiet(True)
out, count = Path(sys.argv[1]), int(sys.argv[2])
png = encode_png(np.zeros((16, 16, 3), np.uint8))
write_whole(out / "face.png", png)
sha, seconds = sha256_bytes(png), {}
scores = json.dumps(json.loads(sys.argv[3]))

def timed(name, work):
    start = time.perf_counter()
    work()
    seconds[name] = time.perf_counter() - start

def fill(ledger):
    for first in range(0, count, 200):
        with ledger.transaction():
            for n in range(first, min(first + 200, count)):
                one = Candidate("bench", str(n), None, (f"https://example.org/{n}",), artist=f"a{n}", license="CC0-1.0")
                ledger.add_candidate(one)
                id = picture_id("bench", str(n))
                ledger.update("pictures", id, state="faced", consent="[]", file="face.png", response_sha256=sha,
                              pixel_sha256=sha, phash=f"{n:016x}", width=16, height=16)
                ledger.insert("faces", {
                    "id": face_id(id, 0), "picture": id, "number": 0, "box": "[0,0,16,16]",
                    "landmarks": json.dumps([[1.5, 2.25]] * 68), "detector": "bench", "score": 1.0, "inter_ocular": 8.0,
                    "state": "unique", "keeper": 1, "cluster": id, "split": "train", "recipe": "r", "size": 16,
                    "file": "face.png", "sha256": sha, "pixel_sha256": sha, "phash": f"{n:016x}", "quality": scores})

def walk(ledger):
    for rows in ledger.pending("pictures", "faced", "id, file, candidate", 16):
        pass

with Ledger(out, create=True) as ledger:
    timed("fill the ledger", lambda: fill(ledger))
    timed("walk the ledger", lambda: walk(ledger))
    timed("quality", lambda: quality.run(ledger))
    timed("release in shards", lambda: release.run(
        ledger, name="b", size=16, domain="art", optouts=OptOuts(), form="shards"))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"peak_mb": peak, "seconds": seconds, "kept": count}))
"""


def passing_scores() -> str:
    """Scores of a face that passes every threshold, measured from none: read from the dataclass itself."""
    from dataclasses import fields

    from aahq.quality import Scores

    good = {"quad_side": 600.0, "inter_ocular": 150.0, "sharpness": 0.5, "brightness": 120.0, "contrast": 50.0}
    return json.dumps({field.name: good.get(field.name, 0.0) for field in fields(Scores)})


def measure(count: int) -> dict[str, object]:
    """Peak memory and seconds of a process that takes `count` rows through ledger, quality and release."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, str(count), passing_scores()],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
    result: dict[str, object] = json.loads(done.stdout)
    return result


def rows() -> list[Row]:
    """Memory at both sizes, their ratio, and rows a second of each part."""
    small, large = measure(SMALL), measure(LARGE)
    growth = float(large["peak_mb"]) / float(small["peak_mb"])  # type: ignore[arg-type]
    out = [
        Row(
            f"peak memory, {LARGE:,} rows over {SMALL:,}",
            growth,
            "x",
            "at most 1.5",
            f"{small['peak_mb']:.0f} MB and {large['peak_mb']:.0f} MB: ledger, quality and a release in shards",
            growth <= 1.5,
        )
    ]
    for name, seconds in large["seconds"].items():  # type: ignore[attr-defined]
        out.append(Row(f"{name}, {LARGE:,} rows", LARGE / seconds, "rows/s", note="one process, no pictures decoded"))
    return out
