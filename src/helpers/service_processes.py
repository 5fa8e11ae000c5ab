"""Dispatcher and workers of tf.data service, each a process of its own on this machine.

TensorFlow's servers ask nobody for a password and listen on every interface: use them on a network that you trust.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.errors import StudyError

START_S = 120
ANY_PORT = "%port%"


class Server:
    """One dispatcher or worker process; it ends when this process does."""

    def __init__(self, role: str, **settings):
        """Starts it; it waits, TensorFlow imported, for its settings."""
        self.role = role
        self.settings = settings
        self.address = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        source = Path(__file__).parent.parent
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.service_processes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])]),
                "TF_CPP_MIN_LOG_LEVEL": "2",
                "CUDA_VISIBLE_DEVICES": "-1",  # the service prepares data; the GPU is the trainer's
            },
            start_new_session=True,  # Ctrl-C reaches the caller, who ends us
        )

    def begin(self, **settings) -> "Server":
        """Sends the settings and returns when the server serves.

        Raises:
            StudyError: where it could not.
        """
        self.settings |= settings
        with suppress(BrokenPipeError):  # then it says nothing either
            self._process.stdin.write(json.dumps({"role": self.role, **self.settings}).encode() + b"\n")
            self._process.stdin.flush()
        self.address = self._process.stdout.readline().decode().strip()
        if not self.address:
            self._process.wait()
            self._log.seek(0)
            last = self._log.read().decode(errors="replace").strip().splitlines()[-1:]
            self.kill()
            raise StudyError(f"the {self.role} must start (it ended: {''.join(last) or 'no reason given'})")
        return self

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it serves."""
        return int(self.address.rpartition(":")[2])

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kills it at once, as a crash would."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            with suppress(BrokenPipeError):  # settings that it never read
                stream.close()


class Service:
    """A dispatcher and its workers."""

    def __init__(self, count: int, *, host: str = "localhost", port: int = 0):
        """Starts all processes; they import TensorFlow side by side."""
        self.host = host
        self._port = port
        self.dispatcher = Server("dispatcher")
        self.workers = [Server("worker") for _ in range(count)]

    def begin(self) -> "Service":
        """Returns when the dispatcher knows all its workers."""
        self.dispatcher.begin(port=self._port, worker_addresses=[f"{self.host}:{ANY_PORT}"] * len(self.workers))
        for worker in self.workers:
            worker.begin(dispatcher=self._dispatcher_here, host=self.host, port=0)
        return self

    @property
    def address(self) -> str:
        """What the knob `service` takes."""
        return f"grpc://{self.host}:{self.dispatcher.port}"

    @property
    def _dispatcher_here(self):
        return f"{self.host}:{self.dispatcher.port}"

    def restart(self, number: int, spare: Server | None = None) -> None:
        """Starts a worker that was killed again, at its old address; a spare process is there at once."""
        port = self.workers[number].port
        self.workers[number] = (spare or Server("worker")).begin(
            dispatcher=self._dispatcher_here, host=self.host, port=port
        )

    def stop(self) -> None:
        """Ends every process."""
        for server in [*self.workers, self.dispatcher]:
            server.kill()


@contextmanager
def local(workers: int = 2, *, port: int = 0):
    """Runs a dispatcher and workers on this machine for as long as the block runs.

    Args:
        workers: how many, at least 1.
        port: of the dispatcher; 0: any that is free.

    Yields:
        The `Service`; its `address` is what `tf_data`'s knob `service` takes.

    Raises:
        StudyError: where a process could not start.
    """
    if workers < 1:
        raise StudyError(f"a service needs at least 1 worker (got {workers})")
    service = Service(workers, port=port)
    try:
        yield service.begin()
    finally:
        service.stop()


def run(workers: int, *, port: int = 0, announce=print) -> None:
    """Runs a service on this machine until it is interrupted, or one of its processes ends.

    Raises:
        StudyError: where a process could not start, or ended.
    """
    with local(workers, port=port) as service:
        announce(f"tf.data service at {service.address}, workers at {', '.join(w.address for w in service.workers)}")
        announce("it asks nobody for a password and listens on every interface; Ctrl-C ends it")
        while True:
            time.sleep(0.5)
            for server in [service.dispatcher, *service.workers]:
                if not server.alive:
                    raise StudyError(f"the {server.role} at {server.address} must stay alive (it ended); start again")


def serve(role: str, *, announce=print, **settings):
    """Serves in this process: starts the server, announces its "host:port", and returns it.

    Args:
        role: "dispatcher" or "worker".
        announce: called with "host:port".
        **settings: port; host, the name by which others reach it; of a dispatcher worker_addresses, which static
            sharding needs; of a worker dispatcher, "host:port".
    """
    import tensorflow as tf

    service = tf.data.experimental.service
    if role == "dispatcher":
        server = service.DispatchServer(
            service.DispatcherConfig(port=settings["port"], worker_addresses=settings.get("worker_addresses") or None)
        )
        announce(f"{settings.get('host', 'localhost')}:{server.target.rpartition(':')[2]}")
    else:
        port = settings["port"]
        server = service.WorkerServer(
            service.WorkerConfig(
                dispatcher_address=settings["dispatcher"],
                worker_address=f"{settings['host']}:{port or ANY_PORT}",
                port=port,
                heartbeat_interval_ms=1000,
                dispatcher_timeout_ms=START_S * 1000,
            )
        )
        announce(f"{settings['host']}:{port or server._address.rpartition(':')[2]}")
    return server


def _main():
    import tensorflow  # noqa: F401  imported while the others start

    settings = json.loads(sys.stdin.readline())
    _server = serve(settings.pop("role"), announce=lambda address: print(address, flush=True), **settings)
    sys.stdin.read()  # ends when our parent does
    os._exit(0)  # a worker's destructor would wait for tasks that never end


if __name__ == "__main__":
    _main()
