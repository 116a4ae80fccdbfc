"""Command lines from dataclasses: types, defaults, one-line errors, exit codes, and how a command ends."""

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from headgan.proto import errors
from headgan.proto.errors import DeviceError, HeadganError, PeerError, UsageError
from headgan.proto.options import argument, option, parse_command, required, run_command
from headgan.proto.program import check_writable, run_until_stopped, write_stats


@dataclass(frozen=True)
class Options:
    clips: tuple[Path, ...] = argument("the clips", many=True)
    output: Path = required("the result", flag="-o", metavar="FILE")
    fps: float = option(25.0, "frames a second")
    count: int = option(3, "how many")
    name: str | None = option(None, "a name")
    colour: str = option("red", "a colour", choices=("red", "blue"))
    loop: bool = option(False, "over and over")


def parse(*argv: str) -> Options:
    return parse_command(Options, argv, prog="tool", about="A tool.", example="tool a.mp4 -o b.mp4")


def test_every_default_is_the_one_of_the_dataclass() -> None:
    options = parse("a.mp4", "-o", "b.mp4")
    assert options == Options(clips=(Path("a.mp4"),), output=Path("b.mp4"))
    assert options.name is None


def test_every_type() -> None:
    line = [
        "a.mp4",
        "b.mp4",
        "--output=c.mp4",
        "--fps=30",
        "--count=4",
        "--name=x",
        "--colour=blue",
        "--loop",
    ]
    assert parse(*line) == Options((Path("a.mp4"), Path("b.mp4")), Path("c.mp4"), 30.0, 4, "x", "blue", True)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a.mp4", "required: -o/--output"),
        ("-o b.mp4", "required: clips"),
        ("a.mp4 -o b.mp4 --fps many", "argument --fps: invalid float value: 'many'"),
        ("a.mp4 -o b.mp4 --count 1.5", "argument --count: invalid int value: '1.5'"),
        ("a.mp4 -o b.mp4 --colour green", "argument --colour: invalid choice: 'green'"),
        ("a.mp4 -o b.mp4 --size 3", "unrecognized arguments: --size 3"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    line: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        parse(*line.split())
    assert exit_info.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("tool: ")
    assert printed.err.count("\n") == 1
    assert complaint in printed.err
    assert "tool --help" in printed.err


def test_help_shows_defaults_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        parse("--help")
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert "example:\n  tool a.mp4 -o b.mp4" in text
    assert "(default: 25.0)" in text
    assert "None" not in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        parse("--version")
    assert exit_info.value.code == 0
    assert capsys.readouterr().out == f"tool {version('headgan')}\n"


def test_a_type_that_no_option_can_have() -> None:
    @dataclass(frozen=True)
    class Wrong:
        values: list[int] = option(None, "numbers")

    with pytest.raises(TypeError, match="cannot have the type"):
        parse_command(Wrong, [], prog="tool", about="", example="")


def failing(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [(PeerError("it is gone"), 1), (UsageError("it is wrong"), 2), (HeadganError("it failed"), 1)],
)
def test_an_expected_error_is_one_line_and_its_exit_code(
    error: HeadganError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("tool", failing(error)) == code
    assert capsys.readouterr().err == f"tool: {error}\n"


def test_other_ends_of_a_command() -> None:
    assert run_command("tool", lambda: 0) == 0
    assert run_command("tool", failing(KeyboardInterrupt())) == 130
    # A mistake in the program must not look like one of the user.
    with pytest.raises(ZeroDivisionError):
        run_command("tool", failing(ZeroDivisionError()))


def test_every_error_has_an_exit_code_of_a_failure() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) == 7
    assert {error.exit_code for error in classes if issubclass(error, HeadganError)} == {1, 2}


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_a_command_end_cleanly(number: int) -> None:
    ended = []

    async def main(stopped: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stopped.wait(), 5)
        ended.append("cleanly")

    before = signal.getsignal(signal.SIGINT)
    run_until_stopped(main)
    assert ended == ["cleanly"]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process there")
def test_a_second_ctrl_c_interrupts_at_once() -> None:
    async def main(stopped: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stopped.wait(), 5)
        # As a person would, while the command is busy ending.
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        await asyncio.sleep(5)
        pytest.fail("it was not interrupted")

    with pytest.raises(KeyboardInterrupt):
        run_until_stopped(main)


def test_an_error_of_a_command_comes_through() -> None:
    async def main(_stopped: asyncio.Event) -> None:
        raise PeerError("it is gone")

    with pytest.raises(PeerError, match="it is gone"):
        run_until_stopped(main)


def test_stats_are_written_as_json(tmp_path: Path) -> None:
    write_stats(tmp_path / "stats.json", {"frames": 3})
    assert json.loads((tmp_path / "stats.json").read_text()) == {"frames": 3}
    write_stats(None, {"frames": 3})
    with pytest.raises(DeviceError, match="cannot be written to"):
        write_stats(tmp_path / "missing" / "stats.json", {})


def test_a_file_that_cannot_be_written_is_noticed_early(tmp_path: Path) -> None:
    check_writable(None, "--stats")
    check_writable(tmp_path / "stats.json", "--stats")
    with pytest.raises(DeviceError, match=r"--stats .*missing does not exist; make it first"):
        check_writable(tmp_path / "missing" / "stats.json", "--stats")
    with pytest.raises(DeviceError, match="this is a folder"):
        check_writable(tmp_path, "--stats")
