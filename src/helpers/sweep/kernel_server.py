"""A process that imports TensorFlow once, runs nothing, and forks: each child becomes a Jupyter kernel of its own.

Started by `helpers.sweep.kernels` as `python -c "…main()" MODULE …` with a socket as its standard input. Whoever
holds the socket's other end sends three file descriptors for each kernel wanted: a channel to talk to that kernel, and
what is to be its standard output and error. The child reads what it is to be from its channel. There are no files, and
all ends when the socket closes, however its owner died.

A fork is safe as long as TensorFlow has run nothing: children of a process with a TensorFlow context hang
[facts: fork-before-first-use-works, tensorflow-hangs-after-a-fork]. The server looks before each fork and refuses.
"""

import contextlib
import gc
import importlib
import os
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle

from helpers import internals
from helpers.errors import first_line

# Other backends start threads when they are imported, which a fork does not take along.
UNSAFE_MODULES = ("jax", "torch")


def why_not() -> str:
    """Returns why this process must not be forked; "" where it may be."""
    for name in UNSAFE_MODULES:
        if name in sys.modules:
            return f"{name} is imported"
    if "tensorflow" not in sys.modules:
        return ""
    try:
        return "TensorFlow has run something in it" if internals.tensorflow_has_run() else ""
    except (AttributeError, ImportError):
        return "this TensorFlow does not tell whether it has run anything"


def main() -> None:
    """Imports the modules that the command line names, says so, and forks on demand until its input closes."""
    control = Connection(os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the sweep's to handle
    imported = threading.Event()
    watch = threading.Thread(target=_end_without_owner, args=(control, imported), daemon=True)
    watch.start()
    try:
        for name in ("ipykernel.kernelapp", "ipykernel.zmqshell", *sys.argv[1:]):
            importlib.import_module(name)
        reason = why_not()
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
    imported.set()
    watch.join()  # no thread may run when it forks
    control.send(reason or "ready")
    if not reason:
        gc.collect()
        gc.freeze()  # keeps the children's collector from copying the shared pages
        _Server(control).serve()


def _end_without_owner(control, imported):
    """Ends this process when its owner, who says nothing before it hears "ready", is gone: imports take long."""
    while not imported.wait(0.2):
        if control.poll():
            os._exit(1)


class _Server:
    """Forks kernels, and tells their channels how they ended."""

    def __init__(self, control):
        self.control = control
        self.kernels = {}
        self.woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker)

    def serve(self):
        while True:
            ready, _, _ = select.select([self.control, self.woken], [], [])
            if self.woken in ready:
                os.read(self.woken, 4096)
            self._reap()
            if self.control in ready and not self._accept():
                break
        for pid in self.kernels:
            _kill_group(pid)

    def _accept(self):
        """Forks one kernel; returns False when the owner is gone."""
        try:
            handle, *outputs = (recv_handle(self.control) for _ in range(3))
        except (EOFError, OSError):
            return False
        channel = Connection(handle)
        if refusal := why_not():
            channel.send(refusal)
        elif pid := os.fork():
            self.kernels[pid] = channel
        else:
            _become_kernel(channel, outputs, [self.control, *self.kernels.values()])
        for descriptor in outputs:
            os.close(descriptor)
        return True

    def _reap(self):
        while self.kernels:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _kill_group(pid)  # what the kernel started and did not end
            with self.kernels.pop(pid) as channel, contextlib.suppress(OSError):  # its owner may be gone
                channel.send(os.waitstatus_to_exitcode(status))


def _kill_group(pid):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _become_kernel(channel, outputs, others):
    """Turns a forked child into a kernel; never returns."""
    code = 1
    try:
        os.setsid()  # a group of its own, so that a signal reaches data workers too
        _die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream, descriptor in enumerate(outputs, start=1):
            os.dup2(descriptor, stream)
        for other in others:
            other.close()
        gc.unfreeze()
        arguments, folder, environment = channel.recv()
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        _forget_the_parent()
        channel.send(os.getpid())
        threading.Thread(target=_end_with_owner, args=(channel,), daemon=True).start()
        code = _run_kernel(arguments)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _die_with_parent():
    import ctypes

    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() == 1:  # it died before
        os._exit(1)


def _end_with_owner(channel):
    """Kills the kernel and what it started when the sweep is gone."""
    with contextlib.suppress(EOFError, OSError):
        channel.recv()
    os.killpg(0, signal.SIGKILL)


def _forget_the_parent():
    """Draws new seeds and looks up anew what the environment decides, as an interpreter of its own would have."""
    import random
    import tempfile

    import numpy as np

    random.seed()
    np.random.seed()
    tempfile.tempdir = None


def _run_kernel(argv):
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = ["ipykernel_launcher", *argv]
    app = IPKernelApp.instance(parent_handle=1)
    app.initialize(argv)
    try:
        app.start()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0
