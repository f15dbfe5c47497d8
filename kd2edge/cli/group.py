"""The ``kd2edge`` command: verbs loaded when they are used, errors turned into exit codes."""

from __future__ import annotations

import importlib
import os
import select
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, TextIO, final

import click

from kd2edge.cli.failure import failure_of
from kd2edge.cli.output import open_streams
from kd2edge.cli.signals import Stopped, catch_signals
from kd2edge.cli.verbs import VERBS
from kd2edge.errors import StorageError

_BROKEN_PIPE = 141  # 128 + SIGPIPE, as shells report a command whose reader left


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

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **more)  # --help and --version print here
        except BrokenPipeError:
            raise click.exceptions.Exit(_left()) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # click would end with 1 and no word, whichever pipe it was.
            if not _has_no_reader(sys.stdout):
                raise StorageError(f"a pipe to another process broke: {error}") from error
            return _left()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in sorted(VERBS.items())])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verb = args[0] if args else ""
        if verb and not verb.startswith("-") and verb not in VERBS:
            from kd2edge.wording import meant

            ctx.fail(f"No such command {verb!r}{meant(verb, VERBS, before='; ')}")
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


def _left() -> int:
    """The exit code when the reader of our output left (`| head`).

    Not 0: what the verb would have answered, such as a failed gate, is not known.
    """
    # The interpreter's last flush must find a place.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _BROKEN_PIPE


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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with the exit code of the design.

    Args:
        arguments: what follows ``kd2edge``; None: those of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    stopped = catch_signals("--json" in given)
    try:
        open_streams()
        result: Any = kd2edge.main(given, prog_name="kd2edge", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  (the last door: nothing may pass it as a wall of text)
        sys.exit(_told(error, given, stopped))
    sys.exit(result if isinstance(result, int) else 0)


def _told(error: BaseException, given: Sequence[str], stopped: Sequence[Stopped]) -> int:
    """Say what went wrong; the exit code."""
    failure = failure_of(error, resumable=given[:1] == ["distill"], signalled=stopped)
    try:
        failure.tell(as_json="--json" in given)
    except BrokenPipeError:
        return _left() if _has_no_reader(sys.stdout) else failure.code
    return failure.code
