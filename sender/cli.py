"""`headgan-send`: options in, a call out."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from headgan.codec.memory import DEFAULT_CAPACITY, check_capacity
from headgan.codec.param_code import UNITS_PER_PX
from headgan.codec.param_encoder import DEFAULT_QUALITY
from headgan.codec.quantizer import STEPS, step_of
from headgan.codec.reference_planner import DEFAULT_KBPS
from headgan.codec.sound_devices import device_line
from headgan.codec.stage_times import percentiles
from headgan.codec.voice import DEFAULT_VOICE_KBPS
from headgan.models.contacts import Contacts
from headgan.models.crop import parse_crop
from headgan.models.detail import check_size
from headgan.models.morphable import MorphableModel
from headgan.models.one_thread import keep_to_one_thread
from headgan.models.precision import open_networks
from headgan.models.smoothing import smoothing_settings
from headgan.models.tracker import MediaPipeTracker
from headgan.proto.errors import UsageError
from headgan.proto.hello import LARGE_PICTURE_PX
from headgan.proto.ice import IceConfig
from headgan.proto.options import option, parse_command, run_command
from headgan.proto.program import check_writable, monotonic_ms, run_until_stopped, write_stats
from headgan.proto.signalling import parse_address
from headgan.proto.wire_meter import wire_report
from headgan.sender.analysis import FaceAnalyser
from headgan.sender.call import SenderCall
from headgan.sender.camera import list_cameras, open_source
from headgan.sender.microphone import list_microphones
from headgan.sender.mute_key import KEY, watch_mute_key
from headgan.sender.open_sound import (
    AUDIO_CHOICES,
    FEATURES,
    NO_SOUND,
    VOICE,
    check_sound,
    choose_audio,
    open_sound,
)
from headgan.sender.own_looks import OwnLooks
from headgan.sender.param_packer import NARROW_MS, frames_in
from headgan.sender.send_settings import SendSettings

PROG = "headgan-send"


@dataclass(frozen=True)
class SendOptions:
    """Options of `headgan-send`."""

    camera: str = option("0", "camera number, device, or a video file played in real time", metavar="CAMERA")
    peer: str = option("127.0.0.1:7000", "where headgan-recv listens", metavar="HOST:PORT")
    fps: float = option(25.0, "frames a second")
    crop: str = option("auto", "what is sent: auto, none (largest square), or x,y,size in camera pixels")
    smoothing: float = option(0.25, "calms the tracked face, 0 (off) to 1 (strong)")
    references: int = option(
        DEFAULT_CAPACITY, "pictures of you that the other side may hold; 1: only the first", metavar="N"
    )
    kbps: float = option(DEFAULT_KBPS, "kbit/s that sending these pictures may cost")
    size: int = option(
        LARGE_PICTURE_PX,
        "pixels of these pictures' sides, 256 or 512; 512 only where the other side wants it and the camera has them",
    )
    fallback: float = option(
        0.0, "kbit/s of video that is sent while your face cannot be drawn; 0 for none", metavar="KBPS"
    )
    quality: float = option(DEFAULT_QUALITY, "of your face's movement, 0 (coarse) to 1 (fine)")
    face_kbps: float = option(
        0.0,
        "kbit/s that your face's movement may cost, instead of --quality; 0 holds the quality",
        metavar="KBPS",
    )
    packet_ms: float = option(
        40.0, "put frames of so long, up to four, in a packet: fewer bytes of headers, later"
    )
    narrow: bool = option(False, "the same as --packet-ms 120: half the bytes on the wire")
    remember: bool = option(
        False,
        "keep these pictures on this machine too: where the other side remembers you, none is sent again",
    )
    audio: str = option(
        VOICE,
        "what of your sound is sent: your voice; features, which let your lips be drawn by what you say without your "
        "voice leaving this machine; or none, and no microphone is opened",
        choices=AUDIO_CHOICES,
    )
    microphone: str | None = option(
        None,
        "its number, a part of its name, none, or file: the sound of the file that --camera plays; left out, "
        "the sound of such a file, or else the system's microphone",
        metavar="MICROPHONE",
    )
    voice_kbps: float = option(DEFAULT_VOICE_KBPS, "kbit/s of your voice, 6 to 32", metavar="KBPS")
    loop: bool = option(False, "play a video file over and over")
    save_crop: Path | None = option(None, "save the 256x256 video that is encoded, as MP4", metavar="FILE")
    stats: Path | None = option(None, "write statistics of the call, as JSON", metavar="FILE")
    stun: str | None = option(None, "STUN server, for calls through a NAT", metavar="stun:HOST[:PORT]")
    turn: str | None = option(
        None, "TURN server, for calls through a firewall", metavar="turn:USER:PASSWORD@HOST[:PORT]"
    )
    list: bool = option(False, "list the cameras and the microphones and exit")
    list_cameras: bool = option(False, "list the cameras alone, without a heading, and exit")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `headgan-send`; returns the exit code."""
    options = parse_command(
        SendOptions,
        argv,
        prog=PROG,
        about="Call a headgan-recv and send your face, not your video.",
        example="headgan-send --camera 0 --peer 192.168.1.20:7000",
    )
    if options.list:
        return run_command(PROG, _list)
    return run_command(PROG, _list_cameras if options.list_cameras else lambda: _send(options))


