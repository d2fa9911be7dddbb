"""Every command in README, CONTRIBUTING and docs: it runs here on small data, or it parses and the reason is given."""

from __future__ import annotations

import ast
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
from typing import NamedTuple

import click
import pytest

from suite.cli import SuiteGroup
from suite.errors import SuiteError

ROOT = Path(__file__).resolve().parents[1]
# docs/commands.md repeats the commands' own examples, which tests/test_docs.py parses.
PAGES = sorted(page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")] if page.name != "commands.md")
BLOCK = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Commands stand in fences or, short ones, indented by four; a text in a list is indented as well, and names no program first.
INDENTED = re.compile(
    r"^ {4}(?:aahq|blendgan|baselines|aahq-bench|make|python|pip|torchrun|dask) (?:.*\\\n)*.*", re.MULTILINE
)
PROGRAMS = {"aahq": "aahq", "blendgan": "models", "baselines": "baselines", "aahq-bench": "benchmark"}
RECORDS = ROOT / "benchmark" / "records"


def kept_record(method: str) -> Path:
    """A record of the board, whose name ends with its digest."""
    return next(RECORDS.glob(f"{method}-reference-demo-*.json"))


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
    "aahq-bench site -o site": "",
    "aahq-bench answer AdaIN --inputs inputs -o answers/adain": "",
    "aahq-bench answer BlendGAN --inputs inputs -o answers/blendgan --invert-steps 300": (
        "aahq-bench answer BlendGAN --inputs inputs -o answers/blendgan --invert-steps 2"
    ),
    "aahq-bench protocol reproduce-demo/records/t2-latent-munit.json": f"aahq-bench protocol {kept_record('munit')}",
    "aahq-bench tables reproduce-demo/records --table 2 --format tex": (
        f"aahq-bench tables {RECORDS} --table 2 --format tex"
    ),
}


class Reason(NamedTuple):
    """Why a command does not run here.

    Attributes:
        test: that runs the same code on something small; "" where nothing here can.
        calls: what that test's own code, or what it calls in its file, must hold.
    """

    why: str
    test: str = ""
    calls: str = ""


