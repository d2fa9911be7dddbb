"""Write `docs/commands.md`: every command of the four programs, with its options and examples, from the commands themselves."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from suite.files import write_whole

PAGE = Path(__file__).parent / "commands.md"
PROGRAMS = {
    "aahq": ("aahq.cli", "Build, review and answer for the dataset."),
    "blendgan": ("models.cli", "Use and train BlendGAN."),
    "baselines": ("baselines.cli", "Train and use AdaIN, MUNIT, FUNIT, DRIT++ and StarGAN v2."),
    "aahq-bench": ("benchmark.cli", "Tables 1-3, figures, records and the leaderboard."),
}
_EXAMPLE = re.compile(r"Examples?:\n")


def commands(program: str) -> Iterator[tuple[str, click.Command]]:
    """Every command of a program by name, in the order of its help."""
    group = importlib.import_module(PROGRAMS[program][0]).main
    context = click.Context(group)
    for name in group.list_commands(context):
        yield name, group.get_command(context, name)


def paragraphs(command: click.Command) -> Iterator[tuple[str, str]]:
    """The help's parts: ("text", a paragraph on one line), ("example" or "block", lines to keep as they are)."""
    for part in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "")):
        if not part.startswith("\b"):
            yield "text", " ".join(part.split())
        elif _EXAMPLE.match(kept := part.removeprefix("\b").lstrip("\n")):
            yield "example", inspect.cleandoc("\n" + _EXAMPLE.sub("", kept, count=1))
        else:
            yield "block", kept


def option_line(option: click.Option) -> str:
    """One option: its names, what it takes, its help, its default."""
    takes = "" if option.is_flag else f" {option.metavar or _kind(option)}"
    default = ""
    if option.show_default and not option.is_flag and isinstance(option.default, str | int | float):
        default = f" Default: `{option.default}`."
    needed = " Needed." if option.required else ""
    return f"- `{', '.join(option.opts)}{takes}`: {(option.help or '').strip()}{needed}{default}"


def _kind(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    if isinstance(option.type, click.Path):
        return "PATH"
    return "N" if isinstance(option.type, click.types.IntParamType) else "VALUE"


def section(program: str, name: str, command: click.Command) -> list[str]:
    """A command's part of the page."""
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    words = [
        f"{a.metavar or (a.name or '').upper()}{'...' if a.nargs < 0 and not a.metavar else ''}" for a in arguments
    ]
    usage = " ".join([program, name, *(w if a.required else f"[{w}]" for a, w in zip(arguments, words))])
    out = [f"### {program} {name}", "", f"`{usage} [OPTIONS]`", ""]
    for kind, text in paragraphs(command):
        out += [text, ""] if kind == "text" else [f"```{'sh' if kind == 'example' else 'text'}", text, "```", ""]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    return [*out, *(option_line(option) for option in options), ""]


def page() -> str:
    """The whole page."""
    out = [
        "# Commands",
        "",
        "Written by `python docs/make_commands.py` from the commands' own help; `COMMAND --help` says the same.",
        "Every command ends with 0 when it did what was asked, 1 when a check failed or a cell is missing, 2 on bad input",
        "or a failing disk, memory or network (one line on standard error names the file or option and the fix), 130 when",
        "interrupted, and 70 for a bug of ours: one line says what to report, and the same command with `--traceback` shows",
        "all of it. `--json` prints one JSON object on standard output. Progress goes to standard error.",
        "",
    ]
    for program, (_, what) in PROGRAMS.items():
        out += [f"## {program}", "", what, ""]
        for name, command in commands(program):
            out += section(program, name, command)
    return "\n".join(out).rstrip() + "\n"


if __name__ == "__main__":
    write_whole(PAGE, page())
