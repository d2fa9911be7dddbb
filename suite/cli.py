"""Base of all commands: click groups that turn mistakes into one line, suggest the nearest command, print JSON."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pkgutil import resolve_name
from typing import Any, TypeVar

import click

from suite.children import stop_with_starter
from suite.errors import SuiteError, did_you_mean
from suite.failures import explain, report
from suite.progress import set_quiet
from suite.terminal import say, say_json

C = TypeVar("C", bound=click.Command)
BUG = 70
_TRACEBACK = "--traceback"
# Taken out of the command line before click reads it, so that it may stand anywhere; here for the help.
_traceback_option = click.Option([_TRACEBACK], is_flag=True, expose_value=False, help="Show a failure in full.")


class SuiteGroup(click.Group):
    """A click group whose failures are one line on standard error: `error: <what> (<fix>)`.

    Exit codes: 0 done, 1 found what it was asked to look for (a failed check), 2 bad input or a failing disk, network or
    memory, 70 a bug, 130 interrupted; a command may document others through `SuiteError.exit_code`. `--traceback`
    anywhere in the command line shows what Python says of a failure.

    Args:
        lazy: command name -> `"module:attribute"`; the module is imported when its command is used, so that
            `--help` and light commands never wait for heavy libraries. Order is the order of the help.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), _traceback_option]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *(name for name in super().list_commands(ctx) if name not in self.lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        command: click.Command = resolve_name(self.lazy[cmd_name])
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise SuiteError(
                f"{ctx.command_path}: no command {args[0]!r}{did_you_mean(args[0], self.list_commands(ctx))}"
            )
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, list(_present_names(rest, getattr(command, "renamed", {})))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EOFError as error:
            # A file's early end, which click would take for ctrl-D at a prompt.
            raise struct.error(str(error)) from error

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        stop_with_starter()
        arguments = args[0] if args else kwargs.pop("args", None)
        words = list(sys.argv[1:] if arguments is None else arguments)
        without_traceback = [word for word in words if word != _TRACEBACK]
        try:
            result = super().main(without_traceback, *args[1:], **kwargs)
        except click.exceptions.Exit as stop:
            sys.exit(stop.exit_code)
        except SuiteError as error:
            _fail(str(error), error.exit_code)
        except click.ClickException as error:
            where = error.ctx.command_path + ": " if isinstance(error, click.UsageError) and error.ctx else ""
            _fail(where + " ".join(error.format_message().split()), 2)
        except (KeyboardInterrupt, click.Abort):
            _fail("interrupted; run the same command again to go on", 130)
        except BrokenPipeError:
            # The reader (`head`, say) has what it wanted; keep the interpreter's own flush at exit from complaining.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except Exception as error:
            if without_traceback != words:
                raise
            known = explain(error, without_traceback)
            _fail(known or report(error), 2 if known else BUG)
        sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str, code: int) -> None:
    say(f"error: {message}", err=True)
    sys.exit(code)


def run_script(main: Callable[[list[str]], object]) -> None:
    """`main` of a script with what stands on its command line; a SuiteError is its last line."""
    try:
        main(sys.argv[1:])
    except SuiteError as error:
        sys.exit(f"error: {error}")


def renamed(old: str, new: str) -> Callable[[C], C]:
    """The command goes on taking an option by its earlier name for one version, with a line that names the new one."""

    def decorate(command: C) -> C:
        names = {**getattr(command, "renamed", {}), old: new}
        setattr(command, "renamed", names)  # noqa: B010
        return command

    return decorate


def _present_names(words: list[str], names: Mapping[str, str]) -> Iterator[str]:
    options = True
    for word in words:
        options = options and word != "--"
        old, equals, value = word.partition("=")
        if options and old in names:
            say(f"{old}: is {names[old]} now; the old name goes with the next version", err=True)
            word = f"{names[old]}{equals}{value}"
        yield word


def ignored(option: str, why: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option with a value that is taken for one version more and does nothing, with a line that says why."""

    def warn(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            say(f"{option}: is ignored, {why}; the option goes with the next version", err=True)

    return click.option(option, hidden=True, expose_value=False, callback=warn, help=f"Ignored: {why}.")


def _json_flag(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    if value:
        set_quiet(True)
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_json_flag, help="Print one JSON object instead of text; no bars."
)


def emit(value: dict[str, Any], text: str, as_json: bool) -> None:
    """Print `value` as JSON or `text` for people."""
    say_json(value, indent=2) if as_json else say(text)
