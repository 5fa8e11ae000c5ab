"""When and why tf.data's autotune gives two kinds of epochs.

`python benchmarks/autotune_modes.py` runs one pipeline (augment an image at a time, batch 32) under several
settings, interleaved epoch by epoch with a fresh iterator each, in front of consumers that work 0, 1 or 2 ms on a
batch. TensorFlow is made to log when autotune wakes up and what it decides. Printed: how long reading the epoch
took and how long letting go of its iterator took.

What it shows: the slow epochs read no slower. They wait when the iterator is deleted, until autotune's thread
wakes up by itself, and that is 20, 60, 140, 300, 620, 1260 … ms after the epoch began (each pause twice the one
before, up to a minute). TensorFlow's `CancellationManager` runs its callbacks before it counts as cancelled;
the callback wakes the thread, and if that looks at once it is not cancelled yet and waits out its pause
(tensorflow/core/framework/model.cc, `OptimizeLoop`; tsl/framework/cancellation.cc, `StartCancelWithStatus`).
Without autotune there is no such thread. `--fit` shows where the wait falls in a `fit` of several epochs.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# The runtime's own log of every decision; it must be set before TensorFlow is imported.
os.environ["TF_CPP_VMODULE"] = "model=2"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
DECISION = re.compile(r"^I0000 \d\d:\d\d:([\d.]+) .*Setting tunable parameter (\w+)\(id:\d+\):: (\w+) to (\d+)", re.M)
WAKE = re.compile(r"^I0000 \d\d:\d\d:([\d.]+) .*Starting optimization", re.M)

SETTINGS = {
    "autotune on, as it comes": {},
    "autotune off": {"enabled": False},
    "autotune on, 2 parallel calls": {"calls": 2},
    "autotune on, 2 calls, prefetch 2": {"calls": 2, "prefetch": 2},
    "autotune on, private pool of 2": {"pool": 2},
    "autotune on, at least 2 calls": {"min_parallelism": 2},
    "autotune on, most parallelism": {"algorithm": "MAX_PARALLELISM"},
}


def pipeline(
    images, *, calls=-1, prefetch=-1, enabled=True, pool=0, min_parallelism=0, algorithm=None, stages=1, labels=False
):
    import tensorflow as tf

    def augment(image):
        image = tf.cast(image, tf.float32) / 255
        image = tf.image.random_brightness(tf.image.random_flip_left_right(image), 0.2)
        return (image, tf.constant(0)) if labels else image

    dataset = tf.data.Dataset.from_tensor_slices(images)
    if stages == 2:
        dataset = dataset.map(lambda image: image[::-1], num_parallel_calls=calls)
        dataset = dataset.shuffle(1000)
    dataset = dataset.map(augment, num_parallel_calls=calls).batch(32).prefetch(prefetch)
    options = tf.data.Options()
    options.autotune.enabled = enabled
    if pool:
        options.threading.private_threadpool_size = pool
    if min_parallelism:
        options.autotune.min_parallelism = min_parallelism
    if algorithm:
        options.autotune.autotune_algorithm = tf.data.experimental.AutotuneAlgorithm[algorithm]
    return dataset.with_options(options)


class Log:
    """Catches what TensorFlow's C++ side writes to standard error."""

    def __init__(self):
        self.at = 0
        self.file = tempfile.TemporaryFile()  # noqa: SIM115, closed with the process
        self.kept = os.dup(2)
        os.dup2(self.file.fileno(), 2)

    def read_new(self):
        self.file.seek(self.at)
        text = self.file.read().decode(errors="replace")
        self.at = self.file.tell()
        return text

    def close(self):
        os.dup2(self.kept, 2)


def run_epoch(dataset, consumer_s, log):
    """Reads one epoch and lets go of its iterator; returns seconds, wake-ups and decisions."""
    log.read_new()
    start = time.perf_counter()
    iterator = iter(dataset)
    for _ in iterator:
        if consumer_s:
            ready = time.perf_counter() + consumer_s
            while time.perf_counter() < ready:
                pass
    read_s = time.perf_counter() - start
    del iterator
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "read_s": read_s, **autotune_log(log.read_new())}


def autotune_log(text):
    """When autotune's thread woke up, seconds after its first time, and what it set."""
    wakes = [float(at) for at in WAKE.findall(text)]
    return {
        "wakes_s": [at - wakes[0] for at in wakes],
        "parallelism": sorted({int(value) for _, _, what, value in DECISION.findall(text) if what == "parallelism"}),
    }


def pauses_end_s(count=12):
    """When autotune wakes up by itself, seconds into an epoch: 0.02, 0.06, 0.14, 0.3, 0.62 …"""
    return np.cumsum(0.02 * 2.0 ** np.arange(count))


