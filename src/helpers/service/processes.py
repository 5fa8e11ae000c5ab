"""Dispatcher and workers of tf.data service, each a process of its own on this machine.

TensorFlow's servers ask nobody for a password and listen on every interface: use them on a network that you trust.
"""

import functools
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from helpers import checks, internals
from helpers.errors import StudyError, first_line

START_S = 120
DISPATCHER_S = 30.0  # for one that is being started at the same time
MOST_PORT = 65535
ANY_PORT = "%port%"
HOST = "localhost"  # what this machine's own service is reached by


@functools.cache
def _processes():
    """Forks each server from one process that has imported TensorFlow and run nothing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["helpers.machine.tensorflow_without_jax"])
    return context


class Server:
    """One dispatcher or worker process; it ends when this process does."""

    def __init__(self, role: str):
        """Starts it; it waits, TensorFlow imported, for its settings."""
        self.role = role
        self.address = ""
        self._channel, there = _processes().Pipe()
        self._process = _processes().Process(target=_main, args=(there,), daemon=True)
        self._process.start()
        there.close()

    def begin(self, **settings: Any) -> "Server":
        """Sends the settings and returns when the server serves.

        Raises:
            StudyError: where it could not.
        """
        try:
            self._channel.send({"role": self.role, **settings})
            if self._channel.poll(START_S):
                self.address, failure = self._channel.recv()
            else:
                failure = f"it said nothing for {START_S} s"
        except (EOFError, OSError):
            failure = "no reason given"
        if failure:
            self.kill()
            raise StudyError(f"the {self.role} must start (it ended: {failure})")
        return self

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kills it at once, as a crash would."""
        self._process.kill()
        self._process.join()
        self._channel.close()


class Service:
    """A dispatcher and its workers on this machine."""

    def __init__(self, count: int, *, port: int = 0):
        """Starts all processes."""
        self._port = port
        self.dispatcher = Server("dispatcher")
        self.workers = [Server("worker") for _ in range(count)]

    def begin(self) -> "Service":
        """Returns when the dispatcher knows all its workers."""
        self.dispatcher.begin(port=self._port, worker_addresses=[f"{HOST}:{ANY_PORT}"] * len(self.workers))
        for worker in self.workers:
            worker.begin(dispatcher=self.dispatcher.address, host=HOST, port=0)
        return self

    @property
    def address(self) -> str:
        """What the knob `service` takes."""
        return f"grpc://{self.dispatcher.address}"

    def restart(self, number: int, spare: Server | None = None) -> None:
        """Starts a worker that was killed again, at its old address; a spare process is there at once."""
        port = int(self.workers[number].address.rpartition(":")[2])
        restarted = spare or Server("worker")
        self.workers[number] = restarted.begin(dispatcher=self.dispatcher.address, host=HOST, port=port)

    def stop(self) -> None:
        """Ends every process."""
        for server in [*self.workers, self.dispatcher]:
            server.kill()


@contextmanager
def local(workers: int = 2, *, port: int = 0) -> Iterator[Service]:
    """Runs a dispatcher and workers on this machine for as long as the block runs.

    Args:
        workers: how many, at least 1.
        port: of the dispatcher; 0: any that is free.

    Yields:
        The `Service`; its `address` is what `tf_data`'s knob `service` takes.

    Raises:
        StudyError: where a process could not start.
    """
    checks.whole("workers", workers, least=1)
    _require_free(port)
    service = Service(workers, port=port)
    try:
        yield service.begin()
    finally:
        service.stop()


def run(workers: int, *, port: int = 0, announce: Callable[[str], None] = print) -> None:
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


def serve(role: str, *, announce: Callable[[str], None] = print, **settings: Any) -> Any:
    """Serves in this process: starts the server, announces its "host:port", and returns it.

    Args:
        role: "dispatcher" or "worker".
        announce: called with "host:port".
        **settings: port; host, the name by which others reach it; of a dispatcher worker_addresses, which static
            sharding needs; of a worker dispatcher, "host:port".

    Raises:
        StudyError: where the port is taken, an address does not read host:port, or no dispatcher is there.
    """
    _require_free(settings["port"])
    for address in settings.get("worker_addresses") or ():
        _host_and_port(address)
    if role == "worker":
        _require_dispatcher(settings["dispatcher"])
    import tensorflow as tf

    service = tf.data.experimental.service
    if role == "dispatcher":
        server = service.DispatchServer(
            service.DispatcherConfig(port=settings["port"], worker_addresses=settings.get("worker_addresses") or None)
        )
        announce(f"{settings.get('host', HOST)}:{server.target.rpartition(':')[2]}")
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
        announce(f"{settings['host']}:{port or internals.worker_port(server)}")
    return server


def _require_free(port: int) -> None:
    """Raises StudyError where something listens on a port of this machine; TensorFlow would say so in many lines."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: what has ended is no reason
        try:
            probe.bind(("", port))
        except OSError as error:
            raise StudyError(f"port must be free (got {port}: {error.strerror}); give another, or 0 for any") from None


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not (port == ANY_PORT or (port.isdecimal() and int(port) <= MOST_PORT)):
        raise StudyError(f"an address must read HOST:PORT (got {checks.shown(address)}); as in localhost:5050")
    return host, 0 if port == ANY_PORT else int(port)


def _require_dispatcher(address: str) -> None:
    """Raises StudyError where nothing listens at an address: TensorFlow's worker would wait, and hear no Ctrl-C."""
    host, port = _host_and_port(address)
    wait_until = time.monotonic() + DISPATCHER_S
    while True:
        try:
            return socket.create_connection((host, port), timeout=DISPATCHER_S).close()
        except OSError as error:
            if time.monotonic() > wait_until:
                raise StudyError(
                    f"a dispatcher must answer at {address} (got {first_line(error)}, for {DISPATCHER_S:g} s); "
                    "start it first: study service dispatcher"
                ) from None
        time.sleep(0.2)


def _main(channel):
    """A server's process: it reads its settings, says its address or what failed, and ends with its owner."""
    os.setsid()  # Ctrl-C reaches the owner, who ends us
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow's log lines; what fails is said through the channel
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the service prepares data; the GPU is the trainer's
    with suppress(EOFError):
        settings = channel.recv()
        try:
            _server = serve(settings.pop("role"), announce=lambda address: channel.send((address, "")), **settings)
        except Exception as error:
            channel.send(("", first_line(error)))
        else:
            channel.recv()  # ends when the owner does
    os._exit(0)  # a worker's destructor would wait for tasks that never end
