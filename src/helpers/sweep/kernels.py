"""How a sweep's kernels are started: stock, or warm, which is forked from a process that has imported TensorFlow."""

import contextlib
import functools
import multiprocessing
import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Any

from helpers import checks, machine
from helpers.errors import StudyError

LAUNCHERS = ("auto", "warm", "stock")
# What a cell of the kit imports; all of it runs nothing when it is imported.
MODULES = (
    "helpers.machine.tensorflow_without_jax",
    "keras",
    "helpers.measurement",
    "helpers.machine",
    "helpers.results",
    "tensorflow_datasets",
)
# Device files of GPUs that TensorFlow could take hold of: NVIDIA's, AMD's, Windows' in WSL.
GPU_FILES = ("nvidia[0-9]*", "kfd", "dxg")
START_TIMEOUT_S, FORK_TIMEOUT_S = 120, 30
MOST_SOCKET_PATH_BYTES = 103  # macOS'; Linux takes four more


def why_not_warm() -> str:
    """Returns why kernels cannot be forked safely here; "" where they can. Imports and starts nothing."""
    if sys.platform != "linux":
        return f"forking is safe on Linux only (this is {sys.platform})"
    backend = machine.keras_backend()
    if backend != "tensorflow":
        return f"forking is safe with Keras on TensorFlow only (KERAS_BACKEND is {backend})"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if not hidden and any(next(Path("/dev").glob(pattern), None) for pattern in GPU_FILES):
        return "there is a GPU, and CUDA does not survive a fork"
    return ""


