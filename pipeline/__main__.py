"""`python -m pipeline`."""

import sys

from pipeline.cli import main

# Processes that this one starts import it again, under another name.
if __name__ == "__main__":
    sys.exit(main())
