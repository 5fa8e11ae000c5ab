"""A pipeline's work on tf.data service: sharding policies, and a watchdog that ends what would hang.

TensorFlow's client waits without end where a worker of a dynamically sharded job is killed, or the dispatcher is
gone. Source: https://www.tensorflow.org/api_docs/python/tf/data/experimental/service
"""

import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from helpers import checks, internals
from helpers.errors import StudyError, first_line

# What each policy promises; `helpers.service.faults` and notebook 09 show what it keeps.
POLICIES = {
    "off": "every worker delivers everything",
    "dynamic": "workers take the next piece as they are ready: each element at most once",
    "file": "each worker reads its own files",
    "data": "each worker does all the work and keeps its own part",
}
RPC_TIMEOUT_S = 3.0
_watched = False


def host_and_port(address: str) -> str:
    """Returns "host:port" of "grpc://host:port".

    Raises:
        StudyError: where it does not read so.
    """
    if not isinstance(address, str) or not re.fullmatch(r"grpc://[^\s/:]+:\d+", address):
        raise StudyError(
            f"a service must read grpc://host:port (got {address!r}); `study service start` prints its own"
        )
    return address.removeprefix("grpc://")


def workers(address: str) -> tuple[str, ...]:
    """Asks the dispatcher for its workers and returns each as "host:port".

    Raises:
        StudyError: where no dispatcher answers.
    """
    import grpc
    import tensorflow as tf

    with grpc.insecure_channel(host_and_port(address)) as channel:
        ask = channel.unary_unary("/tensorflow.data.DispatcherService/GetWorkers")
        try:
            answer = ask(b"", timeout=RPC_TIMEOUT_S)
        except grpc.RpcError as error:
            raise StudyError(
                f"a tf.data service must answer at {address} ({error.code().name}); start one: `study service start`"
            ) from error
    # GetWorkersResponse and its WorkerInfo have one field, number 1: the same bytes as a BytesList.
    read = tf.train.BytesList.FromString
    return tuple(sorted(read(worker).value[0].decode() for worker in read(answer).value))


def require(address: str, sharding: str) -> None:
    """Checks that a service is there, has workers, and can shard so.

    Raises:
        StudyError: naming what is missing.
    """
    if not workers(address):
        raise StudyError(f"the tf.data service at {address} has no worker yet; start one: `study service worker`")
    if sharding in ("file", "data"):
        import tensorflow as tf

        probe = distribute(tf.data.Dataset.range(64), address=address, sharding="data")
        try:
            with watched(address):
                list(read(probe))
        except tf.errors.OpError as error:
            raise StudyError(
                f"sharding {sharding} needs a dispatcher that was told its workers' addresses, all of them here "
                f"(got {first_line(error.message)}); start it with `--worker-addresses`, or use dynamic"
            ) from error


def distribute(dataset: Any, *, address: str, sharding: str) -> Any:
    """Returns the dataset with everything so far done by the service's workers, uncompressed.

    Raises:
        StudyError: for a bad address or an unknown policy.
    """
    import tensorflow as tf

    host_and_port(address)
    checks.one_of("sharding", sharding, POLICIES)
    service = tf.data.experimental.service
    policy = getattr(service.ShardingPolicy, sharding.upper())
    return dataset.apply(service.distribute(processing_mode=policy, service=address, compression=None))


def read(dataset: Any) -> Iterator[Any]:
    """Yields a dataset's elements as NumPy arrays, such that a watchdog can end it: an eager iterator cannot be."""
    import tensorflow as tf

    iterator = iter(dataset)
    following = tf.function(lambda: iterator.get_next()).get_concrete_function()
    while True:
        try:
            element = following()
        except tf.errors.OutOfRangeError:
            return
        yield tf.nest.map_structure(lambda tensor: tensor.numpy(), element)


def is_watched() -> bool:
    """Returns whether a watchdog is on."""
    return _watched


