"""What the threads of camera and sound make in, messages on the link out: where both come back to the event loop.

CameraThread ── frame, plan, ParamPacket ─▶ FrameSender ── Link
CallSound ───── VoiceFrame or SaidRecord ─▶            ── Shipping ── Link
"""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from headgan.proto.link import Link
from headgan.proto.wire import ParamPacket
from headgan.sender.analysis import AnalysedFrame
from headgan.sender.call_sound import CallSound, is_heard
from headgan.sender.camera import Camera
from headgan.sender.camera_thread import CameraThread
from headgan.sender.frame_plan import FramePlan, FramePlanner
from headgan.sender.frame_sender import FrameSender
from headgan.sender.send_settings import SendSettings
from headgan.sender.shipping import Shipping
from headgan.sender.sound_encoder import SoundFrame


@dataclass(frozen=True, eq=False)
class CallStream:
    """Of one call, from when the receiver is ready.

    Attributes:
        camera: makes packets of pictures, in its thread.
        sound: encodes what is heard, in another.
        planner: of the frames; learns what is heard.
        frames: sends them.
        settings: of the call.
    """

    camera: CameraThread
    sound: CallSound
    planner: FramePlanner
    frames: FrameSender
    settings: SendSettings

    async def run(self, link: Link, ships: Shipping) -> None:
        """Runs the camera's thread to its end; each analysed frame comes back to the event loop and is sent."""
        loop = asyncio.get_running_loop()
        frames = self.frames
        has_sound = is_heard(self.settings.audio, link.session.agreed)

        def deliver(
            frame: AnalysedFrame, capture_ms: float, plan: FramePlan, packet: ParamPacket | None
        ) -> None:
            loop.call_soon_threadsafe(frames.send, link, ships, frame, capture_ms, plan, packet)

        def deliver_voice(frame: SoundFrame) -> None:
            self.planner.hear(frame)
            loop.call_soon_threadsafe(frames.add_voice, link, frame, frames.clock_ms())

        def open_voice(camera: Camera) -> AbstractContextManager[object]:
            return self.sound.open(self.settings, camera, deliver_voice) if has_sound else nullcontext()

        await asyncio.to_thread(self.camera.run, self.settings, self.planner, deliver, open_voice)
        packet = frames.packer.flush()
        if packet is not None and not link.session.is_over:
            frames.send_packet(link, packet)
        frames.finish_voice(link)
