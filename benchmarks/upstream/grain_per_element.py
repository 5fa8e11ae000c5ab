"""Grain spends tens of microseconds of Python on each element of a pipeline that does nothing; tf.data a few.

5,000 images in memory are shuffled, mapped by the identity and batched. Where the same batches are made by one call
each, Grain is as fast as the copy of the images.
"""

import time

import grain
import numpy as np
import tensorflow as tf

COUNT, BATCH = 5000, 50
images = np.zeros((COUNT, 32, 32, 3), np.uint8)
order = np.random.default_rng(0).permutation(COUNT).reshape(-1, BATCH)
no_threads = grain.ReadOptions(num_threads=0, prefetch_buffer_size=1)
elements = grain.MapDataset.source(images).shuffle(seed=0).map(lambda image: image).batch(BATCH)
batches = grain.MapDataset.source(order).map(lambda chosen: images[chosen])
by_tf_data = tf.data.Dataset.from_tensor_slices(images).shuffle(COUNT).map(lambda image: image).batch(BATCH)
for name, dataset in {
    "Grain, by element": elements.to_iter_dataset(no_threads),
    "Grain, by element, default threads": elements,
    "Grain, by batch": batches.to_iter_dataset(no_threads),
    "tf.data, by element": by_tf_data,
}.items():
    taken_s = []
    for _ in range(6):
        start = time.perf_counter()
        assert sum(len(batch) for batch in dataset) == COUNT
        taken_s.append(time.perf_counter() - start)
    print(f"{name:35} {1e6 * np.median(taken_s[1:]) / COUNT:6.1f} µs per image")
