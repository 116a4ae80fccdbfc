"""`python -m headgan.benchmarks` in, `headgan-bench` out."""

import sys

from headgan.benchmarks.cli import main

if __name__ == "__main__":
    sys.exit(main())
