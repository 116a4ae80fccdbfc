"""A camera of this machine in, RGB frames stamped with the time of their arrival out."""

import contextlib
import os
import platform
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from headgan.proto.errors import DeviceError
from headgan.proto.program import monotonic_ms
from headgan.sender.sources import SourceFrame

DEVICE_FOLDER = Path("/dev")
SYSTEM_FOLDER = Path("/sys/class/video4linux")
LIST_HINT = "list the cameras with headgan-send --list"

FIRST_FRAME_TIMEOUT_S = 5.0
RETRY_S = 0.05
PROBED_CAMERAS = 5  # where the system has no list, the numbers 0..4 are tried

# struct v4l2_capability of linux/videodev2.h: 104 bytes, device_caps at 88.
VIDIOC_QUERYCAP = 0x80685600
CAPABILITY_SIZE = 104
DEVICE_CAPS_OFFSET = 88
CAN_CAPTURE = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, and its multi-planar form


@dataclass(frozen=True)
class CameraInfo:
    """A camera that open_source() takes by its index or its path."""

    index: int
    path: str
    name: str


class DeviceSource:
    """A camera, set to 640x480 MJPG where it can do that, with as little buffering as the driver allows."""

    is_live = True

    def __init__(
        self,
        spec: str,
        *,
        clock_ms: Callable[[], float] = monotonic_ms,
        first_frame_timeout_s: float = FIRST_FRAME_TIMEOUT_S,
    ) -> None:
        """Opens the camera and waits for its first frame.

        Args:
            spec: a camera number, or the path of a device.
            clock_ms: what stamps the frames.
            first_frame_timeout_s: how long a camera may take to start.

        Raises:
            DeviceError: it did not open, or opened and delivered nothing.
        """
        self._name = f"camera {spec}"
        self._clock_ms = clock_ms
        self._capture = _open_capture(spec)
        if not self._capture.isOpened():
            raise DeviceError(f"{self._name} did not open: {_why_not_open(spec)}")
        if not _delivers_frames(self._capture, first_frame_timeout_s):
            raise DeviceError(
                f"{self._name} opened but delivered no frame within {first_frame_timeout_s:g} s; "
                "is another program using it?"
            )

    def read(self) -> SourceFrame | None:
        """Waits for the next frame; pts_ms is when it arrived."""
        try:
            has_frame, frame_bgr = self._capture.read()
            pts_ms = self._clock_ms()
            if has_frame:
                return SourceFrame(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB), pts_ms)
        except cv2.error as exc:
            raise DeviceError(
                f"{self._name} delivered a broken frame; unplug it and plug it in again"
            ) from exc
        raise DeviceError(f"{self._name} stopped delivering frames; was it unplugged?")

    def rewind(self) -> None:
        """Does nothing: a camera has no beginning."""

    def close(self) -> None:
        """Frees the camera for other programs."""
        self._capture.release()

    def describe(self) -> str:
        """Such as `camera 0, 640x480 at 30 fps`."""
        properties = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
        width, height, rate_fps = (self._capture.get(prop) for prop in properties)
        return f"{self._name}, {width:.0f}x{height:.0f} at {rate_fps:g} fps"


def list_cameras() -> list[CameraInfo]:
    """The cameras of this machine, by index; on other systems than Linux those of 0..4 that open."""
    if not _is_linux():
        return [
            CameraInfo(index, str(index), f"camera {index}")
            for index in range(PROBED_CAMERAS)
            if _opens(index)
        ]
    cameras = []
    for entry in SYSTEM_FOLDER.glob("video*"):
        path = DEVICE_FOLDER / entry.name
        if _captures_video(path):
            name = (entry / "name").read_text(encoding="utf-8", errors="replace").strip()
            cameras.append(CameraInfo(int(entry.name.removeprefix("video")), str(path), name))
    return sorted(cameras, key=lambda camera: camera.index)


def _is_linux() -> bool:
    return platform.system() == "Linux"


def _open_capture(spec: str) -> Any:  # noqa: ANN401 - cv2 has no types
    """A cv2.VideoCapture that may have failed to open."""
    # cv2 writes its own lines to stderr about everything that is raised here as a DeviceError.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = cv2.VideoCapture(
        int(spec) if spec.isdigit() else spec, cv2.CAP_V4L2 if _is_linux() else cv2.CAP_ANY
    )
    if capture.isOpened():
        # MJPG goes first: many cameras give raw pictures of this size at a lower rate. A camera that
        # cannot do one of these ignores it.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, 640)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, 480)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def _opens(index: int) -> bool:
    capture = _open_capture(str(index))
    is_open = bool(capture.isOpened())
    capture.release()
    return is_open


def _why_not_open(spec: str) -> str:
    """The most likely reason, and the next step."""
    if not _is_linux():
        return f"no such device, or another program is using it; {LIST_HINT}"
    path = DEVICE_FOLDER / f"video{int(spec)}" if spec.isdigit() else Path(spec)
    if not path.exists():
        return f"no such device; {LIST_HINT}"
    if not os.access(path, os.R_OK | os.W_OK):
        return f"no permission to use {path}; add your user to the group video and log in again"
    return f"it is not a camera, or is another program using it? {LIST_HINT}"


def _delivers_frames(capture: Any, timeout_s: float) -> bool:  # noqa: ANN401
    """Whether a first frame arrives in time; `capture` is not to be used after a False.

    A busy camera blocks read() for longer than a user waits, so that happens in a thread, which frees the
    camera itself if it was given up on: release() during read() crashes.
    """
    is_abandoned = threading.Event()
    has_arrived = threading.Event()

    def probe() -> None:
        while not is_abandoned.is_set():
            with contextlib.suppress(cv2.error):
                if capture.read()[0] and not is_abandoned.is_set():
                    has_arrived.set()
                    return
            is_abandoned.wait(RETRY_S)
        capture.release()

    thread = threading.Thread(target=probe, name="camera-probe", daemon=True)
    thread.start()
    if has_arrived.wait(timeout_s):
        thread.join()
        return True
    is_abandoned.set()
    return False


def _captures_video(path: Path) -> bool:
    """Whether the node `path` gives pictures; a webcam has further nodes, for metadata."""
    import fcntl  # only where there is a video4linux

    capability = bytearray(CAPABILITY_SIZE)
    try:
        with path.open("rb", buffering=0) as node:
            fcntl.ioctl(node, VIDIOC_QUERYCAP, capability)
    except PermissionError:
        return True  # cannot be asked; opening it will say what is wrong
    except OSError:
        return False
    (device_caps,) = struct.unpack_from("=I", capability, DEVICE_CAPS_OFFSET)
    return bool(device_caps & CAN_CAPTURE)
