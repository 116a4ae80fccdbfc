"""Cameras of the machine, played by a fake cv2.VideoCapture: what works, and every way in which it fails."""

import os
import platform
import struct
import threading
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from headgan.proto.errors import DeviceError
from headgan.proto.program import monotonic_ms
from headgan.sender import devices
from headgan.sender.camera import Camera, CameraInfo, DeviceSource, list_cameras, open_source

BLUE_BGR = (255, 0, 0)


class FakeCapture:
    """A cv2.VideoCapture that delivers `frames` blue frames and then fails; `frames` < 0: it blocks."""

    frames = 0
    openable: tuple[int | str, ...] = (0,)
    opened: ClassVar[list["FakeCapture"]] = []

    def __init__(self, spec: int | str, backend: int) -> None:
        self.spec = spec
        self.backend = backend
        self.settings: dict[int, float] = {}
        self.is_released = threading.Event()
        self.unblock = threading.Event()
        self.is_broken = False
        FakeCapture.opened.append(self)

    def isOpened(self) -> bool:  # noqa: N802 - the name that cv2 gave it
        return self.spec in self.openable

    def set(self, prop: int, value: float) -> bool:
        self.settings[prop] = value
        return True

    def get(self, prop: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0, cv2.CAP_PROP_FPS: 30.0}[
            prop
        ]

    def read(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        if self.frames < 0:
            self.unblock.wait(5)
        if self.is_broken:
            raise cv2.error("cannot decode")
        if self.frames <= 0:
            return False, None
        self.frames -= 1
        return True, np.full((4, 6, 3), BLUE_BGR, np.uint8)

    def release(self) -> None:
        self.is_released.set()


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Linux machine with the nodes in the folder that is returned; its camera 0 delivers four frames."""
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(FakeCapture, "opened", [])
    monkeypatch.setattr(FakeCapture, "frames", 4)
    monkeypatch.setattr(devices, "_is_linux", lambda: True)
    (tmp_path / "dev").mkdir()
    monkeypatch.setattr(devices, "DEVICE_FOLDER", tmp_path / "dev")
    monkeypatch.setattr(devices, "SYSTEM_FOLDER", tmp_path / "sys")
    return tmp_path / "dev"


def test_frames_are_rgb_and_stamped_by_the_clock() -> None:
    source = open_source("0", clock_ms=lambda: 1234.0)
    frame = source.read()
    assert frame is not None
    assert frame.pts_ms == 1234.0
    assert frame.frame_rgb.shape == (4, 6, 3)
    assert frame.frame_rgb[0, 0].tolist() == [0, 0, 255]
    source.rewind()
    assert source.is_live
    assert source.describe() == "camera 0, 640x480 at 30 fps"
    (capture,) = FakeCapture.opened
    assert (capture.spec, capture.backend) == (0, cv2.CAP_V4L2)
    assert capture.settings[cv2.CAP_PROP_BUFFERSIZE] == 1
    source.close()
    assert capture.is_released.is_set()


def test_a_device_path_opens_that_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, "openable", ("/dev/video7",))
    assert open_source("/dev/video7").describe().startswith("camera /dev/video7,")


def test_a_missing_camera() -> None:
    with pytest.raises(DeviceError) as caught:
        open_source("3")
    assert str(caught.value) == (
        "camera 3 did not open: no such device; list the cameras with headgan-send --list"
    )


def test_a_camera_that_does_not_open_though_it_is_there(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "video3").touch()
    with pytest.raises(DeviceError, match="another program using it"):
        open_source("3")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DeviceError, match=r"no permission to use .*video3; add your user to the group video"):
        open_source("3")


def test_a_missing_camera_on_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_is_linux", lambda: False)
    with pytest.raises(DeviceError, match="camera 3 did not open: no such device, or another program"):
        open_source("3")
    assert FakeCapture.opened[0].backend == cv2.CAP_ANY


@pytest.mark.parametrize("frames", [0, -1])
def test_a_busy_camera_opens_but_delivers_nothing(frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCapture, "frames", frames)
    with pytest.raises(DeviceError) as caught:
        DeviceSource("0", first_frame_timeout_s=0.05)
    assert str(caught.value) == (
        "camera 0 opened but delivered no frame within 0.05 s; is another program using it?"
    )
    (capture,) = FakeCapture.opened
    capture.unblock.set()
    assert capture.is_released.wait(5)


def test_a_camera_that_vanishes_in_a_call() -> None:
    with (
        Camera(open_source("0"), clock_ms=monotonic_ms) as camera,
        pytest.raises(DeviceError) as caught,
    ):
        while camera.newest(5.0) is not None:
            pass
    assert str(caught.value) == "camera 0 stopped delivering frames; was it unplugged?"
    assert FakeCapture.opened[0].is_released.is_set()


def test_an_error_of_cv2_leaves_as_a_device_error() -> None:
    source = open_source("0")
    FakeCapture.opened[0].is_broken = True
    with pytest.raises(DeviceError, match="camera 0 delivered a broken frame") as caught:
        source.read()
    assert isinstance(caught.value.__cause__, cv2.error)


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere opening may ask the user for permission")
def test_the_real_cv2_fails_without_a_noise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.undo()
    with pytest.raises(DeviceError, match="camera 63 did not open: no such device"):
        open_source("63")
    assert capfd.readouterr() == ("", "")


def test_linux_lists_the_nodes_that_capture(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    capabilities = {"video0": 0x04200001, "video1": 0x04A00000, "video2": 0x04201000, "video10": 0x04200001}
    for node, name in zip([*capabilities, "video5"], ["Desk", "Desk", "Door", "Phone", "Gone"], strict=True):
        (devices.SYSTEM_FOLDER / node).mkdir(parents=True)
        (devices.SYSTEM_FOLDER / node / "name").write_text(f"{name}\n")
    for node in capabilities:
        (machine / node).touch()

    def answer(node: BinaryIO, request: int, capability: Any) -> int:
        assert request == 0x80685600
        struct.pack_into("=II", capability, 84, 0x84A00001, capabilities[Path(node.name).name])
        return 0

    monkeypatch.setattr(fcntl, "ioctl", answer)
    assert list_cameras() == [
        CameraInfo(0, str(machine / "video0"), "Desk"),
        CameraInfo(2, str(machine / "video2"), "Door"),
        CameraInfo(10, str(machine / "video10"), "Phone"),
    ]


def test_a_machine_without_cameras_lists_none() -> None:
    assert list_cameras() == []


def test_another_system_lists_the_numbers_that_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_is_linux", lambda: False)
    monkeypatch.setattr(FakeCapture, "openable", (0, 2))
    assert list_cameras() == [CameraInfo(0, "0", "camera 0"), CameraInfo(2, "2", "camera 2")]
    assert len(FakeCapture.opened) == 5
    assert all(capture.is_released.is_set() for capture in FakeCapture.opened)