@contextmanager
def watched(*addresses: str, grace_s: float = 3.0) -> Iterator[None]:
    """Ends what is inside when a service falls ill: no dispatcher, no worker, or a worker that is gone.

    Inside, `fit` and `read` are ended; an eager loop over a dataset is not. A worker that comes back at its old
    address within the grace counts as well.

    Args:
        *addresses: of the services; none: nothing is watched.
        grace_s: seconds for which a service may be ill.

    Raises:
        StudyError: naming who did not answer.
    """
    global _watched
    if not addresses or _watched:
        yield
        return
    cancellation = _Cancellation()
    watchdog = _Watchdog(addresses, grace_s, cancellation.cancel_all)
    watchdog.start()
    _watched = True
    try:
        with (
            internals.wrapped_make_iterator(cancellation.cancellable),
            internals.cancellable_calls(cancellation.next_manager),
        ):
            yield
    except Exception as error:
        if complaint := watchdog.complaint or watchdog.illness():
            raise StudyError(complaint) from error
        raise
    finally:
        _watched = False
        watchdog.stop()
    if complaint := watchdog.complaint or watchdog.illness():
        raise StudyError(complaint)


class _Cancellation:
    """Ends all calls of TensorFlow at once; each has a manager of its own.

    A manager is spent by the first call that ends with an error, and the end of a dataset is one.
    """

    def __init__(self) -> None:
        self._running: dict[int, Any] = {}  # thread -> the manager of its latest call
        self._answers: set[queue.SimpleQueue] = set()  # of calls that no manager can end
        self._cancelled = False

    def next_manager(self) -> Any:
        manager = self._running[threading.get_ident()] = internals.cancellation_manager()
        if self._cancelled:
            manager.start_cancel()
        return manager

    def cancel_all(self) -> None:
        """Ends the calls that run, and every later one."""
        self._cancelled = True
        for manager in list(self._running.values()):
            manager.start_cancel()
        for answer in list(self._answers):
            answer.put((None, InterruptedError("ended by the watchdog")))

    def cancellable(self, call: Callable) -> Callable:
        """Returns the function such that `cancel_all` ends the waiting for it, and leaves it to itself.

        For the op that makes an iterator: it asks the dispatcher, without end, and no manager reaches it.
        """
        import tensorflow as tf

        def run(answer, arguments):
            try:
                answer.put((call(*arguments), None))
            except Exception as error:
                answer.put((None, error))

        def guarded(*arguments):
            if not tf.executing_eagerly():
                return call(*arguments)
            answer: queue.SimpleQueue = queue.SimpleQueue()
            self._answers.add(answer)
            if self._cancelled:
                self.cancel_all()
            threading.Thread(target=run, args=(answer, arguments), daemon=True).start()
            result, error = answer.get()
            self._answers.discard(answer)
            if error:
                raise error
            return result

        return guarded


class _Watchdog(threading.Thread):
    """Looks after services twice a second; calls `on_ill` once, and keeps its complaint."""

    def __init__(self, addresses: tuple[str, ...], grace_s: float, on_ill: Callable[[], None]):
        super().__init__(daemon=True, name="tf.data service watchdog")
        self.complaint = ""
        self._known = {address: workers(address) for address in addresses}
        self._grace_s = grace_s
        self._on_ill = on_ill
        self._end = threading.Event()

    def run(self) -> None:
        ill_since = None
        while not self._end.wait(0.5):
            complaint = self.illness()
            ill_since = (ill_since or time.monotonic()) if complaint else None
            if ill_since and time.monotonic() - ill_since >= self._grace_s:
                self.complaint = complaint
                self._on_ill()
                return

    def stop(self) -> None:
        self._end.set()
        self.join(timeout=RPC_TIMEOUT_S + 1)

    def illness(self) -> str:
        """Returns what is wrong now, one line; "" where all is well."""
        for address, known in self._known.items():
            try:
                now = workers(address)
            except StudyError:
                return (
                    f"the dispatcher of the tf.data service at {address} must stay up (it does not answer); the epoch "
                    "is ended: start the service and the epoch again"
                )
            known = self._known[address] = tuple(sorted({*known, *now}))
            gone = [worker for worker in known if not _listens(worker)]
            if gone or not known:
                return (
                    f"every worker of the tf.data service at {address} must stay up (gone: "
                    f"{', '.join(gone) or 'all'}); the epoch is ended, because elements may be lost or repeated: "
                    "start the worker and the epoch again"
                )
        return ""


def _listens(worker):
    host, _, port = worker.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=RPC_TIMEOUT_S).close()
    except OSError:
        return False
    return True
