"""`headgan-bench`: bandwidth, frame rate, latency and fidelity, as JSON and a picture."""

import sys
from collections.abc import Sequence

from headgan.benchmarks.bandwidth_command import BandwidthOptions, bench_bandwidth
from headgan.benchmarks.call_command import CallOptions, EnduranceOptions, bench_calls, bench_endurance
from headgan.benchmarks.compare_reports import CompareOptions, bench_compare
from headgan.benchmarks.cut_command import CutOptions, bench_cut
from headgan.benchmarks.fps_command import FpsOptions, bench_fps
from headgan.benchmarks.gallery import GalleryOptions, bench_gallery
from headgan.benchmarks.latency_command import LatencyOptions, bench_latency
from headgan.benchmarks.learning_curve import LearningCurveOptions, bench_learning_curve
from headgan.benchmarks.lips_command import LipsOptions, bench_lips
from headgan.benchmarks.memory_command import MemoryOptions, bench_memory
from headgan.benchmarks.outage_command import OutageOptions, bench_outage
from headgan.benchmarks.parameters_command import ParametersOptions, bench_parameters
from headgan.benchmarks.rate_distortion import RateDistortionOptions, bench_rate_distortion
from headgan.benchmarks.reference_coding import ReferenceCodingOptions, bench_reference_coding
from headgan.benchmarks.references_command import ReferencesOptions, bench_references
from headgan.benchmarks.report_command import ReportOptions, bench_report
from headgan.benchmarks.said_command import SaidOptions, bench_said
from headgan.benchmarks.scene_command import SceneOptions, bench_scene
from headgan.benchmarks.side_by_side import SideBySideOptions, join_side_by_side
from headgan.benchmarks.size_command import SizeOptions, bench_size
from headgan.benchmarks.speech_command import SpeechOptions, bench_speech
from headgan.benchmarks.talk_command import TalkOptions, bench_talk
from headgan.benchmarks.tracker_command import TrackerOptions, bench_tracker
from headgan.benchmarks.two_way_command import TwoWayOptions, bench_two_way
from headgan.benchmarks.voice_command import VoiceOptions, bench_voice
from headgan.proto.commands import Command, run_commands

