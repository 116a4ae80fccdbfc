"""A call that is over in, its statistics out, ready for JSON."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from headgan.codec.stage_times import percentiles
from headgan.models.generator import Generator
from headgan.proto.wire_meter import wire_report
from headgan.receiver.call import ReceiverCall
from headgan.receiver.shown_pictures import Latency

_MINUTE_MS = 60_000.0


def receiver_stats(call: ReceiverCall, generator: Generator) -> dict[str, Any]:
    """What the receiver saw of the call: frames, rates, times.

    `frames` adds up: sent = shown + late + lost; of those shown, no face was drawn for `no_face`, `untrue`, which could
    not be drawn as they were, and `unknown_reference`. `guessed` pictures stood in for frames that did not come in
    time; `drawn_from` is the mean number of references that a frame was drawn from; `unreadable` packets came, but
    followed from some that did not. `states` says what was shown from which second on, counted from the first picture.
    """
    seconds = (call.view.last_ms - call.view.first_ms) / 1000
    stats: dict[str, Any] = {
        "role": "receiver",
        "version": version("headgan"),
        "generator": generator.name,
        "provider": generator.provider,
        "ended": call.farewell,
        "seconds": round(seconds, 2),
        "fps": round((call.view.pictures - 1) / seconds, 2)
        if call.view.pictures > 1 and seconds > 0
        else None,
    }
    if call.playback:
        counts = call.playback.frames.buffer.counts
        stats["frames"] = {
            "sent": call.packets.known_sent,
            "shown": counts.shown,
            "late": counts.late,
            "lost": call.packets.known_sent - counts.arrived,
            "duplicates": counts.duplicates,
            "no_face": call.playback.pictures.without_face,
            "untrue": call.playback.pictures.untrue,
            "unknown_reference": call.playback.pictures.unknown_reference,
        }
        stats["guessed"] = call.playback.pictures.guessed
        drawn_from = call.playback.drawer.drawn_from
        stats["drawn_from"] = round(sum(drawn_from) / len(drawn_from), 2) if drawn_from else None
        stats["unreadable"] = call.packets.reader.unreadable
        changes = list(call.playback.shown.changes)
        stats["states"] = [
            {"at_s": round((change.capture_ms - changes[0].capture_ms) / 1000, 2), "state": change.state}
            for change in changes
        ]
        stats["video_frames"] = call.playback.pictures.video_frames
        stats["references_known"] = call.caller.known
        stats["references_held"] = len(call.playback.references)
        stats["latency_ms"] = latency_report(call.playback.shown.latencies)
        if call.playback.sound.voice:
            stats["voice"] = {
                **call.playback.sound.voice.report(),
                "speaker": call.sound.troubles,
                "known_after_picture_ms": percentiles(call.playback.sound.known_after_ms),
            }
        if call.playback.sound.told:
            stats["said"] = call.playback.sound.told.report()
        stats["playout_delay_ms"] = round(call.playback.frames.buffer.delay_ms, 1)
        stats["stages_ms"] = call.playback.times.report()
    if call.peer:
        stats.update(wire_report(call.peer.wire_bytes(), seconds))
    return stats


def latency_report(latencies: Sequence[Latency]) -> dict[str, Any]:
    """Percentiles of the time from capture to display: of the whole call, its first and its last minute."""
    report: dict[str, Any] = dict(percentiles(entry.latency_ms for entry in latencies))
    if latencies:
        first_ms, last_ms = latencies[0].shown_ms, latencies[-1].shown_ms
        report["first_minute"] = percentiles(
            entry.latency_ms for entry in latencies if entry.shown_ms - first_ms <= _MINUTE_MS
        )
        report["last_minute"] = percentiles(
            entry.latency_ms for entry in latencies if last_ms - entry.shown_ms <= _MINUTE_MS
        )
    return report
