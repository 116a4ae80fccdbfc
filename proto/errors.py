"""Every error a user can meet, in one tree; the command line turns each into one line and an exit code.

HeadganError            exit code 1
├── UsageError          exit code 2: the command was called wrongly
├── WireError           bytes from the other side do not follow the protocol
├── PeerError           the other side cannot be reached, refused, or went away
├── DeviceError         a camera, file or display cannot be used
├── FaceError           no face, or not the face that was expected
└── ModelError          a model file is missing, damaged or does not fit
"""


class HeadganError(Exception):
    """Something went wrong that the user can be told about in one sentence."""

    exit_code = 1


class UsageError(HeadganError):
    """An option has a value that cannot work; says which and what would."""

    exit_code = 2


class WireError(HeadganError):
    """Untrusted bytes break the protocol; the only exception that parsing may raise."""


class PeerError(HeadganError):
    """The other side cannot be reached, refused the call, or went away."""


class DeviceError(HeadganError):
    """A camera, a video file or a display cannot be opened, read or written."""


class FaceError(HeadganError):
    """A picture has no face, or more faces than it may have."""


class ModelError(HeadganError):
    """A model file is missing, damaged, or made for something else."""
