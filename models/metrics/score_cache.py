"""Scores of a clip in, a file that a later run may read instead of drawing the clip again out."""

import json
import zipfile
from pathlib import Path

import numpy as np

from headgan.models.metrics.tally import Score


class ScoreCache:
    """A folder with one file for each clip and way to draw it."""

    def __init__(self, folder: Path) -> None:
        """Args: folder: made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def load(self, clip: str, way: str, key: str) -> Score | None:
        """What was saved under these names with the same `key`; None if nothing was, or it is damaged."""
        try:
            with np.load(self._path(clip, way), allow_pickle=False) as data:
                if str(data["key"]) != key:
                    return None
                return Score(json.loads(str(data["values"])), data["embeddings"], data["features"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, clip: str, way: str, key: str, score: Score) -> None:
        """Keeps `score`.

        Args:
            clip: name of the clip.
            way: name of the way to draw it.
            key: stands for everything that the score depends on.
            score: what to keep.
        """
        path = self._path(clip, way)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                key=key,
                values=json.dumps(score.values),
                embeddings=score.embeddings,
                features=score.features,
            )
        part.replace(path)

    def picture_path(self, clip: str) -> Path:
        """Where the pictures of `clip` for the sheet are, beside its scores."""
        return self._folder / f"{clip}.png"

    def _path(self, clip: str, way: str) -> Path:
        return self._folder / f"{clip}.{way}.npz"