def ends_at_a_wake_up(seconds, tolerance_s=0.025):
    late = seconds[:, None] - pauses_end_s()
    return ((late > -0.005) & (late < tolerance_s)).any(axis=1)


def interleaved(arguments, log):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (arguments.examples, 32, 32, 3), dtype=np.uint8)
    datasets = {
        (name, consumer): pipeline(images, stages=arguments.stages, **SETTINGS[name])
        for name in arguments.settings
        for consumer in arguments.consumer_ms
    }
    for (_, consumer), dataset in datasets.items():
        run_epoch(dataset, consumer / 1e3, log)
    epochs = []
    order = list(datasets)
    for _ in range(arguments.epochs):
        rng.shuffle(order)
        for name, consumer in order:
            epoch = run_epoch(datasets[name, consumer], consumer / 1e3, log)
            epochs.append({"setting": name, "consumer_ms": consumer, **epoch})
    return epochs


def through_fit(arguments, log):
    """One `fit` of several epochs a setting: the wait falls into the next epoch's first batch."""
    import keras

    from helpers.timing import models

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.first, self.begins, self.ends = [], [], []

        def on_epoch_begin(self, epoch, logs=None):
            self.begins.append(time.perf_counter())

        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                self.first.append(time.perf_counter())
            self.last = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.ends.append(self.last)

    images = np.random.default_rng(0).integers(0, 256, (arguments.examples, 32, 32, 3), dtype=np.uint8)
    epochs = []
    for name in arguments.settings:
        dataset = pipeline(images, labels=True, **SETTINGS[name])
        model = models.smallest(tuple(part.numpy() for part in next(iter(dataset))))
        clock = Clock()
        model.fit(dataset, epochs=arguments.epochs + 1, verbose=0, callbacks=[clock])
        for epoch in range(1, arguments.epochs + 1):
            epochs.append(
                {
                    "setting": name,
                    "consumer_ms": "fit",
                    "seconds": clock.ends[epoch] - clock.begins[epoch],
                    "read_s": clock.ends[epoch] - clock.first[epoch],
                    **autotune_log(""),
                }
            )
    return epochs


def show(epochs):
    from helpers.comparison import run_quality

    print(f"{'setting':34s}{'consumer':>9s}{'epochs':>7s}{'read':>8s}{'p90':>8s}{'epoch':>8s}{'p90':>8s}"
          f"{'waited':>8s}{'by':>7s}{'at wake-up':>11s}{'modes':>6s}  calls")  # fmt: skip
    keys = dict.fromkeys((str(epoch["consumer_ms"]), epoch["setting"]) for epoch in epochs)
    for consumer, name in sorted(keys):
        mine = [epoch for epoch in epochs if (str(epoch["consumer_ms"]), epoch["setting"]) == (consumer, name)]
        seconds = np.array([epoch["seconds"] for epoch in mine])
        read = np.array([epoch["read_s"] for epoch in mine])
        waits = seconds - read
        waited = waits > 0.010 + np.quantile(waits, 0.1)
        by = f"{np.median(waits[waited]):6.2f}s" if waited.any() else "      -"
        at = f"{ends_at_a_wake_up(seconds[waited]).mean():.0%}" if waited.any() and consumer != "fit" else "-"
        calls = sorted({calls for epoch in mine for calls in epoch["parallelism"]})
        print(
            f"{name:34s}{consumer + ('ms' if consumer != 'fit' else ''):>9s}{len(mine):7d}{np.median(read):7.3f}s"
            f"{np.quantile(read, 0.9):7.3f}s{np.median(seconds):7.3f}s{np.quantile(seconds, 0.9):7.3f}s"
            f"{waited.mean():8.0%}{by}{at:>11s}{'two' if run_quality.two_modes(seconds) else 'one':>6s}  {calls or '-'}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12, help="of each setting")
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--stages", type=int, choices=(1, 2), default=1, help="maps in the pipeline")
    parser.add_argument("--consumer-ms", type=float, nargs="+", default=[0.0, 2.0], help="work a batch")
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="NAME")
    parser.add_argument("--neighbours", type=int, default=0, help="processes that compute meanwhile")
    parser.add_argument("--fit", action="store_true", help="one fit of several epochs a setting instead")
    parser.add_argument("--json", type=Path, help="add the epochs to this file, and show all that are in it")
    arguments = parser.parse_args()
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(arguments.neighbours)]
    log = Log()
    try:
        epochs = through_fit(arguments, log) if arguments.fit else interleaved(arguments, log)
    finally:
        log.close()
        for neighbour in neighbours:
            neighbour.kill()
    if arguments.json:
        if arguments.json.exists():
            epochs = json.loads(arguments.json.read_text()) + epochs
        arguments.json.write_text(json.dumps(epochs))
    show(epochs)


if __name__ == "__main__":
    main()
