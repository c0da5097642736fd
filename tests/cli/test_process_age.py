"""The age of the process that a search's budget counts from."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

PRINTED = "import time; from automl.cli import process_age; print(process_age(), time.process_time())"


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
def test_what_a_shell_did_before_it_became_the_command_does_not_count() -> None:
    began = time.monotonic()
    script = 'sleep 3; exec "$0" -c "$1"'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, PRINTED], capture_output=True, text=True, check=True
    )
    passed = time.monotonic() - began
    age, ran = map(float, done.stdout.split())
    assert 0.5 * ran < age < passed - 2.9
