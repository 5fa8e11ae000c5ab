"""Evidence on what lies between a feed and the model: what Keras adds, passes on, and how a state is kept."""

import keras
import numpy as np
import tensorflow as tf

from helpers import comparison, internals
from helpers.claims.evidence.collection import Evidence, sequence, timed
from helpers.claims.judgement import Judgement

BUDGET_S = 4.0  # for the rounds of one live comparison
BATCH, BATCHES = 32, 32


def _constant_feeds():
    """The same batches, ready made, as a PyDataset and as a Dataset: only the adapter's cost is left."""
    batch = (np.zeros((BATCH, 8, 8, 1), np.float32), np.zeros(BATCH, np.int64))
    return {
        "Sequence": sequence(2 * BATCHES, lambda index: batch),
        "tf.data": tf.data.Dataset.from_tensors(batch).repeat(2 * BATCHES),
    }


def adapter_cost() -> Evidence:
    """What `fit` adds to a batch that is ready, for a Sequence and for tf.data."""
    compared = comparison.compare(_constant_feeds(), reference="tf.data", budget_s=BUDGET_S, precision=0.05)
    cost = {label: np.median(compared.seconds(label, "epoch_s")) / (2 * BATCHES) * 1e3 for label in compared.labels}
    judged = {"faster": Judgement.SUPPORTED, "slower": Judgement.REFUTED, "the same": Judgement.REFUTED}
    return timed(
        judged.get(compared.verdict("Sequence"), Judgement.UNDECIDED),
        f"with batches held ready, fit spends {cost['Sequence']:.2f} ms per step on a Sequence and "
        f"{cost['tf.data']:.2f} ms on a Dataset: {compared.ratio('Sequence')} times as long",
    )


def adapter_graph() -> Evidence:
    """Through which tf.data stages Keras passes a Sequence's batches."""
    adapter = internals.py_dataset_adapter(_constant_feeds()["Sequence"])
    stages = [type(stage).__name__.strip("_") for stage in internals.dataset_stages(adapter.get_tf_dataset())]
    adapter.on_epoch_end()
    passes = any("FlatMap" in stage or "Generator" in stage for stage in stages)
    return Evidence(
        Judgement.REFUTED if passes else Judgement.SUPPORTED,
        f"Keras turns a Sequence into a tf.data graph of {len(stages)} stages (from_generator: {', '.join(stages)}); "
        "only __getitem__ itself runs in the interpreter",
    )


def running_mean() -> Evidence:
    """Preprocessing with a state, the mean of all that was seen, in a Sequence and in tf.data's scan."""
    images = np.random.default_rng(0).random((BATCHES * BATCH, 32, 32, 3), dtype=np.float32)
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

    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).batch(BATCH).scan((0.0, 0.0), step).prefetch(-1)
    fresh = RunningMean()
    corners = [fresh[index][0][0, 0, 0] for index in range(4)]
    same = np.allclose(corners, [batch[0, 0, 0] for batch, _ in dataset.take(4).as_numpy_iterator()], atol=1e-6)
    compared = comparison.compare(
        {"tf.data": dataset, "Sequence": RunningMean()}, reference="Sequence", budget_s=BUDGET_S, precision=0.05
    )
    judged = {"slower": Judgement.SUPPORTED, "faster": Judgement.REFUTED, "the same": Judgement.REFUTED} if same else {}
    return timed(
        judged.get(compared.verdict("tf.data"), Judgement.UNDECIDED),
        f"the mean of all images so far taken off each batch; same values: {'yes' if same else 'no'}; tf.data's scan "
        f"takes {compared.ratio('tf.data')} times the Sequence's time. Neither may run it on parallel workers",
    )
