"""A clip in, the files that a call leaves behind out: runs the two real commands against each other."""

import json
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgan.benchmarks.children import Process, end_child, finish_child, last_line, start_child, wait_running
from headgan.benchmarks.machine import read_cpu_time
from headgan.proto.errors import PeerError

# Longer than any part of a call takes that does not depend on the clip.
START_LIMIT_S = 60.0
END_LIMIT_S = 15.0


@dataclass(frozen=True)
class CallFiles:
    """What a call left behind.

    Attributes:
        crop: the 256x256 video that was encoded.
        recording: the video that was shown.
        sender: statistics of the sender.
        receiver: statistics of the receiver.
        cpu_stolen: share of this machine's time that its host gave to others meanwhile, 0 to 1; None if unknown.
    """

    crop: Path
    recording: Path
    sender: dict[str, Any]
    receiver: dict[str, Any]
    cpu_stolen: float | None


def run_call(
    clip: Path,
    folder: Path,
    *,
    duration_s: float,
    loop_s: float | None = None,
    receiver_options: tuple[str, ...] = (),
    sender_options: tuple[str, ...] = (),
    receiver_program: tuple[str, ...] | None = None,
    sender_program: tuple[str, ...] | None = None,
) -> CallFiles:
    """Sends `clip` from a headgan-send to a headgan-recv and waits for both to end by themselves.

    Args:
        clip: the video.
        folder: where the files of the call go; made if missing.
        duration_s: how long the clip is, to know when something hangs.
        loop_s: play it over and over and hang up, as Ctrl-C does, after so many seconds.
        receiver_options: more words for headgan-recv.
        sender_options: more words for headgan-send.
        receiver_program: what to run in the place of headgan-recv, which gets its options.
        sender_program: what to run in the place of headgan-send, which gets its options.

    Raises:
        HeadganError: a side failed or did not end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    address = f"127.0.0.1:{port}"
    paths = {name: folder / name for name in ("out.mp4", "crop.mp4", "r.json", "s.json")}
    for path in paths.values():
        path.unlink(missing_ok=True)
    before = read_cpu_time()
    receive = ["--listen", address, "--viewer", "none", "--stats", str(paths["r.json"])]
    send = ["--camera", str(clip), "--peer", address, "--stats", str(paths["s.json"])]
    if loop_s is None:
        receive += ["--record", str(paths["out.mp4"]), "--record-plain"]
        send += ["--save-crop", str(paths["crop.mp4"])]
    else:
        send.append("--loop")
    receiver_program = receiver_program or command_words("receiver")
    sender_program = sender_program or command_words("sender")
    sender_log, receiver_log = folder / "s.log", folder / "r.log"
    receiver = start_child([*receiver_program, *receive, *receiver_options], receiver_log)
    try:
        wait_for_port(receiver, port, receiver_log)
        sender = start_child([*sender_program, *send, *sender_options], sender_log)
        try:
            if loop_s is not None:
                wait_running(sender, "headgan-send", sender_log, loop_s)
                sender.send_signal(signal.SIGINT)
            finish_child(sender, "headgan-send", sender_log, duration_s + START_LIMIT_S)
        finally:
            end_child(sender)
        finish_child(receiver, "headgan-recv", receiver_log, END_LIMIT_S)
    finally:
        end_child(receiver)
    sender_stats, receiver_stats = (json.loads(paths[name].read_text()) for name in ("s.json", "r.json"))
    stolen = read_cpu_time().stolen_since(before)
    return CallFiles(paths["crop.mp4"], paths["out.mp4"], sender_stats, receiver_stats, stolen)


def command_words(side: str) -> tuple[str, ...]:
    """What runs headgan-send (`sender`) or headgan-recv (`receiver`), before its options."""
    code = f"import sys; from headgan.{side}.cli import main; sys.exit(main())"
    return sys.executable, "-c", code


def wait_for_port(process: Process, port: int, log: Path, every_s: float = 0.1) -> None:
    """Waits until a headgan-recv takes calls on `port`.

    Raises:
        PeerError: it does not.
    """
    deadline_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise PeerError(f"headgan-recv ended at its start: {last_line(log)}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(every_s)
    raise PeerError(f"headgan-recv did not start within {START_LIMIT_S:.0f} s: {last_line(log)}")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
