"""Every command in README, CONTRIBUTING and docs: it runs here on small data, or it parses and the reason is given."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from suite.cli import SuiteGroup
from suite.errors import SuiteError

ROOT = Path(__file__).resolve().parents[1]
# docs/commands.md repeats the commands' own examples, which tests/test_docs.py parses.
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")] if page.name != "commands.md")
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PROGRAMS = {"aahq": "aahq", "blendgan": "models", "baselines": "baselines", "aahq-bench": "benchmark"}

# Run in this order in one folder; what stands behind the arrow is a smaller form with the same options.
RUN: dict[str, str] = {
    "aahq doctor": "",
    "aahq-bench doctor": "",
    "blendgan weights": "",
    "blendgan weights --offline --weights /shared/weights": "",
    "aahq portraits painted --count 1000 --size 64 --domain both": (
        "aahq portraits painted --count 24 --size 64 --domain both --styles 15 --workers 1"
    ),
    "aahq verify met": "aahq verify painted",
    "blendgan train-encoder --profile demo --data painted -o runs/encoder": (
        "blendgan train-encoder --profile demo --data painted -o runs/encoder --set steps=2 --set batch=8"
    ),
    "blendgan train --profile demo --data painted --encoder runs/encoder/style_encoder.safetensors -o runs/blendgan": (
        "blendgan train --profile demo --data painted --encoder runs/encoder/style_encoder.safetensors -o runs/blendgan"
        " --set steps=2 --set widest=16"
    ),
    "blendgan sample --weights runs/blendgan/blendgan.safetensors --seeds 0-15 -o runs/samples": (
        "blendgan sample --weights runs/blendgan/blendgan.safetensors --seeds 0-3 -o runs/samples"
    ),
    "blendgan sample --random-weights 0 --size 64 --width 32 --seeds 0-3 -o noise": "",
    "blendgan sample --seeds 0-15 --style art.jpg -o samples": (
        "blendgan sample --seeds 0-1 --style art.jpg -o samples --random-weights 0 --size 64 --width 32"
    ),
    "blendgan stylize me.jpg --style art/ --strength 0.7 -o out": (
        "blendgan stylize me.jpg --style art/ --strength 0.7 -o out --aligned --invert w --steps 2 --random-weights 0"
        " --size 64 --width 16"
    ),
    "aahq build mine --source folder ~/paintings": (
        "aahq build mine --source folder paintings --size 64 --workers 1 --json"
    ),
    "aahq release met --out met-public --form shards --public": (
        "aahq release mine --out mine-public --form shards --public"
    ),
    "aahq release met --out met-links --form links": "aahq release mine --out mine-links --form links",
    "aahq-bench reproduce --profile paper --plan": "",
    "aahq-bench reproduce --profile paper --plan --offline --weights-folder /shared/weights": "",
    "aahq-bench new-method InkWash": "",
    "aahq-bench inputs inputs --data reproduce-demo/data": (
        "aahq-bench inputs inputs --data painted --set faces=2 --set styles=2"
    ),
}

# Everything else parses: program, command and options exist and their values are of the right kind. First fitting line.
NOT_RUN: dict[str, str] = {
    r"make (demo|setup)": "make sets up this environment; tests/aahq/test_pipeline.py runs the demo",
    r"make (test|test-fast|lint|bench|format)": "it would run the tests, lint or benches within a test",
    r"aahq (build|crawl) .*--source (met|artstation|aahq-list)": (
        "crawls the web; tests/aahq/test_pipeline.py and test_sources.py run it against the embedded gallery"
    ),
    r"aahq rebuild ": "fetches again; tests/aahq/test_pipeline.py rebuilds from a folder",
    r"aahq (build|faces) .*--scheduler": "needs a Dask cluster; tests/aahq/test_dask.py starts one",
    r"dask (scheduler|worker)": "a program of Dask that runs until it is stopped",
    r"torchrun ": "eight GPUs at the paper's scale; tests/models/training/test_torchrun.py runs eight small processes",
    r"blendgan train --profile paper --dry-run": "times steps at 1024 px; tests/models/test_commands.py runs a small one",
    r"blendgan sample --weights painted": "a line of `make demo`",
    r"blendgan weights \w": "downloads; tests/models/weights/test_download.py fetches from a local server",
    r"blendgan convert ": "needs a published checkpoint; tests/models/test_commands.py converts a small one",
    r"aahq-bench (table1|protocol|tables|submit|validate|score-images|check) ": (
        "needs weights, records or an installed package; tests under tests/benchmark run it on small ones"
    ),
    r"aahq-bench reproduce --profile demo": "a quarter of an hour; tests under tests/benchmark run single cells",
    r"aahq-bench train-features": "minutes of training; tests/benchmark/metrics/test_features.py reads what it made",
    r"pip install": "changes this environment",
    r"make docs": "tests/test_docs.py compares what it would write",
    r"python docs/make_wall\.py": "paints for a minute; tests/test_docs.py looks at the picture",
    r"python -m bench\.\w+": "measures for minutes",
    r"aahq(-bench)? ": "shown on another page with its own tests; see tests/aahq and tests/benchmark",
}


def split(block: str) -> Iterator[list[str]]:
    """The commands of a block: comments gone, continued lines joined, `a && b` in two."""
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        words = shlex.split(line, comments=True)
        while "&&" in words:
            at = words.index("&&")
            yield words[:at]
            words = words[at + 1 :]
        if words:
            yield words


def shown() -> list[tuple[str, str]]:
    """(page, command) of every command in the pages, each once."""
    found = {}
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            for words in split(block):
                found.setdefault(shlex.join(words), page.name)
    return [(page, command) for command, page in found.items()]


SHOWN = shown()


def parse(words: list[str]) -> None:
    """Resolve a command and parse its options as its program would, without running it.

    Raises:
        click.ClickException, SuiteError, AssertionError: the command would be refused.
    """
    program, *rest = words
    if program == "torchrun":
        assert "-m" in words, words
        module, *rest = words[words.index("-m") + 1 :]
        program = next(name for name, room in PROGRAMS.items() if room == module)
    elif program == "python":
        target = rest[1] if rest[0] == "-m" else rest[0]
        assert importlib.util.find_spec(target) if rest[0] == "-m" else (ROOT / target).is_file(), words
        return
    elif program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(rest) <= set(targets), words
        return
    if program not in PROGRAMS:
        assert program in ("pip", "dask"), words
        return
    group: SuiteGroup = importlib.import_module(f"{PROGRAMS[program]}.cli").main
    with click.Context(group, info_name=program) as context:
        name, command, given = group.resolve_command(context, rest)
        assert command is not None
        stand_in(command, given)
        command.make_context(name, list(given), parent=context)


def stand_in(command: click.Command, given: list[str]) -> None:
    """Empty files and folders where an option insists that its path exists."""
    for option in command.params:
        if isinstance(option.type, click.Path) and option.type.exists:
            for name, value in itertools.pairwise(given):
                if name in option.opts and not Path(value).is_absolute():
                    path = Path(value)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.touch() if option.type.file_okay else path.mkdir(exist_ok=True)


def reason(command: str) -> str | None:
    """Why a command is not run, or None where nothing is said."""
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), None)


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=[command[:70] for _, command in SHOWN])
def test_every_command_is_run_or_parses_with_a_reason(
    page: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _key(command) in RUN_KEYS or reason(command), f"{page}: list it under RUN or NOT_RUN: {command}"
    parse(shlex.split(command))


def _key(command: str) -> str:
    return shlex.join(shlex.split(command))


RUN_KEYS = {_key(command) for command in RUN}


def test_everything_that_is_run_is_shown() -> None:
    known = {command for _, command in SHOWN}
    assert known >= RUN_KEYS


def test_a_wrong_command_does_not_parse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for wrong in ("aahq biuld x", "aahq portraits x --cuont 3", "aahq portraits x --size 7", "make nothing"):
        with pytest.raises((click.ClickException, SuiteError, AssertionError)):
            parse(shlex.split(wrong))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run in their order: a photograph, a picture of art, and a folder of each."""
    from PIL import Image

    from aahq.painted.portraits import paint, style_seed

    place = tmp_path_factory.mktemp("readme")
    (place / "art").mkdir()
    (place / "paintings").mkdir()
    Image.fromarray(paint(1, style_seed("natural", 1), 64).rgb).save(place / "me.jpg")
    Image.fromarray(paint(2, style_seed("oil", 1), 64).rgb).save(place / "art.jpg")
    Image.fromarray(paint(2, style_seed("oil", 1), 64).rgb).save(place / "art" / "oil.png")
    for person in (3, 4):
        Image.fromarray(paint(person, style_seed("gouache", 1), 400).rgb).save(place / "paintings" / f"{person}.png")
    return place


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("command", list(RUN), ids=lambda command: command[:70])
def test_it_runs(command: str, folder: Path) -> None:
    program, *words = shlex.split(RUN[command] or command)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AAHQ_CACHE": str(folder / "cache"),
        "AAHQ_WEIGHTS": str(folder / "weights"),
        "OMP_NUM_THREADS": "1",
    }
    call = [sys.executable, "-m", PROGRAMS[program], *words]
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
