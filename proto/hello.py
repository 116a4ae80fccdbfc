"""Hello, the first control message: what both sides must agree on before a frame is sent."""

import enum
from dataclasses import dataclass

import msgpack

from headgan.proto.errors import WireError
from headgan.proto.wire import MAX_NAMED_REFERENCES, PROTOCOL_VERSION
from headgan.proto.wire_fields import U8_MAX, Reader, check_length, check_range, check_text

MODEL_ID_BYTES = 8
MAX_IDENTITY_BYTES = 1024
MAX_AGENT_BYTES = 64
MAX_CAPABILITIES = 16
MAX_CAPABILITY_BYTES = 32
MAX_RATE_FPS = 240.0
MAX_REFERENCES = 64
MAX_KNOWN = 64
# Sides of references in pixels.
PICTURE_PX, LARGE_PICTURE_PX = 256, 512
DIGEST_BYTES = 16
_MAX_PICTURE_PX = 4096
# Who names it reads, or writes, records that say how what is no face moves; they do if both sides name it.
DRIFT_CAPABILITY = "drift"
# Room for keys that a later version may add; this version reads past them.
MAX_HELLO_BYTES = 4096


class Role(enum.StrEnum):
    """Which end of the call a side is; the values are on the wire."""

    SENDER = "sender"
    RECEIVER = "receiver"


@dataclass(frozen=True)
class Hello:
    """Introduces one side; both send it first and once.

    offset  size  field
         0     1  type = 1
         1     1  version
         2  1..4094  a msgpack map; keys that are not in this list are ignored:
                  role          str, "sender" or "receiver"
                  agent         str, program and version, at most 64 bytes
                  rate_fps      float or int, frames a second, 0..240; above 0 from the sender
                  capabilities  array of at most 16 str of at most 32 bytes each
                  model_id      bin, 8 bytes that name the morphable model
                  identity      bin, float32 identity parameters laid out by headgan.codec, at most 1024 bytes
                  wants_reference  bool, whether the sender shall send its reference picture
                  references    int, how many the receiver holds, or the sender sends, at most, 1..64; left out for 1
                  fuses         int, from how many of them the receiver draws one frame at most, 1..8; left out for 1
                  known         bin, digests of references of earlier calls, 16 bytes each, at most 64; or left out
                  near          int, how many of these, from the first, look as the sender does now; left out for 0
                  picture_px    int, side of the references that the receiver wants, or the sender can send, at most,
                                256..4096; left out for 256
    """

    TYPE = 1

    role: Role
    agent: str
    rate_fps: float
    model_id: bytes
    identity: bytes = b""
    capabilities: tuple[str, ...] = ()
    wants_reference: bool = False
    references: int = 1
    fuses: int = 1
    known: tuple[bytes, ...] = ()
    near: int = 0
    picture_px: int = PICTURE_PX
    version: int = PROTOCOL_VERSION

    def __post_init__(self) -> None:
        check_range("hello: version", self.version, 0, U8_MAX)
        check_text("hello: agent", self.agent, MAX_AGENT_BYTES)
        check_range("hello: rate_fps", self.rate_fps, 0.0, MAX_RATE_FPS)
        if self.role is Role.SENDER and self.rate_fps == 0:
            raise WireError("hello: rate_fps is 0, a sender must say how many frames a second it sends")
        if len(self.capabilities) > MAX_CAPABILITIES:
            raise WireError(f"hello: {len(self.capabilities)} capabilities, must be 0..{MAX_CAPABILITIES}")
        for capability in self.capabilities:
            check_text("hello: capability", capability, MAX_CAPABILITY_BYTES)
        check_length("hello: model_id", self.model_id, MODEL_ID_BYTES, MODEL_ID_BYTES)
        check_length("hello: identity", self.identity, 0, MAX_IDENTITY_BYTES)
        check_range("hello: references", self.references, 1, MAX_REFERENCES)
        check_range("hello: fuses", self.fuses, 1, MAX_NAMED_REFERENCES)
        if len(self.identity) % 4:
            raise WireError(f"hello: identity: {len(self.identity)} bytes are not whole float32 numbers")
        check_range("hello: known", len(self.known), 0, MAX_KNOWN)
        for digest in self.known:
            check_length("hello: known", digest, DIGEST_BYTES, DIGEST_BYTES)
        if len(set(self.known)) < len(self.known):
            raise WireError("hello: known: a digest comes twice")
        check_range("hello: near", self.near, 0, len(self.known))
        check_range("hello: picture_px", self.picture_px, PICTURE_PX, _MAX_PICTURE_PX)

    def to_bytes(self) -> bytes:
        """The introduction as one control message."""
        fields = msgpack.packb(
            {
                "role": self.role.value,
                "agent": self.agent,
                "rate_fps": float(self.rate_fps),
                "capabilities": list(self.capabilities),
                "model_id": self.model_id,
                "identity": self.identity,
                "wants_reference": self.wants_reference,
                **({"references": self.references} if self.references > 1 else {}),
                **({"fuses": self.fuses} if self.fuses > 1 else {}),
                **({"known": b"".join(self.known)} if self.known else {}),
                **({"near": self.near} if self.near else {}),
                **({"picture_px": self.picture_px} if self.picture_px > PICTURE_PX else {}),
            }
        )
        return bytes((self.TYPE, self.version)) + bytes(fields)

    @classmethod
    def parse(cls, data: bytes) -> "Hello":
        """The introduction in one control message.

        Raises:
            WireError: the bytes are not a Hello, or one of another version.
        """
        check_length("hello", data, 2, MAX_HELLO_BYTES)
        reader = Reader("hello", data)
        if reader.u8() != cls.TYPE:
            raise WireError(f"hello: type {data[0]}, must be {cls.TYPE}")
        version = reader.u8()
        if version != PROTOCOL_VERSION:
            raise WireError(
                f"hello: the other side speaks protocol version {version}, this side {PROTOCOL_VERSION}; "
                "install the same headgan on both"
            )
        fields = _Fields(reader.rest())
        return cls(
            role=fields.role(),
            agent=fields.text("agent"),
            rate_fps=fields.number("rate_fps"),
            model_id=fields.binary("model_id"),
            identity=fields.binary("identity"),
            capabilities=fields.texts("capabilities"),
            wants_reference=fields.truth("wants_reference"),
            references=fields.whole("references", default=1),
            fuses=fields.whole("fuses", default=1),
            known=fields.digests("known"),
            near=fields.whole("near", default=0),
            picture_px=fields.whole("picture_px", default=PICTURE_PX),
            version=version,
        )


