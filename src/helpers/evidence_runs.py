"""Evidence that is found by running something small: each takes a few seconds and TensorFlow."""

import inspect
import tempfile
import threading
import traceback
from pathlib import Path

import numpy as np

from helpers.evidence import Evidence

BUDGET_S = 4.0  # for the rounds of one live comparison
BATCH, BATCHES = 32, 32


def _constant_feeds():
    """The same batches, ready made, as a PyDataset and as a Dataset: only the adapter's cost is left."""
    import keras
    import tensorflow as tf

    images = np.zeros((BATCH, 8, 8, 1), np.float32)
    labels = np.zeros(BATCH, np.int64)

    class Ready(keras.utils.PyDataset):
        def __len__(self):
            return 4 * BATCHES

        def __getitem__(self, index):
            return images, labels

    return {"Sequence": Ready(), "tf.data": tf.data.Dataset.from_tensors((images, labels)).repeat(4 * BATCHES)}


def adapter_cost() -> Evidence:
    """What `fit` adds to a batch that is ready, for a Sequence and for tf.data."""
    from helpers import comparison

    found = comparison.compare(_constant_feeds(), reference="tf.data", budget_s=BUDGET_S, precision=0.05)
    batches = 4 * BATCHES
    cost = {label: float(np.median(found.seconds(label, "epoch_s"))) / batches * 1e3 for label in found.labels}
    verdict = {"faster": "supported", "slower": "refuted", "the same": "refuted"}.get(
        found.verdict("Sequence"), "undecided yet"
    )
    return Evidence(
        verdict,
        f"with batches held ready, fit spends {cost['Sequence']:.2f} ms a step on a Sequence and "
        f"{cost['tf.data']:.2f} ms on a Dataset: {found.ratio('Sequence')} times as long",
    )


def adapter_graph() -> Evidence:
    """Through which tf.data stages Keras passes a Sequence's batches."""
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    adapter = PyDatasetAdapter(_constant_feeds()["Sequence"], class_weight=None)
    stages, waiting = [], [adapter.get_tf_dataset()]
    while waiting:
        stage = waiting.pop()
        stages.append(type(stage).__name__.strip("_"))
        waiting += stage._inputs()
    adapter.on_epoch_end()
    passes = any("FlatMap" in stage or "Generator" in stage for stage in stages)
    return Evidence(
        "refuted" if passes else "supported",
        f"Keras turns a Sequence into a tf.data graph of {len(stages)} stages (from_generator: {', '.join(stages)}); "
        "only __getitem__ itself runs in the interpreter",
    )


def _faulty_feeds():
    """A Sequence and a Dataset with the same fault: the third batch asks for a picture that is not there."""
    import keras
    import tensorflow as tf

    images, labels = np.zeros((4 * BATCH, 8, 8, 1), np.float32), np.zeros(BATCH, np.int64)
    starts = np.array([0, BATCH, 3 * BATCH + 1, 3 * BATCH])

    class Faulty(keras.utils.PyDataset):
        def __len__(self):
            return len(starts)

        def __getitem__(self, index):
            chosen = starts[index] + np.arange(BATCH)
            return images[chosen], labels

    def prepare(start):
        chosen = start + tf.range(BATCH, dtype=tf.int64)
        return tf.gather(images, chosen), labels

    return {
        "Sequence": (Faulty(), _line_of(Faulty.__getitem__, "return")),
        "tf.data": (tf.data.Dataset.from_tensor_slices(starts).map(prepare), _line_of(prepare, "return")),
    }


def _line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


