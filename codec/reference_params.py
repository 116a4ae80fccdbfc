"""The face of a reference in, the bytes in which it goes with its picture out; and back.

offset  size  field
0       1     format: 1, plain floats, see params.py; 2, a record
1             the floats, or a record that stands for itself and has a drift, see param_record.py
"""

from headgan.codec.param_decoder import ParamDecoder
from headgan.codec.param_encoder import Face, ParamEncoder
from headgan.codec.params import FORMAT_FLOAT32, FaceParams
from headgan.proto.errors import WireError

# Steps of 1/64 pixel: a look that is kept for the next call is compared with what the camera then sees.
REFERENCE_QUALITY = 1.0
_FORMAT_RECORD = 2


def code_reference_params(params: FaceParams) -> tuple[bytes, FaceParams]:
    """Format 2, mostly 40 to 70 bytes; and the face as it will be read.

    Raises:
        UsageError: it is none that can be sent.
    """
    encoder = ParamEncoder(quality=REFERENCE_QUALITY, loses=False, has_drift=True)
    data = bytes([_FORMAT_RECORD]) + encoder.encode(0, [Face(params)])
    return data, parse_reference_params(data)


def parse_reference_params(data: bytes) -> FaceParams:
    """The face in either format.

    Raises:
        WireError: the bytes are none of both.
    """
    if data[:1] == bytes([FORMAT_FLOAT32]):
        return FaceParams.parse(data)
    if data[:1] != bytes([_FORMAT_RECORD]):
        raise WireError(f"face of a reference: format {data[:1].hex() or 'none'}, must be 1 or 2")
    (face,) = ParamDecoder(has_drift=True).decode(0, [True], data[1:]) or (None,)
    if face is None:
        raise WireError("face of a reference: it follows from another one")
    return face.params