def _list() -> int:
    sys.stdout.write("cameras\n")
    sys.stdout.flush()
    _list_cameras()
    sys.stdout.write("microphones\n")
    microphones = list_microphones()
    sys.stdout.writelines(f"{device_line(device)}\n" for device in microphones)
    if not microphones:
        sys.stderr.write(f"{PROG}: no microphone found\n")
    return 0


def _list_cameras() -> int:
    cameras = list_cameras()
    for camera in cameras:
        sys.stdout.write(f"{camera.index}  {camera.path}  {camera.name}\n")
    if not cameras:
        sys.stderr.write(f"{PROG}: no camera found\n")
    return 0


def _send(options: SendOptions) -> int:
    keep_to_one_thread()
    if not 1 <= options.fps <= 120:
        raise UsageError(f"--fps {options.fps:g}: give 1 to 120")
    check_capacity(options.references)
    check_size(options.size)
    if not 0.1 <= options.kbps <= 10_000:
        raise UsageError(f"--kbps {options.kbps:g}: give 0.1 to 10000")
    if options.fallback and not 5 <= options.fallback <= 10_000:
        raise UsageError(f"--fallback {options.fallback:g}: give 5 to 10000, or 0 for no video")
    if options.face_kbps and not 0.1 <= options.face_kbps <= 100:
        raise UsageError(f"--face-kbps {options.face_kbps:g}: give 0.1 to 100, or 0 to hold the quality")
    check_sound(options.microphone, options.voice_kbps, options.camera)
    audio = choose_audio(options.audio, options.microphone, options.voice_kbps)
    if not 0 < options.packet_ms <= 1000:
        raise UsageError(f"--packet-ms {options.packet_ms:g}: give more than 0, to 1000")
    step_of(options.quality)
    if options.crop != "none":
        parse_crop(options.crop)
    settings = SendSettings(
        peer=parse_address(options.peer),
        ice=IceConfig(stun=options.stun, turn=options.turn),
        rate_fps=options.fps,
        crop_path=options.save_crop,
        references=options.references,
        reference_kbps=options.kbps,
        fallback_kbps=options.fallback,
        quality=options.quality,
        face_kbps=options.face_kbps or None,
        frames_per_packet=frames_in(NARROW_MS if options.narrow else options.packet_ms, options.fps),
        voice_kbps=options.voice_kbps,
        audio=audio,
        picture_px=options.size,
    )
    if options.remember and options.references == 1:
        raise UsageError("--remember: there is nothing to remember with --references 1")
    smoothing = smoothing_settings(options.smoothing)
    check_writable(options.save_crop, "--save-crop")
    check_writable(options.stats, "--stats")
    contacts = Contacts()
    if options.remember:
        contacts.check_writable()
    source = open_source(options.camera, loop=options.loop)
    model = MorphableModel.load()
    own = OwnLooks(contacts, model, is_remembering=options.remember)
    analyser = FaceAnalyser(
        model,
        MediaPipeTracker(),
        crop=options.crop,
        smoothing=smoothing,
        clock_ms=monotonic_ms,
        kept=tuple(own.kept.values()),
        size=options.size,
    )
    call = SenderCall(
        source,
        analyser,
        model,
        settings,
        monotonic_ms,
        own,
        open_generator=lambda: open_networks(model, provider="cpu"),
        open_sound=None
        if audio == NO_SOUND
        else lambda started_ms: open_sound(options.microphone, source, started_ms),
    )

    if sys.stdin is not None and sys.stdin.isatty() and audio != NO_SOUND:
        sys.stderr.write(f"{PROG}: press {KEY} and Enter to mute yourself, and again to be heard\n")
        watch_mute_key(sys.stdin, call.toggle_mute)

    async def run(stopped: asyncio.Event) -> None:
        try:
            await call.run(stopped)
        finally:
            write_stats(options.stats, sender_stats(call))

    run_until_stopped(run)
    return 0


