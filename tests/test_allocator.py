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


# What an isolated pipeline's process does, in a thread, so that what it sets can be seen.
ALONE = """
import threading
from multiprocessing import Pipe
from helpers.machine import allocator
from helpers.pipelines import Spec
from helpers.tasks import Task
from helpers.timing import isolation
set_to = []
allocator._mallopt = lambda: lambda name, size: set_to.append((name, size)) or True
here, there = Pipe()
task = Task(examples=8)
server = threading.Thread(target=isolation._serve, args=(there, task, Spec("py_dataset"), MALLOC_IS_SET), daemon=True)
server.start()
assert here.recv() == "ready"
here.send((isolation.EPOCHS, 1))
assert len(here.recv()) == 1
here.send(("stop",))
server.join()
print(len(set_to))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("set_malloc", "expected"), [("True", True), ("False", False)])
def test_in_a_process_of_its_own_malloc_is_set_or_left_alone_as_asked(set_malloc, expected):
    code = ALONE.replace("MALLOC_IS_SET", set_malloc)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(ran.stdout.strip().splitlines()[-1]) > 0) is expected
