"""Samples in, Opus packets out, and the way back, by the libopus that PyAV carries, else the system's.

PyAV has an Opus decoder too, but one that can neither use in-band FEC nor conceal a packet that did not come.
Sound is mono, float32, -1 to 1, at 48 kHz. Names with OPUS in RFC 6716 and opus_defines.h stand for the same here.
"""

import ctypes
import ctypes.util
import importlib.util
import sys
import weakref
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headgan.proto.errors import DeviceError, UsageError, WireError

RATE = 48_000
# The longest sound that a packet may hold, 120 ms, and the most bytes that one frame of it may have.
MAX_SAMPLES = RATE * 120 // 1000
MAX_FRAME_BYTES = 1275
# A packet holds up to 48 frames; ours one or two. More is not worth reading.
MAX_PACKET_BYTES = 3 * MAX_FRAME_BYTES

Bandwidth = Literal["narrow", "medium", "wide", "super", "full"]
_BANDWIDTHS: dict[Bandwidth, int] = {
    "narrow": 1101,
    "medium": 1102,
    "wide": 1103,
    "super": 1104,
    "full": 1105,
}
_VOIP = 2048
_SIGNAL_VOICE = 3001
_INVALID_PACKET = -4
_AUTO = -1000
_SET_BITRATE, _SET_VBR, _SET_BANDWIDTH = 4002, 4006, 4008
_SET_COMPLEXITY, _SET_INBAND_FEC, _SET_PACKET_LOSS, _SET_DTX = 4010, 4012, 4014, 4016
_SET_SIGNAL, _GET_LOOKAHEAD, _RESET_STATE = 4024, 4027, 4028


class OpusEncoder:
    """A voice encoder: VOIP, variable rate, told that it hears a voice. Not thread-safe."""

    def __init__(self, kbps: float, *, fec: bool = True, dtx: bool = True, complexity: int = 9) -> None:
        """Args are as for the setters; complexity: 0 to 10, the processor's time against quality.

        Raises:
            UsageError: libopus refuses a setting.
            DeviceError: there is no libopus.
        """
        self._lib = opus_library()
        error = ctypes.c_int()
        self._state = self._lib.opus_encoder_create(RATE, 1, _VOIP, ctypes.byref(error))
        if not self._state:
            raise DeviceError(f"libopus made no encoder: {_reason(self._lib, error.value)}")
        weakref.finalize(self, self._lib.opus_encoder_destroy, self._state)
        self._buffer = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        self._set(_SET_VBR, 1, "variable rate")
        self._set(_SET_SIGNAL, _SIGNAL_VOICE, "voice")
        self._set(_SET_COMPLEXITY, complexity, "complexity")
        self._set(_SET_INBAND_FEC, int(fec), "FEC")
        self._set(_SET_DTX, int(dtx), "DTX")
        self.set_kbps(kbps)

    def set_kbps(self, kbps: float) -> None:
        """The rate to aim at while somebody speaks."""
        self._set(_SET_BITRATE, round(1000 * kbps), f"{kbps:g} kbit/s")

    def set_expected_loss(self, percent: int) -> None:
        """What share of packets is likely to be lost, 0 to 100; 0 costs nothing and brings no FEC."""
        self._set(_SET_PACKET_LOSS, percent, f"{percent} % loss")

    def set_bandwidth(self, bandwidth: Bandwidth | None) -> None:
        """The band of sound to send: up to 4, 6, 8, 12 or 20 kHz; None: as libopus likes."""
        value = _AUTO if bandwidth is None else _BANDWIDTHS[bandwidth]
        self._set(_SET_BANDWIDTH, value, f"bandwidth {bandwidth}")

    @property
    def lookahead(self) -> int:
        """Samples by which what a decoder gives is later than what went in."""
        value = ctypes.c_int()
        code = self._lib.opus_encoder_ctl(self._state, _GET_LOOKAHEAD, ctypes.byref(value))
        if code:
            raise DeviceError(f"libopus does not tell its look-ahead: {_reason(self._lib, code)}")
        return value.value

    def reset(self) -> None:
        """Forgets what it heard; settings stay."""
        self._lib.opus_encoder_ctl(self._state, _RESET_STATE)

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """One packet; samples: float32 [N], N = 120, 240, 480, 960, 1920, 2880 ... 5760.

        Raises:
            UsageError: N is another number.
        """
        sound = np.ascontiguousarray(samples, np.float32)
        size = self._lib.opus_encode_float(
            self._state, sound.ctypes.data, len(sound), self._buffer, MAX_PACKET_BYTES
        )
        if size < 0:
            raise UsageError(f"{len(sound)} samples are no Opus packet: {_reason(self._lib, size)}")
        return self._buffer.raw[:size]

    def _set(self, request: int, value: int, what: str) -> None:
        code = self._lib.opus_encoder_ctl(self._state, request, ctypes.c_int(value))
        if code:
            raise UsageError(f"libopus refuses {what}: {_reason(self._lib, code)}")


