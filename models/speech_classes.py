"""Tokens of the phoneme network in, 27 classes of sounds out, told apart as far as lips tell them.

Sounds that look the same share a class: p, b and m close the lips, f and v touch them with the teeth, s and z show
closed teeth. The paper has the 26 letters and one class for the rest; here are 26 classes of sounds and one for the
rest, in the same place: silence, the network's blank, ends of words, signs that only alter the sound before them.

The table names all tokens of the network that are sounds. In speech about 40 of them matter; what it hears beside
them is mostly blank, or the end of a word.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# What looks like one sound, in the order of the features; 'rest' comes after them.
SOUNDS = (
    "p b m pʰ p͈ ɓ ɸ β ʙ",  # lips closed
    "f v ʋ ɱ",  # teeth on the lip
    "θ ð",  # tongue between the teeth
    "t d n tʰ t͈ ɾ r ɖ ɗ ʈ ɽ ñ ɲ",  # tongue behind the teeth
    "l ɫ ɮ ʎ",
    "s z s͈ c",
    "ʃ ʒ t͡ʃ d͡ʒ ɕ ʑ ʂ ʐ t͡ɕ t͡ɕʰ t͡ɕ͈ ẑ",  # lips pushed forward
    "k g ɡ ŋ kʰ k͈ x ɣ χ ʁ ʀ ɴ ç ʝ ɟ",  # in the throat: the lips do what comes next
    "h ɦ ħ ʔ",
    "ɹ ɻ",
    "w wa we wi wʌ ɰ",  # lips round and small
    "j ja je jo ju jʌ ɥ",
    "i ĩ ì",
    "ɪ ɪə ɨ ǐ",
    "e eɪ eə ẽ ø ɘ",
    "ɛ œ",
    "æ ä",
    "a ɑ ã à å",  # wide open
    "ʌ ə ɐ ᵊ ɤ ɵ",
    "ɝ ɚ ɜ",
    "ɔ ɔɪ ɒ õ",
    "aɪ",
    "aʊ",
    "o oʊ",  # round
    "ʊ ʏ",
    "u y ũ ʉ ɯ ɯi",  # round and small
)
CLASSES = len(SOUNDS) + 1
REST = CLASSES - 1
# DeepSpeech: the letters, and after them or around them a space, an apostrophe and the blank.
_LETTERS = 26


def folding(tokens: Sequence[str]) -> NDArray[np.float32]:
    """Float32 [len(tokens), 27], what shares of the tokens are multiplied by: one 1 in each row."""
    places = {token: place for place, sounds in enumerate(SOUNDS) for token in sounds.split()}
    table = np.zeros((len(tokens), CLASSES), np.float32)
    table[np.arange(len(tokens)), [places.get(token, REST) for token in tokens]] = 1
    return table


def fold_letters(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    """Float32 [T, 27], shares of the letters and of the rest, of what DeepSpeech says about each 20 ms.

    Args:
        logits: [T, 29] in DeepSpeech's order (space, a to z, apostrophe, blank), or [T, 27] (a to z, rest).

    Raises:
        ValueError: there are neither 29 nor 27.
    """
    count = logits.shape[-1]
    if logits.ndim != 2 or count not in (CLASSES, CLASSES + 2):
        raise ValueError(f"logits {logits.shape}: give [T, 29], as DeepSpeech does, or [T, 27]")
    shares = np.exp(np.asarray(logits, np.float64) - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    first = 1 if count > CLASSES else 0
    letters = shares[:, first : first + _LETTERS]
    return np.column_stack([letters, 1 - letters.sum(axis=1)]).astype(np.float32)
