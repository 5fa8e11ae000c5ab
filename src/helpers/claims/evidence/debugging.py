"""Evidence on debugging: what a traceback names, where a breakpoint stops, what the profiler finds."""

import inspect
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from helpers import files
from helpers.claims.evidence.collection import Evidence, sequence
from helpers.claims.judgement import Judgement
from helpers.timing import models, traces

BATCH, BATCHES = 32, 32


IMAGES, LABELS = np.zeros((4 * BATCH, 8, 8, 1), np.float32), np.zeros(BATCH, np.int64)
NO_NUMBER: Any = "no number"
STARTS = np.array([0, BATCH, 3 * BATCH + 1, 3 * BATCH])  # the third batch asks for a picture that is not there


def _out_of_range() -> tuple[Callable, ...]:
    def batch(index):
        return IMAGES[STARTS[index] + np.arange(BATCH)], LABELS  # the fault

    def prepare(start):
        return tf.gather(IMAGES, start + tf.range(BATCH, dtype=tf.int64)), LABELS  # the fault

    return batch, prepare


def _shape_that_does_not_fit() -> tuple[Callable, ...]:
    def batch(index):
        return IMAGES[STARTS[index] :][:BATCH].reshape(BATCH, 8, 8, 1), LABELS  # the fault

    def prepare(start):
        return tf.reshape(tf.constant(IMAGES)[start:][:BATCH], (BATCH, 8, 8, 1)), LABELS  # the fault

    return batch, prepare


def _type_that_does_not_fit() -> tuple[Callable, ...]:
    def batch(index):
        return np.zeros((BATCH, 8, 8, 1), np.float32) + NO_NUMBER, LABELS  # the fault

    def prepare(start):
        return tf.zeros((BATCH, 8, 8, 1)) + NO_NUMBER, LABELS  # the fault

    return batch, prepare


def _exception_in_python() -> tuple[Callable, ...]:
    def read(start):
        return {0: IMAGES[:BATCH], BATCH: IMAGES[:BATCH]}[int(start)]  # the fault

    def prepare(start):
        images = tf.numpy_function(read, [start], tf.float32, stateful=False)
        return tf.ensure_shape(images, (BATCH, 8, 8, 1)), LABELS

    return lambda index: (read(STARTS[index]), LABELS), prepare, read


FAULTS = {
    "index out of range": _out_of_range,
    "shape that does not fit": _shape_that_does_not_fit,
    "type that does not fit": _type_that_does_not_fit,
    "exception of a Python function": _exception_in_python,
}


def _names_the_fault(function, feed):
    """Whether the traceback of a feed's fault, met in fit, names the line of a function that is marked as the fault."""
    lines, first = inspect.getsourcelines(function)
    (line,) = (first + number for number, text in enumerate(lines) if "# the fault" in text)
    model = models.smallest((np.zeros((BATCH, 8, 8, 1), np.float32), LABELS))
    try:
        model.fit(feed(), epochs=1, verbose=0, shuffle=False)
    except Exception:  # whichever error it is, what it names is the question
        return f'{Path(__file__).name}", line {line},' in traceback.format_exc()
    raise AssertionError("the fault was not met")


def faults_in_both() -> Evidence:
    """Whether the traceback of the same fault names the user's file and line, in each, for several kinds of fault."""
    named = {}
    for kind, functions in FAULTS.items():
        batch, prepare, *python = functions()
        feeds = {
            batch: lambda batch=batch: sequence(len(STARTS), batch),
            prepare: lambda prepare=prepare: tf.data.Dataset.from_tensor_slices(STARTS).map(prepare),
        }
        named[kind] = [_names_the_fault(python[0] if python else own, feed) for own, feed in feeds.items()]
    harder = [in_sequence and not in_tf_data for in_sequence, in_tf_data in named.values()]
    verdict = Judgement.SUPPORTED if all(harder) else Judgement.DEPENDS if any(harder) else Judgement.REFUTED
    told = "; ".join(
        f"{kind}: Sequence {'yes' if both[0] else 'no'}, tf.data {'yes' if both[1] else 'no'}"
        for kind, both in named.items()
    )
    return Evidence(verdict, f"whether the traceback of a fault met in fit names its file and line: {told}")


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
        Judgement.SUPPORTED if stops else Judgement.REFUTED,
        f"a breakpoint in a Sequence stops at {seen['Sequence']} of 4 batches, with values; in a map it stops "
        f"{seen['tf.data']} time for {len(images)} elements, while it is traced, without values "
        "(tf.data.experimental.enable_debug_mode runs it as Python)",
    )


def _busy(index):
    image = tf.random.stateless_normal([768, 768], tf.stack([index, index]))
    return tf.reduce_mean(tf.linalg.matmul(image, image)) * 0


def _busy_python(index):
    return np.float32(sum(number % 7 for number in range(200_000)) * 0 + 0 * index)


SLOW_STAGES = {
    "TensorFlow operations": _busy,
    "Python": lambda index: tf.ensure_shape(tf.numpy_function(_busy_python, [index], tf.float32, stateful=False), ()),
}
SLOW = "Root::Prefetch::ParallelMapV2::Filter::ParallelMapV2"  # as the profile calls the slow one of the three maps


def _own_seconds(slow):
    """Seconds of each stage's own, by the profile of one epoch of fit: a quick map, the slow one, and a quick map."""
    feed = tf.data.Dataset.range(BATCHES).map(lambda index: index + 1, num_parallel_calls=1)
    feed = feed.filter(lambda index: index >= 0)  # keeps the maps apart
    feed = feed.map(lambda index: slow(index), num_parallel_calls=tf.data.AUTOTUNE)
    feed = feed.filter(lambda busy: busy >= 0)
    feed = feed.map(lambda busy: (tf.zeros([BATCH, 8, 8, 1]) + busy, tf.zeros([BATCH], tf.int64)), num_parallel_calls=1)
    feed = feed.prefetch(tf.data.AUTOTUNE)
    model = models.smallest((np.zeros((BATCH, 8, 8, 1), np.float32), np.zeros(BATCH, np.int64)))
    model.fit(feed.take(2), epochs=1, verbose=0, shuffle=False)
    with files.scratch("evidence") as folder:
        with tf.profiler.experimental.Profile(str(folder)):
            model.fit(feed, epochs=1, verbose=0, shuffle=False)
        (written,) = folder.rglob("*.xplane.pb")
        spent = traces.Trace(traces.read(written)).stages().groupby("iterator")["inside_s"].sum()
    # A stage's time holds, or waits for, that of the stage it draws from, whose name is its own with one more part.
    drawn_from = spent.groupby(spent.index.str.rpartition("::").get_level_values(0)).sum()
    return spent.sub(drawn_from.reindex(spent.index, fill_value=0)).clip(lower=0)


def profile_with_autotune() -> Evidence:
    """Whether TensorFlow's profiler, with autotune on, points at a stage made slow by operations, or by Python."""
    named, told = [], []
    for kind, slow in SLOW_STAGES.items():
        own = _own_seconds(slow)
        named.append(not own.empty and own.idxmax() == SLOW)
        share = f" ({own.max() / own.sum():.0%} of the stages' own time)" if not own.empty else ""
        told.append(f"{kind}: {'the right one' if named[-1] else own.idxmax() if len(own) else 'none'}{share}")
    verdict = Judgement.SUPPORTED if all(named) else Judgement.DEPENDS if any(named) else Judgement.REFUTED
    return Evidence(
        verdict,
        "one of three maps made slow on purpose, autotune on; the stage that the profile of an epoch of fit names, "
        f"where it is slow by {'; by '.join(told)}",
    )
