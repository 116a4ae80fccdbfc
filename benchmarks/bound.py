"""A parent's process id and a command in, that command out, ended by the kernel as soon as the parent is gone.

A benchmark that is killed cannot end what it started; without this, cameras and calls would go on behind its back.
Run as a script, before the command, with nothing but the standard library: it has to cost no time.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, words: list[str]) -> None:
    """Becomes the program that `words` name; where the kernel cannot bind it, it runs all the same."""
    if sys.platform == "linux":
        # It outlives exec. What is counted as the parent is the thread that started this one.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was gone before the kernel knew
            sys.exit(1)
    os.execvp(words[0], words)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
