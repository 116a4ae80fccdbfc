"""Sound in, what an ordinary audio track of WebRTC costs on the wire out: aiortc calls itself, in real time.

aiortc encodes Opus at 96 kbit/s in stereo, 20 ms a packet; browsers take about 32 kbit/s for a voice. What is not Opus,
headers of IP, UDP, RTP and SRTP and the reports of RTCP, is the same for both.
"""

import asyncio
import time
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection
from aiortc.codecs.opus import OpusEncoder as TrackEncoder
from aiortc.contrib.media import MediaBlackhole
from numpy.typing import NDArray

from headgan.codec.libopus import RATE
from headgan.proto.errors import HeadganError
from headgan.proto.wire_meter import WireMeter

_SAMPLES = RATE // 50
PACKETS_PER_S = RATE // _SAMPLES
_CONNECT_S = 15.0


class _SoundTrack(MediaStreamTrack):  # type: ignore[misc] # aiortc is untyped here
    """Sound in real time, from its start again at its end."""

    kind = "audio"

    def __init__(self, sound: NDArray[np.float32]) -> None:
        super().__init__()
        self._sound = np.asarray(np.clip(sound, -1, 1) * 32767, np.int16)
        self._count = 0
        self._start_s: float | None = None

    async def recv(self) -> Any:  # noqa: ANN401
        """The next 20 ms, when it is time for them."""
        if self._start_s is None:
            self._start_s = time.monotonic()
        await asyncio.sleep(max(0.0, self._start_s + self._count / PACKETS_PER_S - time.monotonic()))
        frame = _frame(self._sound, self._count)
        self._count += 1
        return frame


def _frame(sound: NDArray[np.int16], number: int) -> Any:  # noqa: ANN401
    part = np.take(sound, np.arange(number * _SAMPLES, (number + 1) * _SAMPLES), mode="wrap")
    frame = av.AudioFrame.from_ndarray(part[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, number * _SAMPLES, Fraction(1, RATE)
    return frame


def measure_track(sound: NDArray[np.float32], seconds: float) -> dict[str, float]:
    """`wire_kbps` there, `back_kbps` of reports, `opus_kbps` in it and so `header_kbps`, over so many seconds.

    Raises:
        HeadganError: the two ends of the call do not meet, or nothing is sent.
    """
    sent_kbps, back_kbps = asyncio.run(_measure(sound, seconds))
    encoder, samples = TrackEncoder(), np.asarray(np.clip(sound, -1, 1) * 32767, np.int16)
    frames = round(seconds * PACKETS_PER_S)
    size = sum(len(data) for number in range(frames) for data in encoder.encode(_frame(samples, number))[0])
    opus_kbps = size * 8 / 1000 / seconds
    if not 0 < opus_kbps < sent_kbps:
        raise HeadganError(f"an audio track of {opus_kbps:.1f} kbit/s put {sent_kbps:.1f} kbit/s on the wire")
    return {
        "wire_kbps": sent_kbps,
        "back_kbps": back_kbps,
        "opus_kbps": opus_kbps,
        "header_kbps": sent_kbps - opus_kbps,
    }


async def _measure(sound: NDArray[np.float32], seconds: float) -> tuple[float, float]:
    sender, receiver = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    sink = MediaBlackhole()
    receiver.on("track", sink.addTrack)
    is_connected = asyncio.Event()

    @sender.on("connectionstatechange")  # type: ignore[untyped-decorator]
    def look() -> None:
        if sender.connectionState == "connected":
            is_connected.set()

    try:
        sender.addTrack(_SoundTrack(sound))
        await sender.setLocalDescription(await sender.createOffer())
        await receiver.setRemoteDescription(sender.localDescription)
        await sink.start()
        await receiver.setLocalDescription(await receiver.createAnswer())
        await sender.setRemoteDescription(receiver.localDescription)
        async with asyncio.timeout(_CONNECT_S):
            await is_connected.wait()
        meter = WireMeter()
        for protocol in sender.getSenders()[0].transport.transport.iceGatherer._connection._protocols:
            meter.watch(protocol)
        start_s = time.monotonic()
        await asyncio.sleep(seconds)
        taken_s = time.monotonic() - start_s
        return tuple(count * 8 / 1000 / taken_s for count in (meter.sent_bytes, meter.received_bytes))  # type: ignore[return-value]
    except TimeoutError as error:
        raise HeadganError("aiortc did not reach itself, so an audio track cannot be measured") from error
    finally:
        await sink.stop()
        await sender.close()
        await receiver.close()
