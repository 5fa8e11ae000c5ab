import subprocess
import sys

import pytest

from helpers.machine import allocator

# 20 MB in blocks that malloc takes from its heap, freed: resident memory tells whether the system got them back.
FREED = """
import ctypes, sys
from helpers.machine import allocator, memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
assert allocator.keep_freed_memory(of_a_generator=sys.argv[1] == "generator")
blocks = [None] * 400  # a list that grows would lie among the blocks, and hold them up
for place in range(400):
    blocks[place] = libc.malloc(50_000)
    ctypes.memset(blocks[place], 1, 50_000)
full = memory.resident_bytes()
for block in blocks:
    libc.free(block)
print(full - memory.resident_bytes())
"""


@pytest.mark.skipif(allocator._mallopt() is None, reason="malloc is not glibc's")
@pytest.mark.parametrize(("like", "low", "high"), [("generator", 15e6, 25e6), ("alone", -1e6, 5e6)])
def test_freed_memory_is_given_back_at_once_beside_a_generator_and_kept_elsewhere(like, low, high):
    ran = subprocess.run([sys.executable, "-c", FREED, like], capture_output=True, text=True, check=True)
    assert low < float(ran.stdout) < high


def test_nothing_is_done_where_there_is_no_glibc(monkeypatch):
    monkeypatch.setattr(allocator, "_mallopt", lambda: None)
    assert allocator.keep_freed_memory(of_a_generator=True) is False
