"""What all commands have in common: how words are read, options of several, and the way to the house."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup

# What click calls UsageError; Typer, which brings a click of its own, exports only this one of its kinds.
_Misuse = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[1])


class Commands(TyperGroup):
    """Commands of which words that cannot be understood end with 1, since 2 says that a proposal waits."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words before the command."""
        with _misuse_is_an_error():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Read the words of the command, and run it."""
        with _misuse_is_an_error():
            return super().invoke(ctx)


class Listed(Commands):
    """Commands that list what there is when none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words before the command."""
        return super().parse_args(ctx, args or ["list"])


@contextmanager
def _misuse_is_an_error() -> Iterator[None]:
    try:
        yield
    except _Misuse as misuse:
        misuse.exit_code = 1
        raise


Config = Annotated[Path, typer.Option("--config", "-c", help="The settings file.", envvar="OUTLAY_CONFIG")]
Json = Annotated[bool, typer.Option("--json", help="Answer as one JSON object on standard output.")]
As = Annotated[str | None, typer.Option("--as", help="Who acts; by default the user of this terminal.")]
Then = Annotated[str | None, typer.Option("--as-of", metavar="DAY", help="As it was when this day (YYYY-MM-DD) began.")]
Before = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DAY", help="Only days before this one (YYYY-MM-DD) count; by default, today."),
]

CONFIG: Final = Path("config.toml")


def act(command: str, **arguments: Any) -> None:
    """Run a command and end the process with its exit code."""
    # Deferred: the commands import the whole house, and --help must not wait for it.
    gc.disable()  # to load code makes many objects and no garbage
    commands = importlib.import_module("optimizer.agent.cli.commands")
    commands.found(command)
    gc.enable()
    sys.exit(commands.run(command, **arguments))
