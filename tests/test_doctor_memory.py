"""An examination stays within three times the memory that training on the feed takes."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import numpy as np
import keras, tensorflow as tf
from helpers import doctor, timing
from helpers.machine import memory
from helpers.timing import models


class Pictures(keras.utils.PyDataset):
    def __len__(self):
        return len(x) // 32
    def __getitem__(self, batch):
        rows = slice(32 * batch, 32 * batch + 32)
        return x[rows].astype("float32") / 255, y[rows]


def dataset():
    made = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x) // 4)
    return made.map(lambda image, label: (tf.cast(image, tf.float32) / 255, label)).batch(32)


few = np.zeros((64, 8, 8, 3), "uint8"), np.arange(64) % 4
x, y = few
timing.time_epoch(models.smallest((np.zeros((2, 8, 8, 3), "float32"), np.zeros(2))), dataset())
doctor.examine(dataset(), budget_s=1.0)  # what is imported and compiled once counts for neither
before = memory.peak_bytes()
x = np.random.default_rng(0).integers(0, 256, (3072, 128, 128, 3), dtype="uint8")
y = np.arange(len(x)) % 4
feed = dataset() if sys.argv[1] == "tf.data" else Pictures()
if sys.argv[2] == "train":
    model = models.smallest(timing.first_batch(feed))
    timing.time_epochs(model, feed, 2)
else:
    doctor.examine(feed, budget_s=20.0)
print(json.dumps(memory.peak_bytes() - before))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tf.data", "PyDataset"])
def test_an_examination_takes_at_most_three_times_the_memory_of_a_training(kind):
    def peak(what):
        done = subprocess.run([sys.executable, "-c", SCRIPT, kind, what], capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    train, examine = peak("train"), peak("examine")
    print(f"{kind}: training {train / 1e6:,.0f} MB, examination {examine / 1e6:,.0f} MB")
    assert train > 3072 * 128 * 128 * 3
    assert examine <= 3 * train
