"""Where a PyDataset spends its time: `__getitem__` by clock and CPU, the interpreter's lock, lines, methods."""

import collections
import inspect
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from helpers import internals
from helpers.doctor import lines as lines_of_code, parts
from helpers.doctor.stages import Stage, Stages, disagreement
from helpers.machine import noise

LOOK_EVERY_S = 0.001
LONGEST_PAUSE_S = 0.5
LEAST_SHARE = 0.05  # a line below it is not told
# What ImageDataGenerator does for each image, and its original's name for it.
METHODS = ("get_random_transform", "apply_transform", "standardize")


def of(part: parts.Part, budget_s: float) -> Stages:
    """Returns the stages of a PyDataset: its methods where it is ImageDataGenerator's, and its costliest lines.

    Args:
        part: the feed, or a part of it.
        budget_s: seconds that reading may take; it is read three times.
    """
    data = getattr(part.feed.data, "whole", part.feed.data)
    had_no_core_s = noise.had_no_core_s()
    wall_s, cpu_s, batches = _read(data, part.batches, budget_s / 3)
    queued_s = noise.had_no_core_s() - had_no_core_s
    waiting = 1 - (cpu_s + queued_s) / wall_s
    with _sampled() as lines:
        sampled_s, _, _ = _read(data, batches, budget_s)
    of_lock = _share_of_lock(lambda: _read(data, batches, budget_s), wall_s)
    generator = getattr(data, "image_data_generator", None)
    methods = _methods(generator, data, batches, budget_s) if generator is not None else []
    name, where = _named(data)
    whole = Stage(
        name,
        where,
        cpu_s,
        wall_s,
        calls=data.workers,
        elements=batches,
        of_lock=of_lock,
        queued_s=queued_s,
        note="" if waiting < 0.3 else f"waits for {waiting:.0%} of its time",
    )
    total = sum(lines.values())
    told = [
        Stage(f"in {function}", f"{file}:{line}", wall_s=wall_s * count / total, inner=True)
        for (file, line, function), count in lines.most_common(5)
        if count / total >= LEAST_SHARE
    ]
    remarks = disagreement("__getitem__", ("the clock", wall_s), ("the clock while its lines were sampled", sampled_s))
    if told:
        remarks.append("Lines within it are told by sampling; they are parts of its time, not added to it.")
    return Stages((whole, *methods, *told), batches, tuple(remarks))


def _named(data):
    """What makes the batches, and its "file:line": `__getitem__`, or a generator's function."""
    from helpers.doctor.py_dataset_parts import OfGenerator

    if isinstance(data, OfGenerator):
        code, name = getattr(data.make, "__code__", None), getattr(data.make, "__name__", "generator")
    else:
        code, name = inspect.unwrap(type(data).__getitem__).__code__, f"{type(data).__name__}.__getitem__"
    return name, f"{code.co_filename}:{code.co_firstlineno}" if code else ""


def _read(data, batches, budget_s):
    """Returns (seconds by the clock, CPU seconds of this thread, batches read)."""
    start, cpu = time.perf_counter(), time.thread_time()
    count = 0
    for count in range(1, batches + 1):
        data[count - 1]
        if time.perf_counter() - start > budget_s:
            break
    return time.perf_counter() - start, time.thread_time() - cpu, count


@contextmanager
def _sampled():
    """Counts in which of the user's lines this thread is, about every millisecond."""
    lines: collections.Counter[tuple[str, int, str]] = collections.Counter()
    reader, ended = threading.get_ident(), threading.Event()

    def look():
        while not ended.wait(LOOK_EVERY_S):
            frame = internals.running_frames().get(reader)
            while frame is not None and not lines_of_code.is_the_users(frame.f_code.co_filename):
                frame = frame.f_back if frame.f_code is not _read.__code__ else None
            if frame is not None:
                lines[frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name] += 1

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield lines
    finally:
        ended.set()
        watch.join()


def _share_of_lock(read: Callable[[], object], wall_s: float) -> float:
    """Returns the share of its time in which reading holds the interpreter's lock, 0 to 1.

    A second thread wants the lock all the time: where reading holds it, the two take turns, so that the second one
    runs for half of that time. How much it runs beside a pause as long tells what the machine leaves to it. Where
    others compute on all cores, it is too high.
    """
    alone = _runs_beside(lambda: time.sleep(min(wall_s, LONGEST_PAUSE_S)))
    blocked = min(0.5, max(0.0, 1 - _runs_beside(read) / max(alone, 1e-9)))
    return blocked / (1 - blocked)


def _runs_beside(action):
    """Returns the share of an action's time in which a thread that always wants to run does, 0 to 1."""
    ended, ran = threading.Event(), [0.0]

    def spin():
        start = time.thread_time()
        while not ended.is_set():
            pass
        ran[0] = time.thread_time() - start

    spinner, start = threading.Thread(target=spin, daemon=True), time.perf_counter()
    spinner.start()
    try:
        action()
    finally:
        wall_s = time.perf_counter() - start
        ended.set()
        spinner.join()
    return ran[0] / wall_s


def _methods(generator: Any, data: Any, batches: int, budget_s: float) -> list[Stage]:
    """Returns a stage for each of ImageDataGenerator's methods, timed on the instance, which is left as it was."""
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}

    def timed(name, method):
        def call(*arguments, **named):
            start = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                seconds[name].append(time.perf_counter() - start)

        return call

    kept = {name: vars(generator)[name] for name in METHODS if name in vars(generator)}
    try:
        for name in METHODS:
            setattr(generator, name, timed(name, getattr(generator, name)))
        _read(data, batches, budget_s)
    finally:
        for name in METHODS:
            if name in kept:
                setattr(generator, name, kept[name])
            else:
                vars(generator).pop(name, None)
    return [
        Stage(f"{type(generator).__name__}.{name}", wall_s=sum(each), elements=len(each), inner=True)
        for name, each in seconds.items()
        if each
    ]
