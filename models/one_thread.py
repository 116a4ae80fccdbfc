"""A process of a call in, the same with libraries that do each of their jobs on the thread that asked for it out.

What a call computes for a frame is small and many threads do it side by side already. Split over all cores it takes
longer and not less time, as the parts wait for each other; and where four processes share two cores they wait turning.
Measured so, in a call both ways on two cores: with OpenBLAS's own threads 12 frames a second, without them 24.
"""

import cv2
from threadpoolctl import threadpool_limits


def keep_to_one_thread() -> None:
    """Has OpenCV and the libraries of linear algebra that are loaded compute on one thread from now on."""
    cv2.setNumThreads(1)
    threadpool_limits(1, user_api="blas")