def same_fault_twice() -> Evidence:
    """Whether the traceback of the same fault names the user's file and line, in each."""
    from helpers import models

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
    import keras
    import tensorflow as tf

    images, labels = np.zeros((4 * BATCH, 8, 8, 1), np.float32), np.zeros(4 * BATCH, np.int64)
    seen, lock = {"Sequence": 0, "tf.data": 0}, threading.Lock()

    def run(label):
        with lock:
            seen[label] += 1

    class Counted(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            run("Sequence")
            return images[index * BATCH : (index + 1) * BATCH], labels[:BATCH]

    def prepare(image, label):
        run("tf.data")
        return image, label

    for _ in (Counted()[index] for index in range(4)):
        pass
    for _ in tf.data.Dataset.from_tensor_slices((images, labels)).map(prepare):
        pass
    stops = seen["Sequence"] >= 4 and seen["tf.data"] < len(images)
    return Evidence(
        "supported" if stops else "refuted",
        f"a breakpoint in a Sequence stops at {seen['Sequence']} of 4 batches, with values; in a map it stops "
        f"{seen['tf.data']} time for {len(images)} elements, while it is traced, without values "
        "(tf.data.experimental.enable_debug_mode runs it as Python)",
    )


def running_mean() -> Evidence:
    """Preprocessing with a state, the mean of all that was seen, in a Sequence and in tf.data's scan."""
    import keras
    import tensorflow as tf

    from helpers import comparison

    images = np.random.default_rng(0).random((64 * BATCH, 32, 32, 3), dtype=np.float32)
    labels = np.zeros(len(images), np.int64)

    class RunningMean(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.on_epoch_end()

        def __len__(self):
            return len(images) // BATCH

        def on_epoch_end(self):
            self.total, self.seen = np.float32(0), np.float32(0)

        def __getitem__(self, index):
            batch = images[index * BATCH : (index + 1) * BATCH]
            self.total, self.seen = self.total + batch.mean(), self.seen + 1
            return batch - self.total / self.seen, labels[:BATCH]

    def step(state, element):
        total, seen = state
        total, seen = total + tf.reduce_mean(element[0]), seen + 1
        return (total, seen), (element[0] - total / seen, element[1])

    def sequence_in_order():
        feed = RunningMean()
        return np.stack([feed[index][0][0, 0, 0] for index in range(4)])

    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH).scan((0.0, 0.0), step).prefetch(-1)
    same = np.allclose(sequence_in_order(), [one[0][0, 0, 0] for one in dataset.take(4).as_numpy_iterator()], atol=1e-6)
    found = comparison.compare(
        {"tf.data": dataset, "Sequence": RunningMean()}, reference="Sequence", budget_s=BUDGET_S, precision=0.05
    )
    verdict = {"slower": "supported", "faster": "refuted", "the same": "refuted"}.get(
        found.verdict("tf.data"), "undecided yet"
    )
    return Evidence(
        verdict if same else "undecided yet",
        f"the mean of all images so far taken off each batch; same values: {'yes' if same else 'no'}; tf.data's scan "
        f"takes {found.ratio('tf.data')} times the Sequence's time. Neither may run it on parallel workers",
    )


def profiler() -> Evidence:
    """Whether TensorFlow's profiler points at a slow stage that was put there on purpose."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    from helpers import models

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
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            model.fit(feed, epochs=1, verbose=0, shuffle=False)
        (trace,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(trace.read_bytes())
    spent = {}
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name.split("#")[0]
                if name.startswith("Iterator::"):
                    spent[name] = spent.get(name, 0) + event.duration_ps / 1e12
    # A stage's time holds that of the stage it draws from, whose name is its own with one more part.
    own = {
        name: seconds - sum(inner for other, inner in spent.items() if other.rpartition("::")[0] == name)
        for name, seconds in spent.items()
    }
    if not own:
        return Evidence("refuted", "the profile of a slow pipeline names no stage of it")
    slowest = max(own, key=own.get)
    stage = slowest.rpartition("::")[-1]
    return Evidence(
        "supported" if stage == "Map" else "refuted",
        f"a map made slow on purpose among {len(own)} stages; the profile of one epoch of fit names {stage} as "
        f"the slowest, with {own[slowest] / sum(max(0, one) for one in own.values()):.0%} of the stages' own time",
    )


def what_fit_receives() -> Evidence:
    """Whether `fit` hands the model every example of a Dataset and of a Sequence exactly once."""
    import keras
    import tensorflow as tf

    numbers = np.arange(10 * BATCH, dtype=np.float32)[:, None]

    class Numbers(keras.utils.PyDataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            return numbers[index * BATCH : (index + 1) * BATCH], numbers[index * BATCH : (index + 1) * BATCH]

    counts = {}
    feeds = {"Dataset": tf.data.Dataset.from_tensor_slices((numbers, numbers)).batch(BATCH), "Sequence": Numbers()}
    for label, feed in feeds.items():
        received = []

        class Recorder(keras.Model):
            def train_step(self, data, received=received):
                received.extend(np.asarray(data[0]).ravel().tolist())
                return {"loss": 0.0}

        model = Recorder()
        model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
        model.fit(feed, epochs=1, verbose=0, shuffle=False)
        counts[label] = (len(received), len(set(received)))
    right = all(count == (len(numbers), len(numbers)) for count in counts.values())
    told = ", ".join(f"{label} {distinct} of {len(numbers)} in {total}" for label, (total, distinct) in counts.items())
    return Evidence(
        "supported" if right else "refuted", f"distinct examples that reach the model in an epoch of fit: {told}"
    )


def unlike_work() -> Evidence:
    """How far a speed moves when only the work differs: the two transforms that example 1 and 2 of A confuse."""
    from helpers import comparison, pipelines
    from helpers.tasks import Task

    task = Task(dataset="synthetic", transform="brightness", examples=2000)
    feeds = {name: pipelines.build("py_dataset", task.but(transform=name)) for name in ("brightness", "noise")}
    found = comparison.compare(feeds, reference="brightness", budget_s=BUDGET_S, precision=0.05)
    verdict = {"the same": "refuted", "undecided": "undecided yet"}.get(found.verdict("noise"), "supported")
    return Evidence(
        verdict,
        "one API, one difference: noise on every pixel (example 1 of the first answer) takes "
        f"{found.ratio('noise')} times as long as one number an image (its example 2)",
    )
