"""``automl …`` as people type it, but in this process: a new one loads MLflow and its libraries first."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock


def automl(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder``; its exit code and what it printed, as of a process."""
    from automl.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        open(os.devnull, encoding="utf-8") as nothing,
        mock.patch.object(sys, "argv", ["automl", *words]),
        mock.patch.object(sys, "stdin", nothing),
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
    return subprocess.CompletedProcess(["automl", *words], code, out.getvalue(), err.getvalue())
