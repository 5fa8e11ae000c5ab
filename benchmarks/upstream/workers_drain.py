"""With workers > 1, every epoch of a PyDataset ends with a wait of 0.1 s, whatever its length.

`PyDatasetEnqueuer.stop` empties its queue by `get(block=True, timeout=0.1)` until that times out, also where every
batch was delivered already and nothing can come any more. In epochs of a few batches that hides what the workers gain.
Threads: we found none on the wait (searched for OrderedEnqueuer, drain, future_queue, end of epoch); the draining came
with https://github.com/keras-team/keras/pull/20123
"""

import time

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 4

    def __getitem__(self, number):
        return np.zeros((2, 1)), np.zeros((2, 1))


model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
for workers in (1, 2):
    ends = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs, ends=ends: ends.append(time.perf_counter()))
    model.fit(Batches(workers=workers), epochs=12, verbose=0, callbacks=[note])
    shortest = min(np.diff(ends)[1:])
    expected = "some milliseconds" if workers == 1 else "much the same"
    print(f"{workers} workers: expected: {expected}; got: {1e3 * shortest:.0f} ms for the shortest of 11 epochs")
