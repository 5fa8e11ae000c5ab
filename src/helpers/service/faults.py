"""Which elements does each sharding policy deliver, lose or repeat when a worker of tf.data service dies?

Every element of a small set of record files is a number, so that each can be accounted for.
"""

import threading
from collections import Counter

import pandas as pd
import tensorflow as tf

from helpers import checks, files, internals, service
from helpers.errors import StudyError
from helpers.service.processes import Server, Service

EVENTS = ("none", "killed", "restarted", "dispatcher killed")
FILES = 8


def account(started: Service, event: str = "none", *, worker: int = 0, elements: int = 800) -> pd.DataFrame:
    """Reads a set by every policy at once while something happens to one of the service's workers.

    It happens when elements have come by each policy from both workers, and before any worker is done: the later
    half of every file waits for it. A watchdog ends what does not end.

    Args:
        started: a service of two workers; after "killed" it lacks one.
        event: "none"; "killed": and not started again; "restarted": killed, and started at its address;
            "dispatcher killed".
        worker: number of the one that it happens to; one that has just started may not have been given work yet.
        elements: of the set, in 8 files.

    Returns:
        A table: event, sharding, how many elements came never, once, twice or more often, and how it ended.

    Raises:
        StudyError: for an unknown event.
    """
    if elements % FILES:
        raise StudyError(f"elements must be a multiple of {FILES} (got {elements})")
    checks.one_of("event", event, EVENTS)
    spare = Server("worker") if event == "restarted" else None
    with files.scratch("records") as folder:
        records, gate = _write(folder, elements), folder / "gate"
        datasets = {policy: _dataset(records, elements // 2, str(gate)) for policy in service.POLICIES}
        readers = [_Reader(policy, dataset, started.address, elements) for policy, dataset in datasets.items()]
        ended = ""
        try:
            with service.watched(started.address, grace_s=60 if spare else 2):
                for reader in readers:
                    reader.start()
                for reader in readers:
                    reader.paused.wait()
                _cause(event, started, worker, spare)
                gate.touch()
                for reader in readers:
                    reader.go_on.set()
                for reader in readers:
                    reader.join()
        except StudyError as error:
            ended = str(error)
    return pd.DataFrame([reader.row(event, bool(ended)) for reader in readers])


def _cause(event, started, worker, spare):
    if event != "none":
        (started.dispatcher if event == "dispatcher killed" else started.workers[worker]).kill()
    if spare:
        started.restart(worker, spare)


def _write(folder, elements):
    files = [str(folder / f"{number}.tfrecord") for number in range(FILES)]
    for number, file in enumerate(files):
        with tf.io.TFRecordWriter(file) as writer:
            for element in range(number, elements, FILES):
                writer.write(str(element).encode())
    return files


def _dataset(files, held_from, gate):
    """The elements as numbers; from `held_from` on, each waits until there is a file `gate`."""

    def shut(turn):
        nothing = tf.strings.substr(tf.strings.as_string(turn), 0, 0)  # or the look is made once, as of a constant
        return tf.size(tf.io.matching_files(gate + nothing)) == 0

    def after_the_gate(record):
        element = tf.strings.to_number(record, tf.int64)
        turns = tf.data.Dataset.range(tf.where(element < held_from, tf.constant(0, tf.int64), tf.int64.max))
        waiting = internals.slept(turns, 2000).take_while(shut).filter(lambda _: False)
        return waiting.concatenate(tf.data.Dataset.from_tensors(element))

    return tf.data.Dataset.from_tensor_slices(files).flat_map(tf.data.TFRecordDataset).flat_map(after_the_gate)


class _Reader(threading.Thread):
    """Reads the set by one policy and counts; pauses once both workers have given, until it is told to go on."""

    def __init__(self, policy, dataset, address, elements):
        super().__init__(daemon=True)
        self.policy = policy
        self.elements = elements
        self.paused, self.go_on = threading.Event(), threading.Event()
        self.end = ""
        self._seen: Counter[int] = Counter()
        self._dataset = service.distribute(dataset, address=address, sharding=policy)

    def run(self):
        try:
            for element in service.read(self._dataset):
                self._seen[int(element)] += 1
                enough = sum(self._seen.values()) >= self.elements // FILES // 4
                if not self.paused.is_set() and enough and self._from_both():
                    self.paused.set()
                    self.go_on.wait()
            self.end = "by itself"
        except Exception as error:  # tf.errors.*: what the reader is told; the row says so
            self.end = type(error).__name__
        self.paused.set()

    def _from_both(self):
        """Returns whether what was seen must have come from two workers."""
        if self.policy == "off":
            return max(self._seen.values()) > 1
        if self.policy == "dynamic":  # a worker reads one file after the other
            begun = Counter(element % FILES for element in self._seen)
            return sum(count < self.elements // FILES for count in begun.values()) > 1
        if self.policy == "file":  # even files are one worker's
            return len({element % FILES % 2 for element in self._seen}) == 2
        # Even places are one worker's, counted through the files.
        return len({(element % FILES * (self.elements // FILES) + element // FILES) % 2 for element in self._seen}) == 2

    def row(self, event, ended_by_watchdog):
        times = Counter(min(self._seen[element], 3) for element in range(self.elements))
        return {
            "event": event,
            "sharding": self.policy,
            "never": times[0],
            "once": times[1],
            "twice": times[2],
            "more often": times[3],
            "ended": "by the watchdog" if ended_by_watchdog and self.end == "CancelledError" else self.end,
        }