@functools.cache
def _manager_class():
    """Returns the class of managers of this interpreter's kernels, whatever other `python3` JUPYTER_PATH may name."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class OwnInterpreter(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            # -P: nothing is imported from the folder that the kernel happens to start in.
            argv = [sys.executable, "-P", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    class OwnKernelManager(AsyncKernelManager):
        def __init__(self, **options: Any):
            super().__init__(kernel_spec_manager=OwnInterpreter(), **_channels(), **options)

    return OwnKernelManager


def _channels() -> dict[str, str]:
    """Returns what a kernel talks over: sockets in this process's temporary folder where that is the user's alone.

    Elsewhere it is TCP on the loopback, where other local users may connect and read what a kernel prints.
    """
    import zmq

    folder = tempfile.gettempdir()
    sockets = os.path.join(folder, f"k{secrets.token_hex(4)}")
    state = os.stat(folder)
    is_private = state.st_uid == os.geteuid() and not stat.S_IMODE(state.st_mode) & 0o077
    if is_private and zmq.has("ipc") and len(os.fsencode(f"{sockets}-1")) <= MOST_SOCKET_PATH_BYTES:
        return {"transport": "ipc", "ip": sockets}
    return {}


class Stock:
    """Kernels that are new interpreters each, as papermill starts them."""

    launcher = "stock"

    def engine_options(self) -> dict[str, Any]:
        """What papermill is given."""
        return {"kernel_manager_class": _manager_class()}

    def alive(self) -> bool:
        """Nothing can have died."""
        return True

    def close(self) -> None:
        """Nothing to end."""


STOCK = Stock()


class Warm(Stock):
    """Kernels forked from a server that this process starts; the server ends with it, however it ends."""

    launcher = "warm"

    def __init__(self, modules: tuple[str, ...] = MODULES):
        """Starts the server and waits until it has imported the modules.

        Raises:
            StudyError: where it does not start, or must not be forked after that.
        """
        self._here, there = multiprocessing.Pipe()
        # Read when matplotlib is imported; ipykernel would set it too late.
        environment = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", **os.environ}
        with there:
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-c", "from helpers.sweep.kernel_server import main; main()", *modules],
                stdin=there.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        said = _received(self._here, START_TIMEOUT_S)
        if said != "ready":
            self.close()
            raise StudyError(f"the kernel server cannot be forked ({said or 'it did not start'})")

    def alive(self) -> bool:
        """Whether the server runs."""
        return self._server.poll() is None

    @functools.cached_property
    def _warm_manager_class(self):
        """The class of kernel managers that ask this server; one for all cells, since classes are never freed."""
        from jupyter_client.provisioning import LocalProvisioner

        warm = self

        class WarmProvisioner(LocalProvisioner):
            async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
                self.process = warm.fork(cmd, cwd=options.get("cwd"), env=options.get("env"))
                self.pid = self.pgid = self.process.pid
                return self.connection_info

            async def kill(self, restart: bool = False) -> None:
                await super().kill(restart)
                if self.process:
                    self.process.poll(timeout_s=1)  # it ends in milliseconds; Jupyter would look again in 100

        own_kernels: Any = _manager_class()

        class WarmKernelManager(own_kernels):
            def __init__(self, **options: Any):
                super().__init__(**options)
                self.provisioner = WarmProvisioner(kernel_spec=self.kernel_spec, parent=self)

        return WarmKernelManager

    def engine_options(self) -> dict[str, Any]:
        """What papermill is given."""
        return {"kernel_manager_class": self._warm_manager_class}

    def fork(self, cmd: list[str], *, cwd: str | None = None, env: dict[str, str] | None = None) -> "ForkedKernel":
        """Starts a kernel.

        Args:
            cmd: what would start a stock one; the words after the module's name go to the kernel.
            cwd: its folder.
            env: its environment.

        Raises:
            StudyError: where the server refuses, or gives no answer: then it is killed.
            OSError: where the server is gone.
        """
        channel, there = multiprocessing.Pipe()
        with there:
            for descriptor in (there.fileno(), 1, 2):
                send_handle(self._here, descriptor, self._server.pid)
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        channel.send((arguments, str(cwd or Path.cwd()), dict(os.environ if env is None else env)))
        said = _received(channel, FORK_TIMEOUT_S)
        if not isinstance(said, int):
            channel.close()
            if said is None:
                self._server.kill()
                said = f"it gave no answer in {FORK_TIMEOUT_S} s and was ended"
            raise StudyError(f"the kernel server forked no kernel ({said or 'it is gone'}); give --launcher stock")
        return ForkedKernel(said, channel, self._server)

    def close(self) -> None:
        """Ends the server and its kernels."""
        self._here.close()
        try:
            self._server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()


class ForkedKernel:
    """A kernel that is the server's child, with the methods of `subprocess.Popen` that Jupyter calls."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, channel: Connection, server: subprocess.Popen):
        self.pid = pid
        self.returncode: int | None = None
        self._channel, self._server = channel, server

    def poll(self, timeout_s: float = 0) -> int | None:
        """Returns how it ended as Popen does, or None while it runs."""
        if self.returncode is None:
            said = _received(self._channel, timeout_s)
            if said is not None or self._server.poll() is not None:
                if not isinstance(said, int):  # the server was killed, and its kernels with it
                    self._kill_group(signal.SIGKILL)
                    said = -signal.SIGKILL
                self.returncode = said
                self._channel.close()
        return self.returncode

    def wait(self) -> int:
        """Waits for its end; returns how it ended."""
        while (returncode := self.poll(timeout_s=1)) is None:
            pass
        return returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal to the kernel and what it started."""
        if self.poll() is None:
            self._kill_group(number)

    def kill(self) -> None:
        """Kills the kernel and what it started."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks the kernel and what it started to end."""
        self.send_signal(signal.SIGTERM)

    def _kill_group(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _received(channel, timeout_s):
    """Returns what the other end said, "" where it is gone, or None where nothing comes in time."""
    try:
        return channel.recv() if channel.poll(timeout_s) else None
    except (EOFError, OSError):
        return ""


class Supply:
    """What a sweep takes its kernels' starters from: its servers, each started when it is needed and when it died.

    Kernels of one server have one hash seed and one layout of addresses, those of another server others.
    """

    def __init__(self, launcher: str = "auto"):
        """Decides which launcher it is; starts nothing before it is needed.

        Args:
            launcher: "warm", "stock", or "auto": warm where that is safe, else stock, saying why.

        Raises:
            StudyError: for "warm" where it is not safe.
        """
        checks.one_of("launcher", launcher, LAUNCHERS)
        self._must_be_warm = launcher == "warm"
        self._is_stock = launcher == "stock"
        self._servers: dict[int, Warm] = {}
        if launcher != "stock" and (reason := why_not_warm()):
            self._fall_back(reason)

    def next_starter(self, server: int = 1) -> Stock:
        """Returns what starts the next kernel.

        Args:
            server: number of the server; stock kernels have none.

        Raises:
            StudyError: where only warm kernels will do and the server does not start.
        """
        if server in self._servers and not self._servers[server].alive():
            print("the kernel server was killed: starting another", file=sys.stderr)
            self._servers.pop(server).close()
        if not self._is_stock and server not in self._servers:
            try:
                self._servers[server] = Warm(MODULES)
            except StudyError as error:
                self._fall_back(str(error))
        return STOCK if self._is_stock else self._servers[server]

    def _fall_back(self, reason):
        """Goes on with stock kernels and says why, unless only warm ones will do."""
        if self._must_be_warm:
            raise StudyError(f"warm kernels cannot be had: {reason}; give --launcher stock, or auto")
        print(f"stock kernels: {reason}")
        self._is_stock = True

    def close(self) -> None:
        """Ends the servers."""
        for server in self._servers.values():
            server.close()
        self._servers.clear()
