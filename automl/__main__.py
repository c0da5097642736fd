"""``python -m automl`` is the command ``automl``."""

import os
import sys

# Python puts the working directory before its own library for -m, and the command does not: a file there
# called random.py or torch.py would be taken for the library. PYTHONPATH still leads to it where it should.
if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
    del sys.path[0]

from automl.cli import main

if __name__ == "__main__":
    main()
