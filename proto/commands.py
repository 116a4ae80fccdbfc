"""A program with several commands: their descriptions in, the one that was asked for run."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from headgan.proto.options import add_options, make_parser, read_options, run_command


@dataclass(frozen=True)
class Command:
    """One command of a program.

    Attributes:
        words: what the user types, such as ("morphable", "build").
        options: a dataclass made with `headgan.proto.options`.
        run: takes the options, returns the exit code.
        about: one sentence for the help.
        example: a call that works.
    """

    words: tuple[str, ...]
    options: type[Any]
    run: Callable[[Any], int]
    about: str
    example: str


def run_commands(prog: str, about: str, commands: Sequence[Command], argv: Sequence[str] | None) -> int:
    """Parses `argv` and runs its command; returns the exit code."""
    parser = make_parser(prog=prog, about=about, example=commands[0].example)
    groups: dict[tuple[str, ...], Any] = {(): parser.add_subparsers(required=True, metavar="COMMAND")}
    for command in commands:
        *path, word = command.words
        sub = _group(groups, tuple(path)).add_parser(
            word,
            help=command.about,
            description=command.about,
            epilog=f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_options(sub, command.options)
        sub.set_defaults(command=command)
    if not (sys.argv[1:] if argv is None else argv):
        words = dict.fromkeys(command.words[0] for command in commands)
        parser.error(f"give a command: {', '.join(words)}")
    parsed = parser.parse_args(argv)
    chosen: Command = parsed.command
    options = read_options(parsed, chosen.options)
    return run_command(" ".join((prog, *chosen.words)), lambda: chosen.run(options))


def _group(groups: dict[tuple[str, ...], Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - argparse's is private
    """The subparsers under the words `path`, made when they are first asked for."""
    if path not in groups:
        parser = _group(groups, path[:-1]).add_parser(path[-1], help=f"commands about {path[-1]}")
        groups[path] = parser.add_subparsers(required=True, metavar="COMMAND")
    return groups[path]
