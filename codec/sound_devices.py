"""The library sounddevice in, microphones and speakers by number or by name out.

The one place where sounddevice is imported, and its errors are translated. That happens late: where its PortAudio is
missing, a call has no sound and goes on.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headgan.codec.hgn_header import SOUND_RATE
from headgan.proto.errors import DeviceError

Kind = Literal["input", "output"]
Wanted = int | str | None

KIND_NAMES: dict[Kind, str] = {"input": "microphone", "output": "speaker"}
LIST_HINTS: dict[Kind, str] = {
    "input": "list the microphones with headgan-send --list",
    "output": "list the speakers with headgan-recv --list",
}
BLOCK_MS = 10
# What a device calls its lowest latency is too low for a callback that has to wait for Python.
MIN_LATENCY_S = 0.02
SOUND_FOLDER = Path("/dev/snd")

# PortAudio's own functions, but for streams that run, are for one thread at a time.
_lock = threading.RLock()
_open_streams: set[int] = set()


class NoSoundLibraryError(DeviceError):
    """Nothing on this machine can play or record sound before something is installed."""


@dataclass(frozen=True)
class SoundDevice:
    """A microphone or a speaker.

    Attributes:
        index: its number, until devices come or go.
        name: as the system calls it.
        system: the part of the system that offers it, such as ALSA or Core Audio.
        channels: how many it has at most.
        rate_hz: the one that it likes best.
        latency_s: the lowest that it promises.
        is_default: whether it is taken where none is named.
    """

    index: int
    name: str
    system: str
    channels: int
    rate_hz: int
    latency_s: float
    is_default: bool


@dataclass(frozen=True, eq=False)
class OpenedStream:
    """A stream of sounddevice that runs, how it was opened, and the errors that it may raise."""

    stream: Any
    device: SoundDevice
    rate_hz: int
    channels: int

    @property
    def is_running(self) -> bool:
        """Whether the device still calls, as far as PortAudio knows."""
        try:
            return bool(self.stream.active)
        except Exception:  # of a device that is gone anything may come
            return False

    def close(self) -> None:
        """Frees the device, whatever has become of it."""
        with _lock:
            try:
                self.stream.abort(ignore_errors=True)
                self.stream.close(ignore_errors=True)
            except Exception:  # the device is gone, which is known by now
                pass
            finally:
                _open_streams.discard(id(self.stream))


def list_devices(kind: Kind) -> list[SoundDevice]:
    """All microphones, or all speakers, by their numbers.

    Raises:
        NoSoundLibraryError: sounddevice or PortAudio is missing.
        DeviceError: the system's sound does not answer.
    """
    library = _library()
    with _lock:
        try:
            systems = library.query_hostapis()
            default = library.default.device[0 if kind == "input" else 1]
            devices = [
                SoundDevice(
                    index=index,
                    name=str(info["name"]),
                    system=str(systems[info["hostapi"]]["name"]),
                    channels=int(info[f"max_{kind}_channels"]),
                    rate_hz=round(info["default_samplerate"]),
                    latency_s=float(info[f"default_low_{kind}_latency"]),
                    is_default=index == default,
                )
                for index, info in enumerate(library.query_devices())
            ]
        except (library.PortAudioError, ValueError) as error:
            raise DeviceError(f"the sound of this machine does not answer ({error})") from error
    return [device for device in devices if device.channels > 0]


def device_line(device: SoundDevice) -> str:
    """A device as --list shows it, such as `3  USB Headset (ALSA), the default`."""
    return f"{device.index}  {device.name} ({device.system}){', the default' if device.is_default else ''}"


def find_device(kind: Kind, wanted: Wanted) -> SoundDevice:
    """The device with this number, or whose name has this in it; None is the system's default.

    A name that is exactly this goes before one that has it in it, and the first of several is taken.

    Raises:
        DeviceError: there is none; says which there are.
    """
    devices = list_devices(kind)
    if not devices:
        raise DeviceError(f"there is no {KIND_NAMES[kind]}{_why_none()}")
    if wanted is None:
        found = [device for device in devices if device.is_default] or devices
    elif isinstance(wanted, int):
        found = [device for device in devices if device.index == wanted]
    else:
        name = wanted.casefold()
        exact = [device for device in devices if device.name.casefold() == name]
        found = exact or [device for device in devices if name in device.name.casefold()]
    if not found:
        there = ", ".join(f"{device.index} {device.name}" for device in devices)
        raise DeviceError(f"there is no {KIND_NAMES[kind]} {wanted!r}; there are: {there}")
    return found[0]


def open_stream(kind: Kind, device: SoundDevice, callback: Callable[..., None]) -> OpenedStream:
    """Opens a device with one or two channels, at 48 kHz or else at its own rate, and starts it.

    Args:
        kind: what it is to be.
        device: what find_device() gave.
        callback: of sounddevice: (array [N, C], N, times, flags), in a thread of PortAudio.

    Raises:
        DeviceError: it cannot be opened.
    """
    library = _library()
    with _lock:
        try:
            rate_hz, channels = _possible_format(library, kind, device)
            make = library.InputStream if kind == "input" else library.OutputStream
            stream = make(
                device=device.index,
                samplerate=rate_hz,
                channels=channels,
                dtype="float32",
                blocksize=rate_hz * BLOCK_MS // 1000,
                latency=max(device.latency_s, MIN_LATENCY_S),
                callback=callback,
            )
            try:
                stream.start()
            except BaseException:
                stream.close(ignore_errors=True)
                raise
        except (library.PortAudioError, ValueError, OSError) as error:
            raise DeviceError(
                f"{KIND_NAMES[kind]} {device.name} did not open ({error}); is another program using it? "
                f"{LIST_HINTS[kind]}"
            ) from error
        _open_streams.add(id(stream))
    return OpenedStream(stream, device, rate_hz, channels)


def look_again() -> None:
    """Makes the next list show what was plugged in since; does nothing while a device of this process is open.

    PortAudio looks at the devices once, when it starts.
    """
    library = _library()
    with _lock:
        if _open_streams:
            return
        try:
            library._terminate()
            library._initialize()
        except library.PortAudioError as error:
            raise DeviceError(f"the sound of this machine does not answer ({error})") from error


def leave_behind() -> None:
    """Lets the program end although a device hangs: sounddevice would wait for it then, and for ever."""
    atexit.unregister(_library()._exit_handler)


def parse_device(spec: str) -> int | str:
    """A number or a name, as the command line gives it."""
    return int(spec) if spec.isascii() and spec.isdigit() else spec


def _library() -> Any:  # noqa: ANN401 - sounddevice has no types
    """The module sounddevice."""
    try:
        import sounddevice
    except ImportError as error:
        raise NoSoundLibraryError("the package sounddevice is missing: pip install sounddevice") from error
    except OSError as error:
        remedy = "install it (Debian, Ubuntu: apt install libportaudio2)" if _is_linux() else "install it"
        raise NoSoundLibraryError(
            f"PortAudio is missing, without which there is no sound: {remedy}"
        ) from error
    return sounddevice


def _possible_format(library: Any, kind: Kind, device: SoundDevice) -> tuple[int, int]:  # noqa: ANN401
    """Rate and channels that the device can do, best first; the last is tried even if it says it cannot."""
    check = library.check_input_settings if kind == "input" else library.check_output_settings
    rates = dict.fromkeys((SOUND_RATE, device.rate_hz))
    # Of two microphones one is enough; of two speakers not all systems give both what is meant for one.
    preferred = (1, 2) if kind == "input" else (2, 1)
    channels = [count for count in preferred if count <= device.channels]
    formats = [(rate_hz, count) for rate_hz in rates for count in channels]
    for rate_hz, count in formats[:-1]:
        try:
            check(device=device.index, channels=count, dtype="float32", samplerate=rate_hz)
        except library.PortAudioError:
            continue
        return rate_hz, count
    return formats[-1]


def _is_linux() -> bool:
    return sys.platform == "linux"


def _why_none() -> str:
    """The most likely reason on Linux, where rights decide what is there."""
    if not _is_linux() or not SOUND_FOLDER.exists():
        return "; plug one in"
    cards = [path for path in SOUND_FOLDER.glob("pcm*") if not os.access(path, os.R_OK | os.W_OK)]
    if cards:
        return f" that you may use ({cards[0]}); add your user to the group audio and log in again"
    return "; plug one in"
