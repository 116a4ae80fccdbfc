"""A folder in, networks of the paper's size in it out: untrained, to see what they cost.

`python -m headgan.benchmarks.paper_generator PATH` in a process of its own, since it needs torch and much memory.
"""

import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from headgan.benchmarks.children import end_child, finish_child, start_child
from headgan.proto.errors import HeadganError

_LIMIT_S = 1800.0


def why_no_paper() -> str | None:
    """What is missing to export the paper's networks; None if nothing."""
    missing = [name for name in ("torch", "onnx") if find_spec(name) is None]
    return f"needs {' and '.join(missing)}; run: pip install 'headgan[train]'" if missing else None


def paper_generator(folder: Path) -> Path:
    """The ONNX file of the frame graph, made if it is missing.

    Raises:
        HeadganError: it cannot be made.
    """
    path, log = folder / "paper.onnx", folder / "paper_export.log"
    if not path.exists():
        child = start_child([sys.executable, "-m", "headgan.benchmarks.paper_generator", str(path)], log)
        try:
            finish_child(child, "the export of the paper's networks", log, _LIMIT_S)
        finally:
            end_child(child)
    if not path.exists():
        raise HeadganError(f"{path} was not written")
    return path


def _export(path: Path) -> None:
    """Writes the graphs: the reference's first, so that the frame's is there only when both are."""
    from headgan.models.nets.config import PAPER
    from headgan.models.nets.export import export_generator
    from headgan.models.nets.head_gan import HeadGan

    # A call stacks no past frames, which in the first layer alone would cost more.
    exported = export_generator(HeadGan(replace(PAPER, past_frames=0)))
    path.with_suffix(".reference.onnx").write_bytes(exported.reference)
    part = path.with_suffix(".part")
    part.write_bytes(exported.frame)
    part.replace(path)


if __name__ == "__main__":
    _export(Path(sys.argv[1]))
