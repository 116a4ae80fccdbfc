"""The classic codecs, as settings: each at its best for a call, and at its slow best.

Low delay: a picture is predicted from earlier ones only, nothing looks ahead, and one core of a laptop keeps up with 25
pictures a second. Slow: the encoder sees the whole clip before it says anything. Both have one key frame, the first: a
call over a line that loses nothing. The settings were chosen by PSNR and ST-LPIPS on talking heads at 10 to
40 kbit/s; psychovisual tuning and adaptive quantisation are off where they cost both. VVenC is made for files: its
stream of low delay can be decoded picture by picture, but it looks at some later ones while it encodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headgan.benchmarks.rate_coder import LOW_DELAY, SLOW

PYAV, PYAV_APART, FFMPEG = "PyAV", "PyAV in a child process", "ffmpeg"
_H264_QUALITIES = (51, 46, 42, 38, 34, 30, 26)
_HEVC_QUALITIES = (51, 46, 42, 38, 34, 30, 26)
_VP9_QUALITIES = (63, 58, 52, 45, 38, 31, 24)
_AV1_QUALITIES = (63, 59, 53, 46, 39, 31, 24)
_VVC_QUALITIES = (58, 52, 47, 42, 37, 32, 27)
_VVC_LOW_DELAY = "picreordering=0:gopsize=8:decodingrefreshtype=none:mctffuturereference=0"


@dataclass(frozen=True)
class Encoder:
    """One encoder at one effort.

    Attributes:
        name: of the codec.
        mode: `low delay` or `slow`.
        standard: `h264`, `hevc`, `vp9`, `av1` or `vvc`.
        codec_name: FFmpeg's name of the encoder.
        runs_in: `PyAV`, the same in a child process, or the `ffmpeg` that imageio-ffmpeg brings.
        qualities: values of its quantiser, the lowest rate first.
        options: FFmpeg's, by name.
        quantiser: name of the option that takes the quality.
        passes: how often it sees the clip.
    """

    name: str
    mode: str
    standard: str
    codec_name: str
    runs_in: str
    qualities: tuple[int, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    quantiser: str = "crf"
    passes: int = 1


def _x264(mode: str, options: Mapping[str, str], params: str) -> Encoder:
    params = f"keyint=infinite:scenecut=0:threads=1:aq-mode=0:{params}"
    return Encoder("x264", mode, "h264", "libx264", PYAV, _H264_QUALITIES, {**options, "x264-params": params})


def _x265(mode: str, options: Mapping[str, str], params: str) -> Encoder:
    params = (
        f"keyint=-1:scenecut=0:psy-rd=0:psy-rdoq=0:info=0:log-level=0:pools=none:frame-threads=1:{params}"
    )
    return Encoder("x265", mode, "hevc", "libx265", PYAV, _HEVC_QUALITIES, {**options, "x265-params": params})


def _vp9(mode: str, runs_in: str, options: Mapping[str, str], passes: int = 1) -> Encoder:
    options = {"deadline": "good", "b": "0", "g": "99999", **options}
    return Encoder("VP9", mode, "vp9", "libvpx-vp9", runs_in, _VP9_QUALITIES, options, passes=passes)


def _svt(mode: str, preset: str, params: str) -> Encoder:
    options = {"preset": preset, "svtav1-params": f"keyint=-1:scd=0:lp=1:{params}"}
    return Encoder("SVT-AV1", mode, "av1", "libsvtav1", PYAV_APART, _AV1_QUALITIES, options)


def _aom(mode: str, options: Mapping[str, str], passes: int = 1) -> Encoder:
    options = {"usage": "good", "b:v": "0", "g": "99999", **options}
    return Encoder("libaom", mode, "av1", "libaom-av1", FFMPEG, _AV1_QUALITIES, options, passes=passes)


def _vvc(mode: str, preset: str, params: str = "") -> Encoder:
    options = {"preset": preset, "period": "9999", "vvenc-params": f"verbosity=0{params}"}
    return Encoder("VVC", mode, "vvc", "libvvenc", FFMPEG, _VVC_QUALITIES, options, "qp")


ENCODERS = (
    _x264(LOW_DELAY, {"preset": "veryslow", "tune": "zerolatency"}, "sliced-threads=0"),
    _x265(LOW_DELAY, {"preset": "slower", "tune": "zerolatency"}, "aq-mode=0"),
    _vp9(LOW_DELAY, PYAV, {"cpu-used": "1", "lag-in-frames": "0", "auto-alt-ref": "0"}),
    _svt(LOW_DELAY, "4", "pred-struct=1:lookahead=0"),
    _aom(LOW_DELAY, {"cpu-used": "4", "lag-in-frames": "0"}),
    _vvc(LOW_DELAY, "fast", f":{_VVC_LOW_DELAY}"),
    _x264(SLOW, {"preset": "placebo"}, "rc-lookahead=250:bframes=8"),
    _x265(SLOW, {"preset": "veryslow"}, "rc-lookahead=150:bframes=8"),
    _vp9(SLOW, FFMPEG, {"cpu-used": "0", "lag-in-frames": "25", "auto-alt-ref": "6"}, passes=2),
    _svt(SLOW, "2", "lookahead=120"),
    _aom(SLOW, {"cpu-used": "2", "lag-in-frames": "48"}, passes=2),
    _vvc(SLOW, "medium"),
)
