"""The ``kd2edge`` command: verbs loaded when they are used, errors turned into exit codes."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn, final

import click

from kd2edge.cli.verbs import VERBS
from kd2edge.errors import Interrupted, Kd2edgeError, RecipeError

_INTERRUPTED = 130
_TERMINATED = 143


@final
class _Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C so that state is saved; the exit code tells them apart."""


@final
class LazyGroup(click.Group):
    """A group whose commands are imported when they run, so that ``--help`` stays instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"kd2edge.cli.{VERBS[cmd_name][0]}")
        return module.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in sorted(VERBS.items())])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verb = args[0] if args else ""
        if verb and not verb.startswith("-") and verb not in VERBS:
            import difflib

            near = difflib.get_close_matches(verb, VERBS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {verb!r}.{hint}")
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from kd2edge import __version__

        click.echo(f"kd2edge {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, callback=_version, expose_value=False, is_eager=True,
    help="Show the version and exit.",
)  # fmt: skip
def kd2edge() -> None:
    """Distil multi-task teachers into one small student and put it, proven, on the edge.

    Start with `kd2edge new mine` or read `kd2edge distill --help`.
    """


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def main() -> NoReturn:
    """Run the command line and leave with the exit code of the design."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        result: Any = kd2edge.main(standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except _Terminated:
        sys.exit(_fail("terminated", "Terminated.", _TERMINATED))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_fail("interrupted", "Interrupted.", _INTERRUPTED))
    except Interrupted as stop:
        code = _TERMINATED if isinstance(stop.__cause__, _Terminated) else _INTERRUPTED
        sys.exit(_fail("interrupted", str(stop), code))
    except Kd2edgeError as error:
        sys.exit(_fail_known(error))
    except BrokenPipeError:
        # The reader of our output left (`| head`): that is no failure, but the interpreter would say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)


def _fail_known(error: Kd2edgeError) -> int:
    problems = (
        [{"message": p.message, "file": p.file, "line": p.line, "column": p.column, "field": p.field}
         for p in error.problems]
        if isinstance(error, RecipeError)
        else None
    )  # fmt: skip
    return _fail(type(error).__name__, str(error), error.exit_code, problems)


def _fail(kind: str, message: str, code: int, problems: list[dict[str, Any]] | None = None) -> int:
    if "--json" in sys.argv:
        error: dict[str, Any] = {"type": kind, "message": message, "exit_code": code}
        if problems is not None:
            error["problems"] = problems
        click.echo(json.dumps({"error": error}, ensure_ascii=False))
    click.echo(f"error: {message}" if code not in {_INTERRUPTED, _TERMINATED} else message, err=True)
    return code
