"""How freed memory goes back to the system: for each feed as it would be in a process of its own.

glibc keeps freed memory by a rule that adapts to what a program frees. As soon as anything reads a generator dataset,
as `fit` does from a PyDataset, TensorFlow 2.21 replaces that rule for the whole process and for good (its log:
"Memory patch applied: M_TRIM_THRESHOLD=128 kb", `generator_dataset_op.cc`): what lies free beyond 128 kB at the top of
a heap goes back at once [fact: generator-gives-memory-back]. `tf.io.read_file` then asks for the same pages again for
every file, and pipelines that read small files take up to twice as long, though they themselves use no generator:
`benchmarks/freed_memory.py`.
"""

import ctypes
import functools
import sys

from helpers import internals

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt's names for them, malloc.h
_left_alone = False
SETTLED = {MMAP_THRESHOLD: 32 << 20, TRIM_THRESHOLD: 64 << 20}  # where glibc's rule stops growing (malloc.c), 64 bits


def leave_alone() -> None:
    """Has `keep_freed_memory` do nothing in this process from now on: malloc stays as glibc and TensorFlow set it.

    For a process of one pipeline, to test what those that share a process are made alike to.
    """
    global _left_alone
    _left_alone = True


@functools.cache
def _mallopt():
    """glibc's function, or None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "mallopt", None)


def keep_freed_memory(of_a_generator: bool) -> bool:
    """Sets how much freed memory glibc keeps, and returns whether it took it; elsewhere and when left alone: nothing.

    Args:
        of_a_generator: as TensorFlow sets it beside a generator dataset (128 kB); else as glibc's own rule settles
            in a process that frees large blocks (64 MiB).
    """
    mallopt = _mallopt()
    if mallopt is None or _left_alone:
        return False
    wanted = SETTLED | ({TRIM_THRESHOLD: internals.GENERATOR_TRIM_BYTES} if of_a_generator else {})
    return all(mallopt(name, size) for name, size in wanted.items())
