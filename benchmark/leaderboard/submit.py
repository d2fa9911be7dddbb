"""A record to hand in: what it still lacks, in plain words, and the file that it becomes."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.run.record import Record, Trust
from benchmark.run.record_file import write
from benchmark.tasks.paper import slug
from suite.errors import SuiteError

TRUST_MEANS: dict[Trust, str] = {
    "re-run from weights": "this suite ran the method and measured its pictures",
    "re-scored from pictures": "this suite measured pictures that were made elsewhere",
    "judged by people": "people compared its pictures with other methods' on this suite's page",
    "self-reported": "nobody but the author has measured it; shown in grey, never ranked",
    "published": "printed in the paper",
}
NAME = re.compile(r"^(?P<stem>[a-z0-9-]+)-(?P<digest>[0-9a-f]{12})$")


def lacking(record: Record) -> list[str]:
    """What a reader would miss, one plain sentence each; empty for a record that may be handed in."""
    out = []
    method, made = record.method, record.provenance
    if not method.train_data:
        out.append("method.train_data: say what it was trained on, or 'nothing' (--train-data)")
    if not method.code:
        out.append("method.code: say where its code is, an https address or a folder of examples/ (--code)")
    if not method.version:
        out.append("method.version: say which version or commit of the method this is (--version)")
    weightless = method.control or "no weights" in record.notes
    if record.trust == "re-run from weights" and not made.weights and not weightless:
        out.append(
            "provenance.weights: give the weights that were loaded (--weights), or --no-weights if there are none"
        )
    if record.trust == "re-scored from pictures" and made.pictures is None:
        out.append("provenance.pictures: the digest of the measured pictures is absent; use 'aahq-bench score-images'")
    if record.trust == "re-run from weights" and not made.commit:
        out.append("provenance.commit: measured outside of a clone; measure in a clone, so that the commit is known")
    if made.commit.endswith("+"):
        out.append(
            "provenance.commit: the clone had changes that are not committed; commit or undo them, measure again"
        )
    return out


def with_method(
    record: Record, version: str | None, code: str | None, train_data: str | None, uses_test_pictures: bool | None
) -> Record:
    """The record with what was said of its method; what was not said stays as it is."""
    given = {"version": version, "code": code, "train_data": train_data, "uses_test_pictures": uses_test_pictures}
    method = {**record.method.model_dump(), **{key: value for key, value in given.items() if value is not None}}
    return Record.model_validate({**record.model_dump(), "method": method})


def file_name(record: Record) -> str:
    """`colour-transfer-reference-demo-0a1b2c3d4e5f.json`: what it is, and the digest of what it says."""
    place = "" if record.cell.indicator is None else f"i{record.cell.indicator:02d}"
    parts = [_ascii(record.method.name), record.cell.guidance, place, _ascii(record.provenance.profile)]
    return f"{'-'.join(part for part in parts if part)}-{record.digest[:12]}.json"


def _ascii(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", slug(name)).strip("-")[:40] or "method"


def name_fits(path: Path, record: Record) -> bool:
    """Whether the digest in a file's name is that of the record; a name without a digest fits any record."""
    found = NAME.match(path.stem)
    return found is None or found["digest"] == record.digest[:12]


def save(folder: Path, record: Record) -> Path:
    """Write the record under its own name.

    Raises:
        SuiteError: everything that it lacks, in one line.
    """
    missing = lacking(record)
    if missing:
        raise SuiteError("missing: " + " | ".join(missing), exit_code=1)
    path = folder / file_name(record)
    write(path, record)
    return path
