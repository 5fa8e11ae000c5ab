"""What waits for another process, or cleans up, comes to an end in time, and leaves nothing that runs."""

import functools
import json
import shlex
import signal
import subprocess
import sys
import time

import psutil
import pytest

from helpers.machine import processes

SLEEP = f"{shlex.quote(sys.executable)} -c 'import time; time.sleep(600)'"


def is_gone(pid):
    """Whether a process ends within some time; one that only waits to be collected has ended."""
    try:
        process = psutil.Process(pid)
        end = time.monotonic() + 20
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        pass
    return True


def test_a_command_that_hangs_is_ended_with_its_children_and_what_it_said_is_kept():
    command = ["sh", "-c", f"{SLEEP} & echo $!; echo reason >&2; wait"]
    with pytest.raises(subprocess.TimeoutExpired) as ended:
        processes.run(command, deadline_s=2.0)
    assert ended.value.stderr == "reason\n"
    assert is_gone(int(ended.value.output))


@pytest.mark.parametrize(("last", "deadline_s"), [("exit 3", 500.0), (SLEEP, 2.0)], ids=["ended", "hanging"])
def test_nobody_waits_for_what_a_command_left_behind(last, deadline_s):
    """A process whose parent is gone is nobody's child, and holds the outputs open."""
    command = ["sh", "-c", f"({SLEEP} & echo $!); {last}"]
    start = time.monotonic()
    try:
        ran = processes.run(command, deadline_s=deadline_s)
        assert ran.returncode == 3
        said = ran.stdout
    except subprocess.TimeoutExpired as expired:
        said = expired.output
    left = psutil.Process(int(said))
    assert left.is_running() and time.monotonic() - start < 500  # it has outlived the wait for it
    left.kill()


# A command that does, while it is told to end, what `act` says; it prints "ready" before.
COMMAND = """
import ctypes, json, os, sys, time
from helpers import cli
from helpers.cli import signals
signals.GRACE_S = 1.0

def hang():
    mutex = ctypes.create_string_buffer(128)
    libc = ctypes.CDLL(None)
    libc.pthread_mutex_init(mutex, None)
    print("ready", flush=True)
    for _ in range(2):  # the second waits for ever, in C, and lets other threads run
        libc.pthread_mutex_lock(mutex)

def clean_up():
    try:
        print("ready", flush=True)
        time.sleep(600)
    finally:
        print("cleaned", flush=True)

def clean_up_for_ever():
    try:
        print("ready", flush=True)
        time.sleep(600)
    finally:
        hang()

code = cli.with_exit_code({act})
time.sleep(2 * signals.GRACE_S)  # nothing ends a process whose command is over
sys.exit(code)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("act", ["hang", "clean_up_for_ever", "clean_up"])
def test_a_signal_ends_a_command_whose_call_into_c_hangs(number, act):
    command = [sys.executable, "-c", COMMAND.replace("{act}", act)]
    as_usual = functools.partial(signal.signal, number, signal.SIG_DFL)  # also where nohup runs the tests
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=as_usual
    ) as running:
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        said, told = running.communicate(timeout=120)
    assert running.returncode == 128 + number
    if act == "clean_up":
        assert (said, told) == ("cleaned\n", f"study: ended by {number.name}\n")
    assert "Traceback" not in told


def test_a_signal_that_is_ignored_stays_so():
    """As nohup has it."""
    code = "from helpers import cli; import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    code += "cli.with_exit_code(lambda: os.kill(os.getpid(), signal.SIGHUP)); print(json.dumps('on'))"
    ran = subprocess.run([sys.executable, "-c", "import json; " + code], capture_output=True, text=True)
    assert (ran.returncode, json.loads(ran.stdout)) == (0, "on")
