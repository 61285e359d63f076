"""`python -m asdkeras.eval`, the same as `asdkeras eval`."""

import sys

from asdkeras.cli import main

if __name__ == "__main__":
    sys.exit(main(["eval", *sys.argv[1:]]))
