"""Records of what people said: one per method, trust "judged by people", comparable inside its study alone."""

from __future__ import annotations

from pathlib import Path

from benchmark.leaderboard.method_pictures import Answered
from benchmark.people.analysis import CAUGHT, LEVEL, Outcome, Question
from benchmark.people.answers import Answer
from benchmark.people.study import QUESTIONS, Design
from benchmark.run.record import CellInfo, MethodInfo, ProtocolInfo, Provenance, Record, Value
from benchmark.run.record_file import write
from benchmark.tasks.paper import slug
from benchmark.tasks.protocol import Protocol
from suite.errors import SuiteError
from suite.files import digest
from suite.provenance import commit, versions

METRICS: dict[Question, str] = {"better": "preferred by people", "person": "person kept, say people"}
# Below this a record would be one person's taste.
JUDGES = 3


def records(design: Design, outcome: Outcome, answers: list[Answer]) -> list[Record]:
    """One record per method.

    Raises:
        SuiteError: fewer than three judges that count, or a method that nobody was shown.
    """
    heard = sorted(one.name for one in outcome.judges if one.counts)
    if len(heard) < JUDGES:
        raise SuiteError(
            f"--records: {len(heard)} judges count, a record needs {JUDGES}; 'aahq-bench judge STUDY --judge NAME'"
        )
    answers_digest = digest([one.model_dump() for one in sorted(answers, key=lambda one: (one.judge, one.trial))])
    return [_record(design, outcome, number, heard, answers_digest) for number in range(len(design.methods))]


def _record(design: Design, outcome: Outcome, number: int, heard: list[str], answers_digest: str) -> Record:
    values, protocols = [], {}
    for question, metric in METRICS.items():
        strength = outcome.strengths[question][number]
        if not strength.met or strength.low is None:
            raise SuiteError(
                f"--records: {strength.method} met no other method yet on two faces; let judges answer more trials"
            )
        agreed = outcome.agreement[question]
        protocol = Protocol(
            metric,
            {
                "study": design.digest,
                "question": QUESTIONS[question],
                "methods": design.methods,
                "answers": answers_digest,
                "guidance": "reference",
                "real_set": "none: results are compared with each other",
                "manifest": design.manifest,
                "faces": design.faces,
                "styles": design.styles,
                "draws": [design.draws],
                "sampling_seeds": [design.public_seed],
                "model": "Bradley-Terry, half a virtual win each way a pair",
                "catch trials right at least": CAUGHT,
                "judges": len(heard),
                "kappa": agreed.kappa,
            },
        )
        protocols[protocol.id] = ProtocolInfo(metric=protocol.metric, parameters=protocol.parameters)
        values.append(
            Value(
                metric=metric,
                protocol=protocol.id,
                value=strength.share,
                low=strength.low,
                high=strength.high,
                interval=f"{LEVEL:.0%}, bootstrap over {len(heard)} judges and the faces",
                n_real=0,
                n_fake=strength.met,
            )
        )
    made_by = design.made_by[number] if design.made_by else Answered(method=MethodInfo(name=design.methods[number]))
    return Record(
        method=made_by.method,
        cell=CellInfo(table=0, guidance="reference"),
        values=values,
        protocols=protocols,
        provenance=Provenance(
            manifest=design.manifest,
            release="",
            weights=made_by.weights,
            sampling_seeds=[design.public_seed],
            draws=[design.draws],
            commit=commit(),
            ops={},
            versions=versions(),
            hardware=f"{len(heard)} people",
            seconds={},
            profile=design.profile,
            inputs=digest([design.digest, answers_digest]),
            pictures=design.pictures[number],
            size=design.size,
        ),
        trust="judged by people",
    )


def write_records(folder: Path, records: list[Record]) -> list[Path]:
    """Write `judged-METHOD.json` files; returns their paths."""
    paths = [folder / f"judged-{slug(one.method.name)}.json" for one in records]
    for path, one in zip(paths, records, strict=True):
        write(path, one)
    return paths
