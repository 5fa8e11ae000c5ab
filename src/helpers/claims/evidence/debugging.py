"""Evidence on debugging: what a traceback names, where a breakpoint stops, what the profiler finds."""

import inspect
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
import tensorflow as tf

from helpers import files
from helpers.claims.evidence.collection import Evidence, sequence
from helpers.timing import models, traces

BATCH, BATCHES = 32, 32


def _faulty_feeds():
    """A Sequence and a Dataset with the same fault: the third batch asks for a picture that is not there."""
    images, labels = np.zeros((4 * BATCH, 8, 8, 1), np.float32), np.zeros(BATCH, np.int64)
    starts = np.array([0, BATCH, 3 * BATCH + 1, 3 * BATCH])

    def batch(index):
        chosen = starts[index] + np.arange(BATCH)
        return images[chosen], labels

    def prepare(start):
        chosen = start + tf.range(BATCH, dtype=tf.int64)
        return tf.gather(images, chosen), labels

    return {
        "Sequence": (sequence(len(starts), batch), _line_of(batch, "return")),
        "tf.data": (tf.data.Dataset.from_tensor_slices(starts).map(prepare), _line_of(prepare, "return")),
    }


def _line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def same_fault_twice() -> Evidence:
    """Whether the traceback of the same fault names the user's file and line, in each."""
    named = {}
    for label, (feed, line) in _faulty_feeds().items():
        model = models.smallest((np.zeros((BATCH, 8, 8, 1), np.float32), np.zeros(BATCH, np.int64)))
        try:
            model.fit(feed, epochs=1, verbose=0, shuffle=False)
        except Exception:  # whichever error it is, what it names is the question
            named[label] = f'{Path(__file__).name}", line {line},' in traceback.format_exc()
    told = ", ".join(f"{label} {'yes' if names_it else 'no'}" for label, names_it in named.items())
    verdict = "supported" if named.get("Sequence") and not named.get("tf.data") else "refuted"
    return Evidence(verdict, f"the same index out of range, met in fit; the traceback names its file and line: {told}")


def python_runs_per_element() -> Evidence:
    """How often the user's Python runs in each: a breakpoint stops where Python runs, and nowhere else."""
    images, labels = np.zeros((4 * BATCH, 8, 8, 1), np.float32), np.zeros(4 * BATCH, np.int64)
    seen: Counter[str] = Counter()

    def batch(index):
        seen["Sequence"] += 1
        return images[index * BATCH : (index + 1) * BATCH], labels[:BATCH]

    def prepare(image, label):
        seen["tf.data"] += 1
        return image, label

    counted = sequence(4, batch)
    list(map(counted.__getitem__, range(len(counted))))
    list(tf.data.Dataset.from_tensor_slices((images, labels)).map(prepare))
    stops = seen["Sequence"] >= 4 and seen["tf.data"] < len(images)
    return Evidence(
        "supported" if stops else "refuted",
        f"a breakpoint in a Sequence stops at {seen['Sequence']} of 4 batches, with values; in a map it stops "
        f"{seen['tf.data']} time for {len(images)} elements, while it is traced, without values "
        "(tf.data.experimental.enable_debug_mode runs it as Python)",
    )


def profiler() -> Evidence:
    """Whether TensorFlow's profiler points at a slow stage that was put there on purpose."""

    def slow(index):
        image = tf.random.stateless_normal([512, 512], tf.stack([index, index]))
        busy = tf.reduce_mean(tf.linalg.matmul(image, image))
        return tf.zeros([BATCH, 8, 8, 1]) + busy * 0, tf.zeros([BATCH], tf.int64)

    feed = tf.data.Dataset.range(BATCHES).map(slow).filter(lambda images, labels: labels[0] == 0).prefetch(1)
    options = tf.data.Options()
    options.autotune.enabled = False  # it would rewrite the map into another stage
    feed = feed.with_options(options)
    model = models.smallest((np.zeros((BATCH, 8, 8, 1), np.float32), np.zeros(BATCH, np.int64)))
    model.fit(feed.take(2), epochs=1, verbose=0, shuffle=False)
    with files.scratch("evidence") as folder:
        with tf.profiler.experimental.Profile(str(folder)):
            model.fit(feed, epochs=1, verbose=0, shuffle=False)
        (written,) = folder.rglob("*.xplane.pb")
        spent = traces.Trace(traces.read(written)).stages().groupby("iterator")["inside_s"].sum()
    if spent.empty:
        return Evidence("refuted", "the profile of a slow pipeline names no stage of it")
    # A stage's time holds, or waits for, that of the stage it draws from, whose name is its own with one more part.
    drawn_from = spent.groupby(spent.index.str.rpartition("::").get_level_values(0)).sum()
    own = spent.sub(drawn_from.reindex(spent.index, fill_value=0)).clip(lower=0)
    stage = own.idxmax().rpartition("::")[-1]
    return Evidence(
        "supported" if stage == "Map" else "refuted",
        f"a map made slow on purpose among {len(own)} stages; the profile of one epoch of fit names {stage} as "
        f"the slowest, with {own.max() / own.sum():.0%} of the stages' own time",
    )