def _reference_stats(call: SenderCall) -> dict[str, int] | None:
    """Pictures known at the start, sent, and held by the receiver at the end; None for a memory of one."""
    filler = call.planner.filler
    if filler is None:
        return None
    return {
        "known": filler.known,
        "sent": filler.sent,
        "held": filler.held,
        "first_bytes": filler.first_bytes,
        "bytes_after_first": filler.sent_bytes,
    }


def _video_stats(call: SenderCall) -> dict[str, int] | None:
    """Of the video that was sent while no face could be drawn; None without --fallback."""
    live = call.planner.live
    return None if live is None else {"frames": live.frames, "bytes": live.frame_bytes}


def _voice_stats(call: SenderCall, seconds: float) -> dict[str, Any] | None:
    """What the voice, or what is said, cost without headers; None for a call that sent none."""
    voice = call.frames.voice
    if not voice.frames:
        return None
    return {
        "frames": voice.frames,
        **({"copies": voice.copies} if call.settings.audio == VOICE else {}),
        "bytes": voice.data_bytes,
        "kbps": round(voice.data_bytes * 8 / 1000 / seconds, 3) if seconds else None,
        "held_back": call.counts.voice_held_back + voice.too_old,
        "waited_ms": percentiles(call.frames.waits_ms),
        "source": call.sound.troubles() if call.sound else {},
    }


def _param_stats(call: SenderCall, seconds: float) -> dict[str, Any]:
    """What the parameters cost, and how they were coded: by steps in pixels, the share of the frames."""
    counts, frames = call.packer.counts, max(1, sum(call.packer.counts.steps.values()))
    return {
        "packets": counts.packets,
        "record_bytes": counts.coded_bytes,
        "kbps": round(counts.coded_bytes * 8 / 1000 / seconds, 3) if seconds else None,
        "target_kbps": call.packer.rate_kbps,
        "loss": round(call.packer.loss, 4),
        "refreshed": counts.refreshed,
        "left_out": counts.left_out,
        "step_px": {
            f"{STEPS[step] / UNITS_PER_PX:.2f}": round(count / frames, 4)
            for step, count in sorted(counts.steps.items())
        },
    }


def sender_stats(call: SenderCall) -> dict[str, Any]:
    """What the sender saw of a call that is over, ready for JSON."""
    counts, analyser = call.counts, call.analyser
    seconds = (counts.last_ms - counts.first_ms) / 1000
    stats: dict[str, Any] = {
        "role": "sender",
        "version": version("headgan"),
        "ended": call.farewell,
        "seconds": round(seconds, 2),
        "fps": None if counts.fps is None else round(counts.fps, 2),
        "frames": {
            "analysed": counts.analysed,
            "sent": counts.sent,
            "held_back": counts.held_back,
            "no_face": counts.without_face,
            "untrue": counts.untrue,
            "camera_dropped": call.dropped,
            "camera_skipped": call.skipped,
        },
        "picture_px": call.picture_px,
        "references": _reference_stats(call),
        "compared": call.planner.loop.truth.compared if call.planner.loop else 0,
        "video": _video_stats(call),
        "params": _param_stats(call, seconds),
        "audio": call.settings.audio,
        "voice": _voice_stats(call, seconds) if call.settings.audio == VOICE else None,
        "said": _voice_stats(call, seconds) if call.settings.audio == FEATURES else None,
        "faces_lost": analyser.faces_lost,
        "reframed": analyser.reframed,
        "fit_error_px": analyser.fit_error_px(),
        "stages_ms": analyser.times.report(),
    }
    if call.peer:
        stats.update(wire_report(call.peer.wire_bytes(), seconds))
        stats["wire_course_kbit"] = call.course.to_json()
    return stats