TESTS = {
    "make": "tests/test_make.py::test_make_runs_the_commands_that_are_tested",
    "cell": "tests/benchmark/run/test_cells.py::test_a_cell_becomes_a_record_and_is_kept",
    "submit": "tests/benchmark/leaderboard/test_leaderboard.py::test_submit_says_what_is_missing_then_writes_one_file",
    "sources": "tests/aahq/sources/test_sources.py",
}
# Everything else parses: program, command and options exist and their values are of the right kind. First fitting line.
NOT_RUN: dict[str, Reason] = {
    r"make (setup|demo)$": Reason("installs, then takes minutes", TESTS["make"], "recipe("),
    r"make (test|test-fast|lint|bench|docs)$": Reason("runs tests, benches or scripts", TESTS["make"], "recipe("),
    r"aahq build .*--source met ": Reason(
        "asks the museum", "tests/aahq/sources/test_resume.py::test_stopped_after_every_page", '"met"'
    ),
    r"aahq build .*--source artstation ": Reason(
        "asks the site", f"{TESTS['sources']}::test_a_channel_is_read_page_by_page", "artstation"
    ),
    r"aahq build .*--source aahq-list ": Reason(
        "asks the site", f"{TESTS['sources']}::test_the_list_gives_its_own_points", "AahqList("
    ),
    r"aahq rebuild ": Reason(
        "fetches again", "tests/aahq/release/test_release.py::test_rebuild_makes_the_same_release", "rebuild"
    ),
    r"aahq safety ": Reason(
        "needs a classifier",
        "tests/aahq/safety/test_safety_stage.py::test_a_classifier_refuses_and_the_cards_say_so",
        '"--screens"',
    ),
    r"aahq release .*--require ": Reason(
        "needs looked-at pictures",
        "tests/aahq/safety/test_safety_stage.py::test_a_release_that_a_required_screen_did_not_look_at_is_refused",
        '"--require"',
    ),
    r"aahq (lookup|remove) ": Reason(
        "takes works out", "tests/aahq/remove/test_remove.py::test_commands_and_their_exit_codes", '"remove"'
    ),
    r"aahq sync ": Reason(
        "needs a copy of a release",
        "tests/aahq/release/test_sign.py::test_sync_takes_only_what_was_signed_and_the_copy_is_signed_again",
        '"sync"',
    ),
    r"aahq (sign|verify) .*--(key|signers) ": Reason(
        "needs a key",
        "tests/aahq/release/test_sign.py::test_verify_names_who_signed_and_so_does_openssh_alone",
        '"--signers"',
    ),
    r"aahq (build|faces) .*--scheduler": Reason(
        "needs a Dask cluster",
        "tests/aahq/test_scale.py::test_a_cluster_that_loses_a_worker_writes_the_same_release",
        "scheduler",
    ),
    r"dask (scheduler|worker)": Reason("a program of Dask that runs until it is stopped"),
    r"torchrun .* -m models train(-encoder)? ": Reason(
        "eight GPUs at the paper's scale",
        "tests/models/training/test_torchrun.py::test_eight_processes_train_as_one_and_one_goes_on_from_them",
        "torchrun",
    ),
    r"torchrun .* -m baselines train ": Reason(
        "32 GPUs", "tests/models/training/test_ranks.py::test_many_processes_take_the_step_of_one", "ranks.METHODS"
    ),
    r"torchrun .* -m benchmark reproduce ": Reason("eight GPUs for weeks", TESTS["cell"], "reproduce("),
    r"blendgan train --profile paper --dry-run": Reason(
        "times steps at 1024 px",
        "tests/models/training/test_blendgan.py::test_the_dry_run_knows_the_memory",
        "estimate.trace(",
    ),
    r"blendgan sample --weights painted": Reason(
        "a line of `make demo`", "tests/test_make.py::test_the_demos_samples_are_painted", "blendgan sample"
    ),
    r"blendgan weights \w": Reason(
        "downloads", "tests/models/weights/test_download.py::test_a_cut_download_goes_on_where_it_stopped", "fetch("
    ),
    r"blendgan convert ": Reason(
        "needs a published checkpoint",
        "tests/models/training/test_blendgan.py::test_weights_in_float16_are_half_the_file_and_nearly_the_same",
        "convert",
    ),
    r"aahq-bench table1 ": Reason("needs weights", TESTS["cell"], "reproduce("),
    r"aahq-bench compare ": Reason(
        "needs records of a reproduction",
        "tests/benchmark/report/test_compare.py::test_the_command_as_text_and_json",
        '"compare"',
    ),
    r"aahq-bench submit ": Reason("needs an installed package", TESTS["submit"], '"submit"'),
    r"aahq-bench validate ": Reason("needs a record that was handed in", TESTS["submit"], '"validate"'),
    r"aahq-bench score-images .*--reference ": Reason(
        "needs a reference pack",
        "tests/benchmark/reference/test_reference_pack.py::test_copies_of_the_works_are_found_out_with_the_pack",
        '"score-images"',
    ),
    r"aahq-bench score-images ": Reason(
        "needs pictures made elsewhere",
        "tests/benchmark/leaderboard/test_leaderboard.py::test_pictures_made_elsewhere_score_as_the_method_itself_does",
        '"score-images"',
    ),
    r"aahq-bench check ": Reason(
        "needs an installed package",
        "tests/benchmark/leaderboard/test_outside_method.py::test_an_installed_package_is_checked_and_scored",
        '"check"',
    ),
    r"aahq-bench judge ": Reason(
        "serves until it is stopped",
        "tests/benchmark/people/test_judging_page.py::test_two_questions_a_pair_by_keys_and_by_clicks",
        '"judge"',
    ),
    r"aahq-bench reproduce --profile demo": Reason("minutes of measuring", TESTS["cell"], "reproduce("),
    r"blendgan page$": Reason(
        "serves until it is stopped",
        "tests/models/page/test_page.py::test_a_face_in_a_style_is_a_file_that_says_how_it_was_made",
        '"page"',
    ),
    r"aahq-bench train-reader": Reason("minutes of training"),
    r"pip install -e InkWash": Reason(
        "changes this environment",
        "tests/benchmark/leaderboard/test_leaderboard.py::test_the_template_is_a_package_that_keeps_the_contract",
        "new-method",
    ),
    r"pip install -e '?\.\[fuzz\]'?": Reason("changes this environment"),
    r"python docs/make_(wall|page_faces|pictures)\.py": Reason(
        "paints or takes pictures for minutes", "tests/test_docs.py::test_pictures_are_whole_and_light", "images"
    ),
    r"python -m speed\.\w+": Reason("measures for minutes"),
    r"python examples/speedrun\.py": Reason(
        "trains for most of an hour",
        "tests/test_speedrun.py::test_the_speedrun_ends_with_a_score_and_a_sheet",
        "speedrun",
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


def alternatives(words: list[str]) -> Iterator[list[str]]:
    """The forms of a synopsis: of `aahq x OUT --a A | --b B` one an option, of `aahq x --a A | B` one a value."""
    if "|" not in words:
        yield words
        return
    forms = [list(form) for bar, form in itertools.groupby(words, lambda word: word == "|") if not bar]
    start = max(k for k, word in enumerate(forms[0]) if word.startswith("-"))
    yield forms[0]
    yield from (forms[0][: start if form[0].startswith("-") else -1] + form for form in forms[1:])


def shown() -> list[tuple[str, str]]:
    """(page, command) of every command in the pages, each once."""
    found = {}
    for page in PAGES:
        text = page.read_text()
        indented = INDENTED.findall(BLOCK.sub("", text))
        for block in [*BLOCK.findall(text), *indented]:
            for words in split(block):
                for form in alternatives(words):
                    found.setdefault(shlex.join(form), page.name)
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
    return next((given.why for pattern, given in NOT_RUN.items() if re.match(pattern, command)), None)


def code_of(file: Path, name: str) -> str:
    """The code of a test and of all that it uses of its own file; "" where the file has no such test, or it never runs."""
    text = file.read_text()
    known = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    test = known.get(name)
    marks = [ast.unparse(mark) for mark in test.decorator_list] if test else []
    if test is None or any(mark.partition("(")[0] in ("pytest.mark.skip", "pytest.mark.xfail") for mark in marks):
        return ""
    used, wanted = {}, [name]
    while wanted:
        one = wanted.pop()
        if one in known and one not in used:
            used[one] = "\n".join(ast.unparse(part) for part in [*known[one].decorator_list, known[one]])
            nodes = list(ast.walk(known[one]))
            wanted += [node.id for node in nodes if isinstance(node, ast.Name)]
            wanted += [node.arg for node in nodes if isinstance(node, ast.arg)]
    code = "\n".join(used.values())
    constants = [ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return "\n".join([code, *(one for one in constants if re.search(rf"\b{re.split('[ :]', one)[0]}\b", code))])


@pytest.mark.parametrize("pattern", [pattern for pattern, given in NOT_RUN.items() if given.test])
def test_the_test_that_a_reason_names_runs_what_it_says(pattern: str) -> None:
    given = NOT_RUN[pattern]
    file, _, name = given.test.partition("::")
    assert (ROOT / file).is_file(), f"{pattern}: {file} does not exist"
    code = code_of(ROOT / file, name)
    assert "assert" in code or "pytest.raises" in code, f"{pattern}: {file} has no {name} that runs and asserts"
    assert given.calls.replace('"', "'") in code, f"{pattern}: nothing in {name} is {given.calls}"


def test_a_stale_reason_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(
        "import pytest\n\nWORDS = ['compare']\n\ndef helper():\n    return WORDS\n\n"
        "def test_used():\n    assert helper()\n\n@pytest.mark.skip(reason='old')\ndef test_skipped():\n    assert helper()\n\n"
        "# def test_gone(): assert 1\ndef test_other():\n    assert 1\n"
    )
    assert "'compare'" in code_of(file, "test_used")
    assert "'compare'" not in code_of(file, "test_other")
    assert code_of(file, "test_skipped") == code_of(file, "test_gone") == ""


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
