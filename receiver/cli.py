"""`headgan-recv`: options in, a call on the screen out."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from headgan.codec.libopus import opus_library
from headgan.codec.memory import DEFAULT_CAPACITY, check_capacity
from headgan.codec.sound_devices import device_line
from headgan.models.contacts import Contacts, check_name
from headgan.models.detail import check_size
from headgan.models.morphable import MorphableModel
from headgan.models.one_thread import keep_to_one_thread
from headgan.models.pncc import CROP_SIZE
from headgan.models.precision import PRECISION_CHOICES
from headgan.models.runtime import PROVIDER_CHOICES
from headgan.proto.errors import DeviceError, UsageError
from headgan.proto.ice import IceConfig
from headgan.proto.options import option, parse_command, run_command
from headgan.proto.program import check_writable, monotonic_ms, run_until_stopped, write_stats
from headgan.proto.signalling import parse_address
from headgan.receiver.call import ReceiverCall
from headgan.receiver.choose_generator import DRAW_CHOICES, check_fused, choose_generator
from headgan.receiver.display import Display
from headgan.receiver.open_sound import NO_SOUND, check_speaker, open_speaker
from headgan.receiver.receive_settings import ReceiveSettings
from headgan.receiver.reference_photo import read_reference
from headgan.receiver.silent_speaker import Fill, SoundOutput
from headgan.receiver.speaker import Speaker, list_speakers
from headgan.receiver.stats import receiver_stats
from headgan.receiver.viewer import Viewer
from headgan.receiver.window import Window

PROG = "headgan-recv"


@dataclass(frozen=True)
class ReceiveOptions:
    """Options of `headgan-recv`."""

    listen: str = option("0.0.0.0:7000", "where to wait for a sender", metavar="HOST:PORT")
    reference: Path | None = option(
        None,
        "photograph of the person to show; left out, the sender's first good frame is used",
        metavar="PHOTO",
    )
    references: int = option(
        DEFAULT_CAPACITY, "pictures of the sender to hold, which it sends as it goes on", metavar="N"
    )
    remember: str | None = option(
        None, "keep these pictures for the next call with this sender, under a name", metavar="NAME"
    )
    viewer: str = option(
        "web", "how to watch: a page for the browser, a window, or nothing", choices=("web", "window", "none")
    )
    viewer_address: str = option(
        "127.0.0.1:0", "where the page is served; port 0 takes a free one", metavar="HOST:PORT"
    )
    speaker: str | None = option(
        None,
        "its number, a part of its name, or none; left out, the system's speaker",
        metavar="SPEAKER",
    )
    record: Path | None = option(None, "record what is shown, as MP4", metavar="FILE")
    record_plain: bool = option(False, "record without the sign on pictures that are held")
    stats: Path | None = option(None, "write statistics of the call, as JSON", metavar="FILE")
    draw: str = option(
        "auto",
        "the trained networks, the geometry alone, or the networks where they are fast enough",
        choices=DRAW_CHOICES,
    )
    provider: str = option("auto", "what runs the networks", choices=PROVIDER_CHOICES)
    precision: str = option(
        "auto", "how a processor computes them; auto: what is fastest here", choices=PRECISION_CHOICES
    )
    fused: int = option(
        0, "pictures to draw one frame from, at most 3, and fewer while there is no time; 0: 3", metavar="K"
    )
    size: int = option(
        CROP_SIZE,
        "pixels of the picture's sides; 512 shows detail that the caller's pictures have at that size, where that side "
        "sends them (at 1.4 times the bytes) or --reference has it",
    )
    generator: Path | None = option(
        None, "another generator than the one that ships, as ONNX", metavar="FILE"
    )
    stun: str | None = option(None, "STUN server, for calls through a NAT", metavar="stun:HOST[:PORT]")
    turn: str | None = option(
        None, "TURN server, for calls through a firewall", metavar="turn:USER:PASSWORD@HOST[:PORT]"
    )
    list: bool = option(False, "list the speakers and exit")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `headgan-recv`; returns the exit code."""
    options = parse_command(
        ReceiveOptions,
        argv,
        prog=PROG,
        about="Wait for a headgan-send and show the person who calls.",
        example="headgan-recv --reference me.jpg --record call.mp4",
    )
    return run_command(PROG, _list if options.list else lambda: _receive(options))


def _list() -> int:
    speakers = list_speakers()
    sys.stdout.writelines(f"{device_line(device)}\n" for device in speakers)
    if not speakers:
        sys.stderr.write(f"{PROG}: no speaker found\n")
    return 0


def _can_hear(options: ReceiveOptions, *, listens: bool) -> bool:
    """Whether the sender is to send its voice: it is heard, by somebody or by the networks, or recorded; and can be."""
    if options.speaker == NO_SOUND and options.record is None and not listens:
        return False
    try:
        opus_library()
    except DeviceError as error:
        sys.stderr.write(f"{PROG}: {error}; the call is silent\n")
        return False
    return True


def _receive(options: ReceiveOptions) -> int:
    keep_to_one_thread()
    check_capacity(options.references)
    if options.remember is not None:
        check_name(options.remember)
        if options.reference is not None or options.references == 1:
            raise UsageError("--remember: there is nothing to remember with --reference or --references 1")
    check_fused(options.fused)
    check_size(options.size)
    check_speaker(options.speaker)
    settings = ReceiveSettings(
        listen=parse_address(options.listen),
        ice=IceConfig(stun=options.stun, turn=options.turn),
        rate_fps=25.0,
        record_path=options.record,
        references=options.references,
        remember=options.remember,
        record_plain=options.record_plain,
        size=options.size,
    )
    check_writable(options.record, "--record")
    check_writable(options.stats, "--stats")
    viewer_address = parse_address(options.viewer_address, allow_any_port=True)
    model = MorphableModel.load()
    reference = read_reference(options.reference) if options.reference else None
    chosen = choose_generator(
        model,
        options.draw,
        options.generator,
        fused=options.fused,
        provider=options.provider,
        precision=options.precision,
        rate_fps=settings.rate_fps,
        program=PROG,
        size=options.size,
    )
    hears = _can_hear(options, listens=chosen.generator.needs("audio"))
    contacts = Contacts()
    if options.remember is not None:
        contacts.check_writable()

    async def run(stopped: asyncio.Event) -> None:
        viewer = window = None
        if options.viewer == "web":
            viewer = Viewer(viewer_address.host, viewer_address.port)
            sys.stdout.write(f"watch at {await viewer.start()}\n")
            sys.stdout.flush()
        elif options.viewer == "window":
            window = Window()
        display: Display | None = viewer or window

        def open_and_show(fill: Fill) -> SoundOutput:
            speaker = open_speaker(options.speaker, fill)
            if viewer and isinstance(speaker, Speaker):
                viewer.speaker = speaker
            return speaker

        call = ReceiverCall(
            replace(settings, fuses=chosen.fuses, fuses_at_first=chosen.fuses_at_first),
            model,
            chosen.generator,
            reference,
            display,
            monotonic_ms,
            contacts,
            open_speaker=open_and_show if hears else None,
        )
        try:
            await call.run(stopped)
        finally:
            if viewer:
                await viewer.close()
            if window:
                window.close()
            write_stats(options.stats, receiver_stats(call, chosen.generator))

    run_until_stopped(run)
    return 0
