"""The pages tell the truth: what scripts write is up to date, links lead somewhere, every command explains itself."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote
from xml.etree import ElementTree

import click
import pytest
from click.testing import CliRunner
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


def script(name: str) -> ModuleType:
    """A script of `docs/`, imported without running it."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


COMMANDS = script("make_commands")
EVERY = [(program, name, command) for program in COMMANDS.PROGRAMS for name, command in COMMANDS.commands(program)]
NAMES = [f"{program} {name}" for program, name, _ in EVERY]


@pytest.mark.parametrize(("program", "name", "command"), EVERY, ids=NAMES)
def test_every_command_has_help_with_an_example_and_json(program: str, name: str, command: click.Command) -> None:
    group = importlib.import_module(COMMANDS.PROGRAMS[program][0]).main
    done = CliRunner().invoke(group, [name, "--help"], prog_name=program)
    assert done.exit_code == 0
    assert re.search(r"Examples?:", done.output)
    assert f"{program} {name}" in done.output.split("Example", 1)[1]
    assert "--json" in done.output
    assert "\b" not in done.output, "a \\b block begins after an empty line"
    silent = [param.opts for param in command.params if isinstance(param, click.Option) and not param.help]
    assert silent == [], "options without help"


@pytest.mark.parametrize(("program", "name", "command"), EVERY, ids=NAMES)
def test_every_example_parses(
    program: str, name: str, command: click.Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_readme import parse, split

    monkeypatch.chdir(tmp_path)
    examples = [text for kind, text in COMMANDS.paragraphs(command) if kind == "example"]
    assert examples
    for example in examples:
        for words in split(example):
            parse(words)


def test_the_commands_page_is_up_to_date() -> None:
    assert COMMANDS.PAGE.read_text() == COMMANDS.page(), "run: python docs/make_commands.py"


def test_the_metrics_page_is_up_to_date() -> None:
    metrics = script("make_metrics")
    assert metrics.PAGE.read_text() == metrics.page(), "run: python docs/make_metrics.py"


def test_the_symbols_page_is_up_to_date() -> None:
    symbols = script("make_paper_symbols")
    assert symbols.PAGE.read_text() == symbols.page(), "run: python docs/make_paper_symbols.py"


def test_symbols_stand_on_the_lines_that_the_page_names() -> None:
    symbols = script("make_paper_symbols")
    for _, _, file, text in symbols.SYMBOLS:
        line = symbols.line_of(file, text)
        assert text in (ROOT / file).read_text().splitlines()[line - 1]
        assert f"{file}:{line}" in symbols.PAGE.read_text()


def test_every_equation_of_the_paper_has_a_place() -> None:
    found = {name for paper, name, _, _ in script("make_paper_symbols").anchors() if paper == "BlendGAN"}
    assert {f"Eq. {n}" for n in range(2, 11)} <= found


def test_filled_pages_are_up_to_date() -> None:
    filler = script("make_readme")
    for page in filler.PARTS:
        assert page.read_text() == filler.filled(page), "run: python docs/make_readme.py"


def test_published_figures_in_the_readme_are_the_papers() -> None:
    # Straight from the paper's Tables 2 and 3, not from our copy of them.
    text = (ROOT / "README.md").read_text()
    assert "| latent | DRIT++ | 22.53 | 0.448 |" in text
    assert "| reference | BlendGAN (i = 0) | 3.79 | 0.661 |" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://", "#", "mailto:")):
            continue
        path = (page.parent / unquote(target.split("#")[0])).resolve()
        assert path.exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    rooms = "suite|ops|models|baselines|benchmark|aahq|tests|bench|docs|examples"
    for name in re.findall(rf"`((?:{rooms})/[\w/.-]+\.(?:py|toml|csv|md|json|safetensors))`", page.read_text()):
        assert (ROOT / name).exists() or name in MADE_LATER, f"{page.name}: {name}"


# Files that a command of this repository writes.
MADE_LATER = {"docs/speed.md", "speed/results/costs.json"}


def test_pictures_are_whole_and_light() -> None:
    wall = DOCS / "images" / "wall.png"
    assert wall.stat().st_size <= 600_000
    with Image.open(wall) as picture:
        picture.load()
        assert picture.size == (8 * 132 - 4, 3 * 132 - 4)
    pages = {
        f"{page}-{size}" for page in ("stylise", "judge", "review", "report", "board") for size in ("desk", "phone")
    }
    pictures = list((DOCS / "images").glob("*.webp"))
    assert {path.stem for path in pictures} == pages | {"methods"}
    assert sum(path.stat().st_size for path in [wall, *pictures]) < 900_000
    for path in pictures:
        if path.stem == "methods":  # the wall that `aahq-bench page` draws of the committed records' reproduction
            continue
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == ((1280, 800) if path.stem.endswith("desk") else (390, 780))
    house = ElementTree.parse(DOCS / "house.svg").getroot()
    words = " ".join(text.strip() for text in house.itertext())
    for room in ("aahq", "ops", "models", "baselines", "benchmark", "suite"):
        assert room in words


def test_the_reader_is_described_as_it_was_judged() -> None:
    from benchmark.metrics.extractors.reader import load_reader

    page = (DOCS / "numbers.md").read_text()
    for size, found in load_reader().card["judged"].items():
        numbers = (found[name] for name in READER_COLUMNS)
        assert f"| {size} px | {' | '.join(f'{value:.2f}' for value in numbers)} |" in page


READER_COLUMNS = (
    "style of 10",
    "style of 100",
    "style of 10 of its family",
    "style of 10, unchanged input",
    "identity of 10",
    "identity of 100",
)