COMMANDS = (
    Command(
        ("fps",),
        FpsOptions,
        bench_fps,
        "How long each stage of a frame takes, sender and receiver, beside other codecs and networks.",
        "headgan-bench fps clip.mp4 -o report/",
    ),
    Command(
        ("latency",),
        LatencyOptions,
        bench_latency,
        "From camera to display: how long, and where each millisecond goes.",
        "headgan-bench latency clips/ -o report/",
    ),
    Command(
        ("bandwidth",),
        BandwidthOptions,
        bench_bandwidth,
        "What a call puts on the wire, second by second, with one, two and three frames a packet.",
        "headgan-bench bandwidth clip.mp4 -o report/",
    ),
    Command(
        ("two-way",),
        TwoWayOptions,
        bench_two_way,
        "A call in both directions at once, four processes: does this machine hold it?",
        "headgan-bench two-way clip.mp4 -o report/",
    ),
    Command(
        ("memory",),
        MemoryOptions,
        bench_memory,
        "How long the two commands take to start, and how much memory they then have.",
        "headgan-bench memory clip.mp4 -o report/",
    ),
    Command(
        ("report",),
        ReportOptions,
        bench_report,
        "One table of what fps, latency, two-way and memory measured, and its headlines for a README.",
        "headgan-bench report report/ --readme README.md --page docs/performance.md",
    ),
    Command(
        ("call",),
        CallOptions,
        bench_calls,
        "Send clips through calls on this machine: rates, latency, fidelity, a sheet of frames.",
        "headgan-bench call clips/ -o report/",
    ),
    Command(
        ("endurance",),
        EnduranceOptions,
        bench_endurance,
        "One long call: does the latency grow?",
        "headgan-bench endurance clip.mp4 --minutes 10 -o report/",
    ),
    Command(
        ("outage",),
        OutageOptions,
        bench_outage,
        "A call over a line that is interrupted while a reference is sent: does it go on, and when?",
        "headgan-bench outage clip.mp4 --seconds 5 -o report/",
    ),
    Command(
        ("cut",),
        CutOptions,
        bench_cut,
        "clip to how long a voice waits for the packets of the faces",
        "headgan-bench cut clip.mp4 -o report/",
    ),
    Command(
        ("talk",),
        TalkOptions,
        bench_talk,
        "Calls with people who speak, over lines that lose packets: are sound and lips in time?",
        "headgan-bench talk clips/ -o report/",
    ),
    Command(
        ("tracker",),
        TrackerOptions,
        bench_tracker,
        "How fast the landmark network runs on LiteRT and on onnxruntime.",
        "headgan-bench tracker -o tracker.json",
    ),
    Command(
        ("learning-curve",),
        LearningCurveOptions,
        bench_learning_curve,
        "What training runs learned: scores of held-out people against hours.",
        "headgan-bench learning-curve run/ -o report/",
    ),
    Command(
        ("compare",),
        CompareOptions,
        bench_compare,
        "Put reports of headgan evaluate side by side.",
        "headgan-bench compare full/ no_flow/ -o report/",
    ),
    Command(
        ("gallery",),
        GalleryOptions,
        bench_gallery,
        "Reenactment, edits and frontalisation of several people on two sheets.",
        "headgan-bench gallery clips/ -o report/",
    ),
    Command(
        ("scene",),
        SceneOptions,
        bench_scene,
        "What a call shows when the light changes, and when a hand covers the mouth.",
        "headgan-bench scene clip.mp4 -o report/",
    ),
    Command(
        ("references",),
        ReferencesOptions,
        bench_references,
        "What a reference memory brings, by its size and second by second of a call.",
        "headgan-bench references clips/ -o report/",
    ),
    Command(
        ("size",),
        SizeOptions,
        bench_size,
        "Frames of 512 pixels beside enlarged ones of 256: quality, bytes and time.",
        "headgan-bench size clips/ -o report/",
    ),
    Command(
        ("reference-coding",),
        ReferenceCodingOptions,
        bench_reference_coding,
        "Bytes of references at equal quality, by way of coding.",
        "headgan-bench reference-coding clips/ -o report/",
    ),
    Command(
        ("parameters",),
        ParametersOptions,
        bench_parameters,
        "Bits, error and loss of face parameters as calls send them.",
        "headgan-bench parameters clips/ -o report/",
    ),
    Command(
        ("speech",),
        SpeechOptions,
        bench_speech,
        "What the network that hears speech loses in a call, by how far it may look ahead.",
        "headgan-bench speech clips/ -o report/",
    ),
    Command(
        ("said",),
        SaidOptions,
        bench_said,
        "What is said without the voice: what it costs, and how well networks are told it.",
        "headgan-bench said clips/ -o report/",
    ),
    Command(
        ("lips",),
        LipsOptions,
        bench_lips,
        "Can drawn lips be read, and are they in time with the sound? Beside real ones.",
        "headgan-bench lips clips/ -o report/",
    ),
    Command(
        ("rate-distortion",),
        RateDistortionOptions,
        bench_rate_distortion,
        "Quality over rate: calls beside x264, x265, VP9, AV1 and VVC, at low delay and at their slow best.",
        "headgan-bench rate-distortion clips/ -o report/",
    ),
    Command(
        ("voice",),
        VoiceOptions,
        bench_voice,
        "What a voice costs, and what is understood of it where packets get lost.",
        "headgan-bench voice clips/ -o report/",
    ),
    Command(
        ("side-by-side",),
        SideBySideOptions,
        join_side_by_side,
        "Join original and reconstruction of a call in one video.",
        "headgan-bench side-by-side crop.mp4 out.mp4 -o both.mp4",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `headgan-bench`; returns the exit code."""
    return run_commands("headgan-bench", "What a call costs and how good it looks.", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
