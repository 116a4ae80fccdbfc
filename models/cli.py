"""`headgan`: the commands that need no call."""

import sys
from collections.abc import Sequence

from headgan.models.blendshape_command import BlendshapeOptions, build_blendshape_file
from headgan.models.contacts_command import ContactsOptions, list_contacts
from headgan.models.decode_command import DecodeOptions, decode_file
from headgan.models.edit_command import EditOptions, edit_picture
from headgan.models.encode_command import EncodeOptions, encode_file
from headgan.models.frontalise_command import FrontaliseOptions, frontalise_picture
from headgan.models.info_command import InfoOptions, show_usage
from headgan.models.metrics.evaluate_command import EvaluateOptions, evaluate
from headgan.models.morphable_command import BuildOptions, build_morphable_file
from headgan.models.reenact_command import ReenactOptions, reenact_clip
from headgan.models.said_command import SaidCodeOptions, build_said_code_file
from headgan.models.track_command import TrackOptions, track_video
from headgan.models.train.export_command import ExportOptions, export
from headgan.models.train.lips_command import LipsOptions, train_lips_file
from headgan.models.train.param_code_command import ParamCodeOptions, build_param_code
from headgan.models.train.prepare_command import PrepareOptions, prepare_dataset
from headgan.models.train.train_command import TrainOptions, train
from headgan.proto.commands import Command, run_commands

COMMANDS = (
    Command(
        ("encode",),
        EncodeOptions,
        encode_file,
        "Write a clip of a person as a .hgn file, at about a kilobit a second.",
        "headgan encode clip.mp4 -o clip.hgn",
    ),
    Command(
        ("decode",),
        DecodeOptions,
        decode_file,
        "Draw the video of a .hgn file, or a part of it.",
        "headgan decode clip.hgn -o clip.mp4 --from 5 --to 8",
    ),
    Command(
        ("info",),
        InfoOptions,
        show_usage,
        "Tell where the bits of a .hgn file went.",
        "headgan info clip.hgn",
    ),
    Command(
        ("track",),
        TrackOptions,
        track_video,
        "Write the face parameters of a clip.",
        "headgan track clip.mp4 -o params.npz",
    ),
    Command(
        ("reenact",),
        ReenactOptions,
        reenact_clip,
        "Show the person of a photograph with the motion of a clip.",
        "headgan reenact --reference face.jpg --driving clip.mp4 -o out.mp4",
    ),
    Command(
        ("edit",),
        EditOptions,
        edit_picture,
        "Show the person of a photograph in another pose, with another expression or gaze.",
        "headgan edit --reference face.jpg -o out.png --yaw 20 --smile 0.6",
    ),
    Command(
        ("frontalise",),
        FrontaliseOptions,
        frontalise_picture,
        "Turn the face of a photograph to the front.",
        "headgan frontalise face.jpg -o front.png",
    ),
    Command(
        ("contacts",),
        ContactsOptions,
        list_contacts,
        "List whom headgan-recv --remember and headgan-send --remember (own) keep references of, or forget one.",
        "headgan contacts --delete ana",
    ),
    Command(
        ("param-code",),
        ParamCodeOptions,
        build_param_code,
        "Learn how the parameters of faces are coded best, from what headgan track wrote.",
        "headgan param-code tracks/ -o param_code.npz",
    ),
    Command(
        ("said-code",),
        SaidCodeOptions,
        build_said_code_file,
        "Learn how what is said is coded best without the voice, from clips of people who speak.",
        "headgan said-code clips/ -o said_code.npz",
    ),
    Command(
        ("morphable", "build"),
        BuildOptions,
        build_morphable_file,
        "Build a morphable model from clips and photographs of many people, one folder a person.",
        "headgan morphable build clips/ photos/ -o model.npz",
    ),
    Command(
        ("morphable", "blendshapes"),
        BlendshapeOptions,
        build_blendshape_file,
        "Learn what named facial movements do to the expression, from clips of many people.",
        "headgan morphable blendshapes clips/ -o blendshapes.npz",
    ),
    Command(
        ("prepare",),
        PrepareOptions,
        prepare_dataset,
        "Prepare clips for training: cut, track, fit and sort out what is of no use.",
        "headgan prepare clips/ -o prepared/ --workers 4",
    ),
    Command(
        ("train",),
        TrainOptions,
        train,
        "Train the networks on prepared clips.",
        "headgan train live.toml --data prepared/ -o run/",
    ),
    Command(
        ("export",),
        ExportOptions,
        export,
        "Write the ONNX files of a trained network.",
        "headgan export run/last.pt -o live.onnx",
    ),
    Command(
        ("train-lips",),
        LipsOptions,
        train_lips_file,
        "Train a network that reads lips, to judge drawn ones with (headgan-bench lips).",
        "headgan train-lips prepared/ -o lips.onnx",
    ),
    Command(
        ("evaluate",),
        EvaluateOptions,
        evaluate,
        "Measure how well a generator draws the people in clips, beside the prior and a still.",
        "headgan evaluate clips/ -o report/ --every 5",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `headgan`; returns the exit code."""
    return run_commands("headgan", "Faces to parameters and back.", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())