class _Fields:
    """Typed access to the msgpack map of an untrusted Hello."""

    def __init__(self, packed: bytes) -> None:
        try:
            fields = msgpack.unpackb(
                packed,
                raw=False,
                strict_map_key=True,
                max_str_len=MAX_HELLO_BYTES,
                max_bin_len=MAX_HELLO_BYTES,
                max_array_len=64,
                max_map_len=64,
                max_ext_len=0,
            )
        except (ValueError, msgpack.UnpackException) as error:
            raise WireError(f"hello: not msgpack within limits: {error}") from error
        if not isinstance(fields, dict):
            raise WireError(f"hello: a msgpack {type(fields).__name__}, must be a map")
        self._fields: dict[object, object] = fields

    def role(self) -> Role:
        role = self.text("role")
        try:
            return Role(role)
        except ValueError as error:
            raise WireError(f"hello: role {role[:32]!r}, must be sender or receiver") from error

    def text(self, key: str) -> str:
        value = self._value(key)
        if isinstance(value, str):
            return value
        raise self._wrong_type(key, value, "str")

    def number(self, key: str) -> float:
        value = self._value(key)
        if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
            return float(value)
        raise self._wrong_type(key, value, "a number")

    def whole(self, key: str, *, default: int) -> int:
        value = self._fields.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._wrong_type(key, value, "a whole number")

    def binary(self, key: str) -> bytes:
        value = self._value(key)
        if isinstance(value, bytes):
            return value
        raise self._wrong_type(key, value, "bin")

    def digests(self, key: str) -> tuple[bytes, ...]:
        """Of `DIGEST_BYTES` each; the last is shorter where the length is wrong, and none if the key is left out."""
        joined = self.binary(key) if key in self._fields else b""
        return tuple(joined[at : at + DIGEST_BYTES] for at in range(0, len(joined), DIGEST_BYTES))

    def truth(self, key: str) -> bool:
        value = self._value(key)
        if isinstance(value, bool):
            return value
        raise self._wrong_type(key, value, "bool")

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._value(key)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise self._wrong_type(key, value, "an array of str")

    def _value(self, key: str) -> object:
        if key not in self._fields:
            raise WireError(f"hello: {key} is missing")
        return self._fields[key]

    @staticmethod
    def _wrong_type(key: str, value: object, expected: str) -> WireError:
        return WireError(f"hello: {key} is a {type(value).__name__}, must be {expected}")
