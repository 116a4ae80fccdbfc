"""A frozen dataclass in, an argparse parser out: every option and its default is written once.

@dataclass(frozen=True)
class TrackOptions:
    video: Path = argument("the clip")
    fps: float = option(25.0, "frames a second")
"""

import argparse
import dataclasses
import logging
import sys
import types
import typing
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from headgan.proto.errors import HeadganError

T = TypeVar("T")


def option(
    default: Any,  # noqa: ANN401 - a dataclass field's default may be anything
    text: str,
    *,
    choices: Sequence[str] | None = None,
    metavar: str | None = None,
) -> Any:  # noqa: ANN401
    """A dataclass field that becomes `--name`; a False default becomes a flag."""
    return dataclasses.field(
        default=default, metadata={"help": text, "choices": choices, "metavar": metavar, "is_option": True}
    )


def argument(text: str, *, many: bool = False, metavar: str | None = None) -> Any:  # noqa: ANN401
    """A dataclass field that becomes a positional argument; `many` takes one or more."""
    return dataclasses.field(metadata={"help": text, "many": many, "metavar": metavar, "is_option": False})


def required(text: str, *, metavar: str | None = None, flag: str | None = None) -> Any:  # noqa: ANN401
    """A dataclass field that becomes an option without a default, which the user has to give."""
    return dataclasses.field(metadata={"help": text, "metavar": metavar, "is_option": True, "flag": flag})


def add_options(parser: argparse.ArgumentParser, options_class: type[Any]) -> None:
    """Adds every field of the dataclass `options_class` to `parser`."""
    hints = typing.get_type_hints(options_class)
    for field in dataclasses.fields(options_class):
        meta = field.metadata
        convert = _converter(hints[field.name])
        keywords: dict[str, Any] = {"help": meta["help"]}
        if meta.get("metavar"):
            keywords["metavar"] = meta["metavar"]
        if not meta["is_option"]:
            if meta.get("many"):
                keywords["nargs"] = "+"
            parser.add_argument(field.name, type=convert, **keywords)
            continue
        flags = ["--" + field.name.replace("_", "-")]
        if meta.get("flag"):
            flags.insert(0, meta["flag"])
        keywords["dest"] = field.name
        if convert is bool:
            parser.add_argument(*flags, action="store_true", **keywords)
        elif field.default is dataclasses.MISSING:
            parser.add_argument(*flags, required=True, type=convert, **keywords)
        else:
            if field.default is not None:
                keywords["help"] += f" (default: {field.default})"
            choices = meta.get("choices")
            parser.add_argument(*flags, default=field.default, type=convert, choices=choices, **keywords)


def read_options(namespace: argparse.Namespace, options_class: type[T]) -> T:
    """The dataclass `options_class` filled from what argparse parsed."""
    values = {}
    for field in dataclasses.fields(options_class):  # type: ignore[arg-type]
        value = getattr(namespace, field.name)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    return options_class(**values)


def parse_command(
    options_class: type[T], argv: Sequence[str] | None, *, prog: str, about: str, example: str
) -> T:
    """Parses the command line of a program with one command; argparse exits with 2 on bad usage."""
    parser = make_parser(prog=prog, about=about, example=example)
    add_options(parser, options_class)
    return read_options(parser.parse_args(argv), options_class)


def make_parser(*, prog: str, about: str, example: str) -> argparse.ArgumentParser:
    """A parser whose help ends with an example that works, and that knows --version."""
    parser = _Parser(
        prog=prog,
        description=about,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"{prog} {version('headgan')}",
        help="show the version and exit",
    )
    return parser


def run_command(prog: str, command: Callable[[], int]) -> int:
    """Runs `command`; logs go to stderr, an expected error becomes one line there and its exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=f"{prog}: %(message)s")
    logging.getLogger("headgan").setLevel(logging.INFO)
    try:
        return command()
    except HeadganError as error:
        sys.stderr.write(f"{prog}: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others, without the usage before them."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _converter(hint: object) -> Callable[[str], Any]:
    """The function that reads one word of the command line as the type `hint`."""
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        hint = typing.get_args(hint)[0]
    if hint in (str, int, float, bool, Path):
        return typing.cast(Callable[[str], Any], hint)
    raise TypeError(f"an option cannot have the type {hint}")
