"""The ``kd2edge`` command: verbs loaded when they are used, errors turned into exit codes."""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any, NoReturn, TextIO, final

import click

from kd2edge.cli.missing import advice
from kd2edge.cli.verbs import VERBS
from kd2edge.errors import BackendError, Kd2edgeError, Problem, RecipeError, StorageError

_USAGE = 2
_STORAGE = 4
_INTERRUPTED = 130
_TERMINATED = 143
_BROKEN_PIPE = 141  # 128 + SIGPIPE, as shells report a command whose reader left
#: Variable that lets an unforeseen error show its traceback.
TRACEBACK = "KD2EDGE_TRACEBACK"


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

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # click would end with 1 and no word, whichever pipe it was.
            if not _has_no_reader(sys.stdout):
                raise StorageError(f"a pipe to another process broke: {error}") from error
            # The reader of our output left (`| head`).  Not 0: what the verb would have answered,
            # such as a failed gate, is not known.  The interpreter's last flush must find a place.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _BROKEN_PIPE

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
        from kd2edge.version import __version__

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


def _has_no_reader(stream: TextIO) -> bool:
    """Whether a stream is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):  # Windows: it was the only pipe that we know of
        return True
    ask = select.poll()
    try:
        ask.register(stream.fileno(), 0)
    except (OSError, ValueError):  # no file of the system, or closed
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in ask.poll(0))


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with the exit code of the design.

    Args:
        arguments: what follows ``kd2edge``; None: those of the process.
    """
    signal.signal(signal.SIGTERM, _terminate)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result: Any = kd2edge.main(given, prog_name="kd2edge", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (the last door: nothing may pass it as a wall of text)
        failure = _failure(error, given[:1] == ["distill"])
        if "--json" in given:
            click.echo(json.dumps({"error": failure.to_json()}, ensure_ascii=False))
        failure.tell()
        sys.exit(failure.code)
    sys.exit(result if isinstance(result, int) else 0)


def _failure(error: BaseException, resumable: bool) -> Failure:
    """What an error means to the person in front of the terminal."""
    cause = error.__cause__ if isinstance(error, click.Abort) else error
    # In a training step the loop says so itself; this is between two of them, or before the first.
    more = " Finished parts were kept: go on with the same command and --resume." * resumable
    if isinstance(cause, _Terminated):
        return Failure("Interrupted", f"Terminated.{more}", _TERMINATED)
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return Failure("Interrupted", f"Interrupted.{more}", _INTERRUPTED)
    if isinstance(error, click.ClickException):
        return Failure("UsageError", error.format_message(), _USAGE, usage=error)
    if isinstance(error, Kd2edgeError):
        problems = error.problems if isinstance(error, RecipeError) else None
        return Failure(type(error).__name__, str(error), error.exit_code, problems)
    if isinstance(error, ModuleNotFoundError) and (text := advice(error)) is not None:
        return Failure("BackendError", text, BackendError.exit_code)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or str(error) or type(error).__name__
        return Failure("StorageError", f"{place}{reason}", _STORAGE, error=error)
    if isinstance(error, MemoryError):
        return Failure("MemoryError", "out of memory: try fewer rows at a time", 1, error=error)
    return Failure("Unexpected", f"unexpected {type(error).__name__}: {error}", 1, error=error)


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """How the command ends when it does not end well.

    Args:
        kind: name of the error for programs.
        message: for people.
        code: exit code.
        problems: each problem of a recipe.
        usage: click's own error, which knows how the command is called.
        error: one that kd2edge did not foresee; its traceback is shown on demand.
    """

    kind: str
    message: str
    code: int
    problems: Sequence[Problem] | None = None
    usage: click.ClickException | None = None
    error: BaseException | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        found: dict[str, Any] = {
            "type": self.kind,
            "message": self.message,
            "exit_code": self.code,
        }
        if self.problems is not None:
            found["problems"] = [asdict(problem) for problem in self.problems]
        return found

    def tell(self) -> None:
        """Say it on stderr."""
        if self.usage is not None:
            self.usage.show()
            return
        stopped = self.code in {_INTERRUPTED, _TERMINATED}
        click.echo(self.message if stopped else f"error: {self.message}", err=True)
        if self.error is not None:
            if os.environ.get(TRACEBACK):
                traceback.print_exception(self.error)
            else:
                click.echo(f"({TRACEBACK}=1 shows where it comes from)", err=True)
