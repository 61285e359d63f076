"""`python -m asdkeras`, the same as `asdkeras`."""

import sys

from asdkeras.cli import main

if __name__ == "__main__":
    sys.exit(main())
