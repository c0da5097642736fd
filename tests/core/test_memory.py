from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of other systems returns memory itself")
def test_freed_memory_goes_back_to_the_system() -> None:
    code = """
import os
from automl.core.memory import private_bytes, release_freed

class Node:
    pass

before = private_bytes(os.getpid())
nodes, pins = [Node() for _ in range(1000)], []
for node in nodes:
    node.itself, node.blocks = node, [bytes(2000) for _ in range(50)]
    pins.append(bytes(2000))  # the heap's end cannot move below the last one
held = private_bytes(os.getpid()) - before
del nodes, node
release_freed()
print(held, private_bytes(os.getpid()) - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    held, left = map(int, done.stdout.split())
    assert held > 90e6
    assert left < 0.3 * held
