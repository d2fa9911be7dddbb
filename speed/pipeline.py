"""The pipeline's spine: memory that stays flat from 1,000 to 100,000 rows, and what a row costs without its picture."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from speed.run import Row

SMALL, LARGE = 1_000, 100_000
# Fewer rows with faces: writing a release of so many shards takes minutes, and its memory shows at this size too.
FACES = 30_000

# One process per measurement: the peak of a process never falls again.
SCRIPT = """
import json, resource, shutil, sys, time
from pathlib import Path
import numpy as np
from aahq.candidates import Candidate
from aahq.web.client import Http
from aahq.ledger import Ledger
from aahq.release.store import encode_png
from aahq.sources import SourceOptions, open_source
from aahq.crawl import stage as crawl
from aahq.stages import quality, release
from aahq.crawl.process import FetchContext
from aahq.consent.optouts import OptOuts
from aahq.consent.permissions import Permissions
from suite.files import sha256_bytes, write_whole
from suite.progress import set_quiet

set_quiet(True)
out, count, faces = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
png = encode_png(np.zeros((16, 16, 3), np.uint8))
write_whole(out / "face.png", png)
sha, seconds, peaks = sha256_bytes(png), {}, {}
scores = json.dumps(json.loads(sys.argv[3]))

def timed(name, work):
    start = time.perf_counter()
    work()
    seconds[name] = time.perf_counter() - start
    peaks[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def fill(ledger):
    one = Candidate("bench", "0", None, ("https://example.org/0",), artist="a", license="CC0-1.0")
    picture = {"id": "", "source": "bench", "key": "", "page_url": "", "image_url": "", "artist": "a", "title": "",
               "license": "CC0-1.0", "published": "", "candidate": one.to_json(), "state": "faced", "consent": "[]",
               "file": "face.png", "response_sha256": sha, "pixel_sha256": sha, "phash": "", "width": 16, "height": 16}
    face = {"id": "", "picture": "", "number": 0, "box": "[0,0,16,16]", "landmarks": json.dumps([[1.5, 2.25]] * 68),
            "detector": "bench", "score": 1.0, "inter_ocular": 8.0, "state": "unique", "keeper": 1, "cluster": "",
            "split": "train", "recipe": "r", "size": 16, "file": "face.png", "sha256": sha, "pixel_sha256": sha,
            "phash": "", "quality": scores}
    for table, values, ids in (("pictures", picture, ("id", "key")), ("faces", face, ("id", "picture", "cluster"))):
        made = {**dict.fromkeys(ids, "printf('%020x', n)"), "phash": "printf('%016x', n)"}
        cells = ", ".join(made.get(name, f":{name}") for name in values)
        ledger.db.execute(
            "WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < :count) "
            f"INSERT INTO {table} ({', '.join(values)}) SELECT {cells} FROM c", {**values, "count": faces})

def make_sources():
    points = {name: [1, 2.5] for name in ("eye_left", "eye_right", "mouth_left", "mouth_right")}
    with (out / "list.csv").open("w") as addresses, (out / "list.json").open("w") as listed:
        addresses.write("url,license\\n")
        for n in range(count):
            url = f"https://example.org/{n}.jpg"
            addresses.write(f"{url},CC0-1.0\\n")
            entry = json.dumps({"image_url": url, "raw_name": str(n), "landmarks": points})
            listed.write(("{" if not n else ",") + f'"{n:06}.png": {entry}')
        listed.write("}")
    for n in range(count):
        if n % 1000 == 0:
            (out / "files" / f"{n:06}").mkdir(parents=True)
        (out / "files" / f"{n // 1000 * 1000:06}" / f"{n:06}").touch()

def read(name, target):
    rows = 0
    for page in open_source(name, SourceOptions(target=str(out / target))).pages(None, None):
        rows += len(page.candidates)
    assert rows == count, (name, rows)

def crawl_folder():
    with Ledger(out / "crawl", create=True) as ledger, Http(None) as http:
        reopen = lambda: open_source("folder", SourceOptions(target=str(out / "files")))
        crawl.run(ledger, crawl.CrawlTarget("folder", "bench", reopen), FetchContext(http, OptOuts(), Permissions()))
        assert ledger.count("pictures", "rejected") == count

def walk(ledger):
    for rows in ledger.pending("pictures", "faced", "id, file, candidate", 16):
        pass

(out / "crawl").mkdir()
make_sources()
timed("source urls", lambda: read("urls", "list.csv"))
timed("source aahq-list", lambda: read("aahq-list", "list.json"))
timed("crawl of a folder of empty files", crawl_folder)
shutil.rmtree(out / "files")
with Ledger(out, create=True) as ledger:
    timed("fill the ledger", lambda: fill(ledger))
    timed("walk the ledger", lambda: walk(ledger))
    timed("quality", lambda: quality.run(ledger))
    timed("release in shards", lambda: release.run(
        ledger, name="b", size=16, domain="art", optouts=OptOuts(), form="shards"))
print(json.dumps({"peaks": peaks, "seconds": seconds}))
"""


def passing_scores() -> str:
    """Scores of a face that passes every threshold, measured from none: read from the dataclass itself."""
    from dataclasses import fields

    from aahq.quality import Scores

    good = {"quad_side": 600.0, "inter_ocular": 150.0, "sharpness": 0.5, "brightness": 120.0, "contrast": 50.0}
    return json.dumps({field.name: good.get(field.name, 0.0) for field in fields(Scores)})


def measure(count: int) -> dict[str, dict[str, float]]:
    """Peak megabytes so far and seconds of each part, in a process that takes `count` rows through sources and stages."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, str(count), passing_scores(), str(min(count, FACES))],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
        )
    result: dict[str, dict[str, float]] = json.loads(done.stdout)
    return result


def rows() -> list[Row]:
    """Memory at both sizes, their ratio, and rows a second of each part."""
    small, large = measure(SMALL), measure(LARGE)
    out = []
    for what, last, count in (
        ("listing and crawl", "crawl of a folder of empty files", LARGE),
        ("ledger, quality and release", "release in shards", FACES),
    ):
        before, after = small["peaks"][last], large["peaks"][last]
        out.append(
            Row(
                f"peak memory of {what}, {count:,} rows over {SMALL:,}",
                after / before,
                "x",
                "at most 1.5",
                f"{before:.0f} MB and {after:.0f} MB, the interpreter and its libraries included",
                after / before <= 1.5,
            )
        )
    for name, seconds in large["seconds"].items():
        count = LARGE if name.startswith(("source", "crawl")) else FACES
        out.append(Row(f"{name}, {count:,} rows", count / seconds, "rows/s", note="one process, no pictures decoded"))
    return out
