"""`python -m asdkeras.train`, the same as `asdkeras train`."""

import sys

from asdkeras.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