class OpusDecoder:
    """Decodes packets of one sender in order; packets may be anything. Not thread-safe."""

    def __init__(self) -> None:
        """Raises DeviceError if there is no libopus."""
        self._lib = opus_library()
        error = ctypes.c_int()
        self._state = self._lib.opus_decoder_create(RATE, 1, ctypes.byref(error))
        if not self._state:
            raise DeviceError(f"libopus made no decoder: {_reason(self._lib, error.value)}")
        weakref.finalize(self, self._lib.opus_decoder_destroy, self._state)

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """The sound of a packet, float32 [N].

        Raises:
            WireError: it is no Opus packet; the decoder can go on.
        """
        return self._decode(data, packet_samples(data), fec=False)

    def decode_fec(self, data: bytes, samples: int) -> NDArray[np.float32]:
        """What the packet `data` tells about the `samples` before it, float32 [samples]; concealed if it tells nothing.

        Raises:
            WireError: it is no Opus packet.
        """
        packet_samples(data)
        return self._decode(data, samples, fec=True)

    def conceal(self, samples: int) -> NDArray[np.float32]:
        """How the sound may have gone on where nothing came, float32 [samples]; a multiple of 120."""
        return self._decode(b"", samples, fec=False)

    def reset(self) -> None:
        """Forgets what it heard."""
        self._lib.opus_decoder_ctl(self._state, _RESET_STATE)

    def _decode(self, data: bytes, samples: int, *, fec: bool) -> NDArray[np.float32]:
        sound = np.zeros(samples, np.float32)
        count = self._lib.opus_decode_float(
            self._state, data or None, len(data), sound.ctypes.data, samples, int(fec)
        )
        if count < 0:
            raise WireError(f"Opus packet of {len(data)} bytes: {_reason(self._lib, count)}")
        return sound[:count]


def packet_samples(data: bytes) -> int:
    """How many samples at 48 kHz a packet holds.

    Raises:
        WireError: it is no Opus packet.
    """
    lib = opus_library()
    # An empty one would ask the decoder to conceal.
    allowed = 0 < len(data) <= MAX_PACKET_BYTES
    count: int = lib.opus_packet_get_nb_samples(data, len(data), RATE) if allowed else _INVALID_PACKET
    if count <= 0:
        raise WireError(f"Opus packet of {len(data)} bytes: {_reason(lib, count)}")
    return count


def has_fec(data: bytes) -> bool:
    """Whether a packet of one frame tells about the frame before it (LBRR, RFC 6716 section 4.2.3)."""
    # The table of contents: mode and length in 5 bits, stereo, how many frames in 2 bits. 0 to 11: SILK of 10, 20, 40
    # or 60 ms; 12 to 15: SILK and CELT, of 10 or 20 ms. Before the flag there is one for the voice in each 20 ms.
    if len(data) < 2 or data[0] & 0x83:
        return False
    config = data[0] >> 3
    frames = (1, 1, 2, 3)[config % 4] if config < 12 else 1
    return bool(data[1] >> (7 - frames) & 1)


@cache
def opus_library() -> Any:  # noqa: ANN401 - ctypes gives functions no types
    """libopus, loaded at the first call.

    Raises:
        DeviceError: there is none.
    """
    for path in _candidates():
        try:
            return _declared(ctypes.CDLL(path))
        except (OSError, AttributeError):
            continue  # not for this machine, or not libopus
    raise DeviceError("no libopus was found, so there is no sound; run: pip install --force-reinstall av")


def _candidates() -> list[str]:
    found: list[str] = []
    spec = importlib.util.find_spec("av")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        folders = (package.parent / "av.libs", package / ".dylibs", package)
        found = [str(path) for folder in folders for path in sorted(folder.glob("*opus*"))]
        if sys.platform == "win32":
            found = [path for path in found if path.endswith(".dll")]
    system = ctypes.util.find_library("opus")
    return found if system is None else [*found, system]


def _declared(lib: Any) -> Any:  # noqa: ANN401
    pointer, number, error = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    # What is not named by `argtypes` is passed as C passes `...`, which on some processors differs.
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "opus_encoder_create": (pointer, [ctypes.c_int32, number, number, error]),
        "opus_encoder_ctl": (number, [pointer, number]),
        "opus_encoder_destroy": (None, [pointer]),
        "opus_encode_float": (ctypes.c_int32, [pointer, pointer, number, ctypes.c_char_p, ctypes.c_int32]),
        "opus_decoder_create": (pointer, [ctypes.c_int32, number, error]),
        "opus_decoder_get_size": (number, [number]),
        "opus_decoder_ctl": (number, [pointer, number]),
        "opus_decoder_destroy": (None, [pointer]),
        "opus_decode_float": (number, [pointer, ctypes.c_char_p, ctypes.c_int32, pointer, number, number]),
        "opus_packet_get_nb_samples": (number, [ctypes.c_char_p, ctypes.c_int32, ctypes.c_int32]),
        "opus_strerror": (ctypes.c_char_p, [number]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def _reason(lib: Any, code: int) -> str:  # noqa: ANN401
    return str(lib.opus_strerror(code).decode())
