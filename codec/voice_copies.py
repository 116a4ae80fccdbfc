"""Frames of a voice in, a coarse copy of each out, while packets get lost.

What a copy is for. Opus has in-band FEC of its own (LBRR), but at the rates of a call libopus leaves it out: below 18
kbit/s there is none for sound up to 8 kHz, whatever loss it is told to expect, and a narrower band to get it costs more
phonemes than it saves while less than an eighth of the packets is lost. So a second encoder codes the same sound at 8
kbit/s, in the same band, and the decoder of the frames takes what it says in a lost one's place.

Copies of some frames, those that can be concealed worst, at the expense of all others were tried: they brought little,
as the frames got coarser with every copy. Copies of all frames, beside frames as good as without loss, bring most of
what sending the frames themselves twice would. `headgan-bench voice` compares.
"""

import numpy as np
from numpy.typing import NDArray

from headgan.codec.libopus import OpusEncoder

COPY_KBPS = 8.0
# Frames that are no larger are sent twice as they are.
_SAME_UP_TO_KBPS = 9.0
# Copies begin above one loss and end below the other.
_FROM_LOSS, _UNTIL_LOSS = 0.02, 0.01


class CopyMaker:
    """Makes the copies for one encoder of a voice. Not thread-safe.

    Attributes:
        is_on: whether there are copies.
    """

    def __init__(self, kbps: float) -> None:
        """Args: kbps: the rate of the frames."""
        self.is_on = False
        self._encoder: OpusEncoder | None = None
        if kbps > _SAME_UP_TO_KBPS:
            self._encoder = OpusEncoder(COPY_KBPS, fec=False, dtx=False)
            self._encoder.set_bandwidth("wide")

    def expect_loss(self, share: float) -> None:
        """Says what share of packets is lost, 0 to 1."""
        was_on, self.is_on = self.is_on, share > (_UNTIL_LOSS if self.is_on else _FROM_LOSS)
        if self._encoder is not None and self.is_on and not was_on:
            self._encoder.reset()

    def copy(self, samples: NDArray[np.float32], data: bytes, *, is_silence: bool) -> bytes | None:
        """The copy of the next frame; None where there is none, as of silence.

        Args:
            samples: float32 [1920], its sound.
            data: what was coded of it.
            is_silence: whether a decoder will take it for silence.
        """
        if not self.is_on:
            return None
        copy = data if self._encoder is None else self._encoder.encode(samples)
        return None if is_silence else copy
