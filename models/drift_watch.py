"""What the geometry draws and the true picture in, the drift that brings them together out: the sender's half.

drawn, moved by the drift so far ─┬─ optical flow to the picture ── mean around each node ── proposed
                                  └─ for each node: is the proposal worth its bits?

A node follows only where that lowers the squared error around it by more than its bits are worth. So a node on a plain
wall, where flow is a guess, stays, and noise costs nothing. And it must explain what is seen: where a picture that is
moved is hardly nearer than one that is not, as where a hand came in, the node goes back to where the reference has it,
rather than smear what is there. All of it happens at half size.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from headgan.codec.drift import DRIFT_SIDE, MAX_DRIFT, no_drift
from headgan.models.drift_field import moved_picture
from headgan.models.pncc import CROP_SIZE

_SIZE = CROP_SIZE // 2
_NODE = _SIZE / DRIFT_SIDE
# Flow counts by the squared gradient of the brightness, plus this.
_PLAIN = 30.0
_NEVER_NONE = 1e-3
# Squared levels of a node's surroundings that a bit is worth, and what bits are taken for: a node that moves, a pixel.
BIT_WORTH = 24.0
_BITS_MOVED, _BITS_PIXEL = 3.0, 0.7
# Of the squared error without any drift, what may be left with it.
_UNEXPLAINED = 0.8


class DriftWatch:
    """Of one call or clip; frames in the order of their times."""

    def __init__(self, bit_worth: float = BIT_WORTH) -> None:
        """Args: bit_worth: squared levels."""
        self._bit_worth = bit_worth
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._drift = no_drift()

    def see(
        self,
        drawn_rgb: NDArray[np.uint8],
        face: NDArray[np.float32],
        reference_drift: NDArray[np.int16],
        picture_rgb: NDArray[np.uint8],
    ) -> NDArray[np.int16]:
        """The drift of a frame, int16 [8, 8, 2].

        Args:
            drawn_rgb: uint8 [256, 256, 3], what geometry makes of a reference for this frame, without any drift.
            face: float32 [256, 256] or [128, 128], where the face is in it, see `Prior.face`.
            reference_drift: of that reference.
            picture_rgb: uint8 [256, 256, 3], the frame.
        """
        drawn, truth = _half(drawn_rgb), _half(picture_rgb)
        face = cv2.resize(face, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
        before = self._drift - reference_drift
        moved = moved_picture(drawn, face, before)
        shift = _around_nodes(self._flow.calc(truth, moved, None), truth, 1 - face)
        proposed = before + np.round(shift * (CROP_SIZE / _SIZE)).astype(np.int16)
        proposed = np.clip(proposed, -MAX_DRIFT - reference_drift, MAX_DRIFT - reference_drift)
        change = np.abs(proposed - before).sum(axis=-1)
        counts = 1 - face
        error = _error(moved, truth, counts)
        gain = error - _error(moved_picture(drawn, face, proposed), truth, counts)
        is_worth = (change > 0) & (gain > self._bit_worth * (_BITS_MOVED + _BITS_PIXEL * change))
        is_smear = error - is_worth * gain > _UNEXPLAINED * _error(drawn, truth, counts)
        follows = np.where(is_worth[..., None], proposed, before) * ~is_smear[..., None]
        self._drift = (follows + reference_drift).astype(np.int16)
        return self._drift


def _half(picture_rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = cv2.resize(picture_rgb, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
    grey: NDArray[np.uint8] = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey


def _around_nodes(
    flow: NDArray[np.float32], truth: NDArray[np.uint8], counts: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Float32 [8, 8, 2]: the mean flow around each node, where there is something to see; counts: what is no face."""
    across, down = (cv2.Sobel(truth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    weight = cv2.GaussianBlur(across * across + down * down + _PLAIN, (0, 0), 1.5) * counts + _NEVER_NONE
    weight = weight[..., None]
    total = cv2.GaussianBlur(np.concatenate([flow * weight, weight], axis=-1), (0, 0), _NODE / 2)
    mean = total[..., :2] / total[..., 2:]
    nodes: NDArray[np.float32] = cv2.resize(mean, (DRIFT_SIDE, DRIFT_SIDE), interpolation=cv2.INTER_AREA)
    return nodes


def _error(
    drawn: NDArray[np.uint8], truth: NDArray[np.uint8], counts: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Float32 [8, 8]: mean squared difference around each node."""
    difference = drawn.astype(np.float32) - truth
    around = cv2.GaussianBlur(difference * difference * counts, (0, 0), 0.35 * _NODE)
    nodes: NDArray[np.float32] = cv2.resize(around, (DRIFT_SIDE, DRIFT_SIDE), interpolation=cv2.INTER_AREA)
    return nodes
