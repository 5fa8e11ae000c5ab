"""Noise from made-up counters, and that the real ones tell our own work from that of others."""

import math
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple

import psutil
import pytest

from helpers.errors import StudyError
from helpers.machine import limits, noise


def counters(at_s, *, busy_s=0.0, own_s=0.0, steal_s=0.0, **more):
    return noise.Counters(at_s=at_s, cores=2, busy_s=busy_s, steal_s=steal_s, own_s=own_s, **more)


def test_others_are_what_is_busy_less_what_is_own():
    seen = noise.between(counters(10), counters(20, busy_s=14, own_s=10))
    assert seen.others_share == pytest.approx(0.2)
    assert seen.seconds == 10


def test_own_work_is_no_noise():
    seen = noise.between(counters(0), counters(10, busy_s=19.5, own_s=19.5))
    assert seen.others_share == 0
    assert seen.is_quiet


def test_rounding_of_the_counters_never_gives_negative_use():
    assert noise.between(counters(0), counters(1, busy_s=0.5, own_s=0.52)).others_share == 0


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (counters(10, busy_s=8), "other processes used 40% of 2 cores"),
        (counters(10, steal_s=4), "the host took 20%"),
        (counters(10, frequency_hz=2e9), "frequency changed by -33%"),
        (counters(10, thermal_events=7), "slowed for its heat 4 times"),
        (counters(10, quota_s=5.0), "stopped this process 50% of the time"),
    ],
)
def test_each_disturbance_is_named_with_its_figure(after, says):
    before = counters(0, frequency_hz=3e9, thermal_events=3, quota_s=0.0)
    seen = noise.between(before, after)
    assert not seen.is_quiet
    assert says in str(seen)


def test_what_the_system_does_not_tell_is_no_noise():
    seen = noise.between(counters(0), counters(1))
    assert seen.is_quiet
    assert math.isnan(seen.frequency_change)
    assert seen.thermal_events is None and seen.quota_share is None


def test_two_readings_at_once_are_refused():
    with pytest.raises(StudyError, match="later than the first"):
        noise.between(counters(5), counters(5))


def test_busy_is_all_but_idle_waiting_and_guests_on_the_cores_that_may_be_used(monkeypatch):
    fields = {"user": 1, "nice": 2, "system": 4, "idle": 8, "iowait": 16, "irq": 32, "softirq": 64, "steal": 128,
              "guest": 256, "guest_nice": 512}  # fmt: skip
    core = namedtuple("core", fields)
    cores = [core(*(value * 1000**number for value in fields.values())) for number in range(3)]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: cores)
    monkeypatch.setattr(limits, "core_numbers", lambda: [0, 2])
    seen = noise.read_counters()
    busy = 1 + 2 + 4 + 32 + 64
    assert (seen.cores, seen.busy_s, seen.steal_s) == (2, busy * (1 + 1000**2), 128 * (1 + 1000**2))


BURNT_S = 0.3
SLACK_S = 0.1  # the system counts in ticks of 10 ms, for each core and process apart
BURN = f"import time\nwhile time.process_time() < {BURNT_S}: pass"


def grown(work):
    """Does some work; returns (CPU seconds that the cores were busy, those of them that were our own)."""
    before = noise.read_counters()
    work()
    after = noise.read_counters()
    return after.busy_s - before.busy_s, after.own_s - before.own_s


def test_what_this_process_burns_is_its_own():
    def burn():
        end = time.process_time() + BURNT_S
        while time.process_time() < end:
            pass

    start = time.process_time()
    busy_s, own_s = grown(burn)
    assert own_s == pytest.approx(time.process_time() - start, abs=SLACK_S)
    assert busy_s >= own_s - SLACK_S


def test_what_a_child_burnt_is_our_own_when_it_has_ended():
    busy_s, own_s = grown(lambda: subprocess.run([sys.executable, "-c", BURN], check=True))
    assert own_s >= BURNT_S - SLACK_S
    assert busy_s >= own_s - SLACK_S


def test_what_a_process_of_nobody_of_ours_burns_is_the_others():
    # The shell ends at once, and leaves its child to the system; the pipe closes when that ends.
    orphan = [shutil.which("sh"), "-c", '"$0" -c "$1" &', sys.executable, BURN]
    busy_s, own_s = grown(lambda: subprocess.run(orphan, check=True, stdout=subprocess.PIPE))
    assert busy_s - own_s >= BURNT_S - SLACK_S
    assert own_s < BURNT_S - SLACK_S


def test_the_real_counters_make_a_noise_that_reads_as_a_line():
    before = noise.read_counters()
    assert before.cores == len(limits.core_numbers())
    assert before.at_s < noise.read_counters().at_s
    assert f"of {before.cores} cores" in str(noise.sample(0.01)) or "Noisy" in str(noise.sample(0.01))


@pytest.mark.skipif(not noise.OF_THIS_THREAD.exists(), reason="this system does not tell")
def test_a_thread_that_others_keep_from_its_core_has_waited_for_it():
    cores = os.sched_getaffinity(0)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(0, {min(cores)})
        os.sched_setaffinity(busy.pid, {min(cores)})
        before, end = noise.had_no_core_s(), time.perf_counter() + 0.4
        while time.perf_counter() < end:
            pass
        assert noise.had_no_core_s() - before > 0.04
    finally:
        os.sched_setaffinity(0, cores)
        busy.kill()
        busy.wait()


def test_where_the_system_does_not_tell_no_wait_for_a_core_is_seen(monkeypatch, tmp_path):
    monkeypatch.setattr(noise, "OF_THIS_THREAD", tmp_path / "none")
    assert noise.had_no_core_s() == 0.0
