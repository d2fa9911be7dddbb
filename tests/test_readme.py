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

# Everything else parses: program, command and options exist and their values are of the right kind. First fitting line:
# why it does not run here, and the test that runs the same code on something small ("" where nothing here can).
NOT_RUN: dict[str, tuple[str, str]] = {
    r"make (setup|demo)$": (
        "installs, then takes minutes",
        "tests/test_make.py::test_make_runs_the_commands_that_are_tested",
    ),
    r"make (test|test-fast|lint|bench|docs)$": (
        "runs the tests, benches or scripts themselves",
        "tests/test_make.py::test_make_runs_the_commands_that_are_tested",
    ),
    r"aahq build .*--source met ": (
        "asks the museum",
        "tests/aahq/sources/test_resume.py::test_stopped_after_every_page",
    ),
    r"aahq build .*--source artstation ": (
        "asks the site",
        "tests/aahq/sources/test_sources.py::test_a_channel_is_read_page_by_page",
    ),
    r"aahq build .*--source aahq-list ": (
        "asks the site",
        "tests/aahq/sources/test_sources.py::test_the_list_gives_its_own_points",
    ),
    r"aahq rebuild ": ("fetches again", "tests/aahq/release/test_release.py::test_rebuild_makes_the_same_release"),
    r"aahq (build|faces) .*--scheduler": (
        "needs a Dask cluster",
        "tests/aahq/test_scale.py::test_a_cluster_that_loses_a_worker_writes_the_same_release",
    ),
    r"dask (scheduler|worker)": ("a program of Dask that runs until it is stopped", ""),
    r"torchrun .* -m models train(-encoder)? ": (
        "eight GPUs at the paper's scale",
        "tests/models/training/test_torchrun.py::test_eight_processes_train_as_one_and_one_goes_on_from_them",
    ),
    r"torchrun .* -m baselines train ": (
        "32 GPUs",
        "tests/models/training/test_ranks.py::test_many_processes_take_the_step_of_one",
    ),
    r"torchrun .* -m benchmark reproduce ": (
        "eight GPUs for weeks",
        "tests/benchmark/run/test_cells.py::test_a_training_that_was_cut_goes_on",
    ),
    r"blendgan train --profile paper --dry-run": (
        "times steps at 1024 px",
        "tests/models/training/test_blendgan.py::test_the_dry_run_knows_the_memory",
    ),
    r"blendgan sample --weights painted": (
        "a line of `make demo`",
        "tests/test_make.py::test_the_demos_samples_are_painted",
    ),
    r"blendgan weights \w": (
        "downloads",
        "tests/models/weights/test_download.py::test_a_cut_download_goes_on_where_it_stopped",
    ),
    r"blendgan convert ": (
        "needs a published checkpoint",
        "tests/models/training/test_blendgan.py::test_weights_in_float16_are_half_the_file_and_nearly_the_same",
    ),
    r"aahq-bench table1 ": (
        "needs weights",
        "tests/benchmark/run/test_cells.py::test_a_cell_becomes_a_record_and_is_kept",
    ),
    r"aahq-bench (tables|protocol) ": (
        "needs records of a reproduction",
        "tests/benchmark/report/test_records_and_tables.py::test_every_format_escapes",
    ),
    r"aahq-bench compare ": (
        "needs records of a reproduction",
        "tests/benchmark/report/test_compare.py::test_the_command_as_text_and_json",
    ),
    r"aahq-bench (submit|validate) ": (
        "needs an installed package",
        "tests/benchmark/leaderboard/test_leaderboard.py::test_submit_says_what_is_missing_then_writes_one_file",
    ),
    r"aahq-bench score-images ": (
        "needs pictures made elsewhere",
        "tests/benchmark/leaderboard/test_leaderboard.py::test_pictures_made_elsewhere_score_as_the_method_itself_does",
    ),
    r"aahq-bench check ": (
        "needs an installed package",
        "tests/benchmark/leaderboard/test_outside_method.py::test_an_installed_package_is_checked_and_scored",
    ),
    r"aahq-bench reproduce --profile demo": (
        "minutes of measuring",
        "tests/benchmark/run/test_cells.py::test_a_cell_becomes_a_record_and_is_kept",
    ),
    r"blendgan page$": (
        "serves until it is stopped",
        "tests/models/page/test_page.py::test_a_face_in_a_style_is_a_file_that_says_how_it_was_made",
    ),
    r"aahq-bench train-reader": (
        "minutes of training",
        "tests/test_docs.py::test_the_reader_is_described_as_it_was_judged",
    ),
    r"pip install -e InkWash": (
        "changes this environment",
        "tests/benchmark/leaderboard/test_leaderboard.py::test_the_template_is_a_package_that_keeps_the_contract",
    ),
    r"python docs/make_(wall|page_faces|pictures)\.py": (
        "paints or takes pictures for minutes",
        "tests/test_docs.py::test_pictures_are_whole_and_light",
    ),
    r"python -m speed\.\w+": ("measures for minutes", ""),
    r"python examples/speedrun\.py": (
        "trains for most of an hour",
        "tests/test_speedrun.py::test_the_speedrun_ends_with_a_score_and_a_sheet",
    ),
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
    return next((why for pattern, (why, _) in NOT_RUN.items() if re.match(pattern, command)), None)


@pytest.mark.parametrize(("pattern", "test"), [(pattern, test) for pattern, (_, test) in NOT_RUN.items() if test])
def test_the_test_that_a_reason_names_exists(pattern: str, test: str) -> None:
    file, _, name = test.partition("::")
    assert (ROOT / file).is_file(), f"{pattern}: {file} does not exist"
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE), f"{pattern}: {file} has no {name}"


def test_every_reason_is_still_needed() -> None:
    commands = [command for _, command in SHOWN if _key(command) not in RUN_KEYS]
    assert [pattern for pattern in NOT_RUN if not any(re.match(pattern, command) for command in commands)] == []


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
