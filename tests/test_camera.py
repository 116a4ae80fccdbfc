"""Files play in real time, the newest frame wins, and nothing outlives close()."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from headgan.codec.video import VideoWriter
from headgan.proto.errors import DeviceError
from headgan.sender.camera import Camera, CapturedFrame, FileSource, SourceFrame, open_source
from headgan.sender.read_ahead import DEPTH_FRAMES, ReadAhead

INTERVAL_MS = 40.0


def now_ms() -> float:
    return time.perf_counter() * 1000


class ScriptedSource:
    """Frame k is filled with k and has the k-th timestamp; then the end, an error, or silence until close."""

    def __init__(
        self,
        pts_ms: list[float],
        *,
        is_live: bool = False,
        error: Exception | None = None,
        blocks: bool = False,
    ) -> None:
        self.is_live = is_live
        self.clock_ms = 0.0  # the time of the newest frame
        self.reads: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.has_run_out = threading.Event()
        self.release = threading.Event()
        self.closes = 0
        self.on_read: Callable[[int], None] = lambda _: None
        self._frames = iter(enumerate(pts_ms))
        self._error = error
        self._blocks = blocks

    def read(self) -> SourceFrame | None:
        for k, pts_ms in self._frames:
            self.on_read(k)
            self.clock_ms = pts_ms
            self.reads.put(k)
            return SourceFrame(np.full((2, 2, 3), k, np.uint8), pts_ms)
        self.has_run_out.set()
        if self._blocks:
            self.release.wait()
        if self._error is not None:
            raise self._error
        return None

    def rewind(self) -> None:
        raise AssertionError("a Camera does not rewind")

    def close(self) -> None:
        self.closes += 1

    def describe(self) -> str:
        return "script"


def take_all(camera: Camera) -> Iterator[CapturedFrame]:
    while not camera.is_ended:
        frame = camera.newest(1.0)
        if frame is not None:
            yield frame


def shows(frame: CapturedFrame) -> int:
    return int(frame.frame_rgb[0, 0, 0])


@pytest.mark.parametrize("file_interval_ms", [100.0, 80.0, 40.0, 1000 / 60])
def test_a_file_of_any_rate_plays_in_real_time(file_interval_ms: float) -> None:
    pts_ms = [k * file_interval_ms for k in range(round(320 / file_interval_ms))]
    started_ms = now_ms()
    with Camera(ScriptedSource(pts_ms), clock_ms=now_ms) as camera:
        frames = list(take_all(camera))
        assert camera.newest(0.01) is None
    last_slot = round(len(pts_ms) * file_interval_ms / INTERVAL_MS + 0.49) - 1
    assert now_ms() - started_ms >= last_slot * INTERVAL_MS
    assert len(frames) + camera.dropped + camera.skipped == last_slot + 1
    for frame in frames:
        assert shows(frame) == int((frame.index * INTERVAL_MS + 1) / file_interval_ms)
        assert frame.capture_ms >= started_ms + frame.index * INTERVAL_MS
    assert all(b.capture_ms - a.capture_ms > INTERVAL_MS - 1e-6 for a, b in itertools.pairwise(frames))


def test_a_stall_of_the_machine_makes_no_burst() -> None:
    jump_ms = 0.0

    def stall(k: int) -> None:
        nonlocal jump_ms
        jump_ms = 1000.0 if k >= 8 else 0.0

    source = ScriptedSource([k * INTERVAL_MS for k in range(30)])
    source.on_read = stall
    with Camera(source, clock_ms=lambda: now_ms() + jump_ms) as camera:
        frames = list(take_all(camera))
    assert camera.skipped > 10
    assert len(frames) + camera.dropped + camera.skipped == 30
    assert all(b.capture_ms - a.capture_ms > INTERVAL_MS - 1e-6 for a, b in itertools.pairwise(frames))


def test_the_newest_frame_wins() -> None:
    source = ScriptedSource([k * INTERVAL_MS for k in range(5)], is_live=True, blocks=True)
    with Camera(source, clock_ms=lambda: source.clock_ms) as camera:
        assert source.has_run_out.wait(5)
        frame = camera.newest(0.0)
        assert frame is not None
        assert (shows(frame), frame.index, frame.capture_ms) == (4, 4, 4 * INTERVAL_MS)
        assert camera.dropped == 4
        assert camera.newest(0.01) is None
        assert not camera.is_ended
        source.release.set()


def test_a_fast_live_source_is_thinned_and_stamped_with_its_arrival() -> None:
    source = ScriptedSource([7 + k * 1000 / 30 for k in range(60)], is_live=True)
    with Camera(source, clock_ms=lambda: source.clock_ms) as camera:
        assert source.has_run_out.wait(5)
        frames = list(take_all(camera))
        assert camera.is_ended
    assert camera.dropped + len(frames) == 50
    assert frames[-1].index == 49
    assert frames[-1].capture_ms == 7 + shows(frames[-1]) * 1000 / 30


@pytest.mark.parametrize("is_live", [True, False])
def test_an_error_of_the_source_comes_after_the_frames_before_it(is_live: bool) -> None:
    source = ScriptedSource([0.0, INTERVAL_MS], is_live=is_live, error=DeviceError("it broke"))
    with Camera(source, clock_ms=lambda: source.clock_ms) as camera:
        seen = []
        with pytest.raises(DeviceError, match="it broke"):
            while (frame := camera.newest(5.0)) is not None:
                seen.append(shows(frame))
        with pytest.raises(DeviceError, match="it broke"):
            camera.newest(0.0)
    assert seen
    assert source.closes == 1
    camera.close()
    assert camera.newest(0.0) is None


@pytest.mark.parametrize("pts_ms", [[0.0, 60_000.0], [k * INTERVAL_MS for k in range(1000)]])
def test_close_ends_a_file_early_and_at_once(pts_ms: list[float]) -> None:
    source = ScriptedSource(pts_ms)
    camera = Camera(source, clock_ms=now_ms)
    with camera:
        assert camera.newest(5.0) is not None
        started_ms = now_ms()
    camera.close()
    assert now_ms() - started_ms < 1000
    assert camera.is_ended
    assert camera.newest(1.0) is None
    assert source.closes == 1
    assert not {"camera", "read-ahead"} & {thread.name for thread in threading.enumerate()}


def test_close_wakes_whoever_waits_for_a_frame() -> None:
    source = ScriptedSource([], is_live=True, blocks=True)
    camera = Camera(source, clock_ms=now_ms)
    taken: list[CapturedFrame | None] = []
    waiter = threading.Thread(target=lambda: taken.append(camera.newest(60.0)))
    with camera:
        waiter.start()
        assert source.has_run_out.wait(5)
        source.release.set()
    waiter.join(5)
    assert taken == [None]


def test_a_source_that_does_not_answer_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    source = ScriptedSource([], is_live=True, blocks=True)
    camera = Camera(source, clock_ms=now_ms)
    with camera, pytest.MonkeyPatch.context() as patch:
        patch.setattr("headgan.sender.camera.JOIN_S", 0.05)
        assert source.has_run_out.wait(5)
        camera.close()
        assert "script does not answer" in caplog.text
        assert source.closes == 0
        source.release.set()
    assert source.closes == 1


def test_a_camera_that_was_never_started_closes_its_source() -> None:
    source = ScriptedSource([])
    Camera(source, clock_ms=now_ms).close()
    assert source.closes > 0


def test_reading_ahead_is_bounded_and_loses_nothing() -> None:
    source = ScriptedSource([float(k) for k in range(20)])
    ahead = ReadAhead(source)
    ahead.thread.start()
    for expected in range(DEPTH_FRAMES + 1):  # one more is in the hands of the thread
        assert source.reads.get(timeout=5) == expected
    with pytest.raises(queue.Empty):
        source.reads.get(timeout=0.05)
    frames = list(iter(ahead.read, None))
    assert [frame.pts_ms for frame in frames if frame is not None] == [float(k) for k in range(20)]
    ahead.thread.join(5)
    assert source.closes == 1


def write_clip(path: Path, levels: list[int], rate_fps: float = 25.0) -> Path:
    with VideoWriter(path, width=64, height=64, rate_fps=rate_fps) as writer:
        for level in levels:
            writer.write(np.full((64, 64, 3), level, np.uint8))
    return path


def read_levels(source: FileSource, limit: int) -> tuple[list[int], list[float]]:
    """The grey levels, rounded to tens, and the timestamps of at most `limit` frames."""
    frames = list(itertools.islice(iter(source.read, None), limit))
    kept = [frame for frame in frames if frame is not None]
    return [round(frame.frame_rgb.mean() / 10) * 10 for frame in kept], [frame.pts_ms for frame in kept]


def test_a_file_is_read_to_its_end_and_again_after_rewind(tmp_path: Path) -> None:
    source = FileSource(write_clip(tmp_path / "clip.mp4", [50, 100, 150]))
    assert not source.is_live
    assert source.describe() == "clip.mp4, 64x64 at 25 fps"
    for _ in range(2):
        levels, pts_ms = read_levels(source, 9)
        assert levels == [50, 100, 150]
        assert pts_ms == pytest.approx([0, 40, 80], abs=1)
        assert source.read() is None
        source.rewind()
    source.close()
    source.close()
    assert source.read() is None


@pytest.mark.parametrize(("levels", "rate_fps"), [([50, 100, 150], 12.0), ([200], 30.0)])
def test_a_loop_has_no_seam(tmp_path: Path, levels: list[int], rate_fps: float) -> None:
    source = FileSource(write_clip(tmp_path / "clip.mp4", levels, rate_fps), loop=True)
    seen, pts_ms = read_levels(source, 8)
    assert seen == list(itertools.islice(itertools.cycle(levels), 8))
    assert np.diff(pts_ms) == pytest.approx(1000 / rate_fps, abs=1)
    source.rewind()
    assert read_levels(source, 2) == (seen[:2], pts_ms[:2])
    source.close()
    assert source.read() is None


def test_a_looping_clip_goes_on_in_a_camera(tmp_path: Path) -> None:
    source = open_source(str(write_clip(tmp_path / "clip.mp4", [50, 100])), loop=True)
    with Camera(source, clock_ms=now_ms) as camera:
        frames = list(itertools.islice(take_all(camera), 5))
    for frame in frames:
        assert round(frame.frame_rgb.mean() / 10) * 10 == (50, 100)[frame.index % 2]


def test_what_is_no_camera_and_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="webcam is neither the number of a camera nor a file"):
        open_source("webcam")
    path = tmp_path / "notes.mp4"
    path.write_text("not a video")
    with pytest.raises(DeviceError, match=r"notes\.mp4"):
        open_source(str(path))
