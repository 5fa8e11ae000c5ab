"""Grain over arrays in memory: every stage costs Python once per image, and the 16 threads of the default cost more.

Each element goes through every stage's `__getitem__`, one image at a time, under Python's lock; the threads of
`to_iter_dataset` then pass that lock around. Grain's own advice for data in memory is `num_threads=0`.
Threads: https://github.com/google/grain/issues/1164, https://github.com/google/grain/issues/569 (on the same gap)
"""

import statistics
import time

import grain
import numpy as np

images = np.zeros((2048, 32, 32, 3), "uint8")
dataset = grain.MapDataset.source(images).shuffle(seed=0).random_map(lambda image, draws: image, seed=0).batch(32)
order = np.random.default_rng(0).permutation(len(images))
reads = {
    "a loop that stacks the same batches": lambda: (np.stack([images[i] for i in r]) for r in np.split(order, 64)),
    "Grain, num_threads=0": lambda: dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)),
    "Grain as it comes": dataset.to_iter_dataset,
}
taken_s = {name: [] for name in reads}
for name in list(reads) * 7:
    start = time.perf_counter()
    delivered = sum(1 for _ in reads[name]())
    taken_s[name].append((time.perf_counter() - start) / (32 * delivered))
us = {name: 1e6 * statistics.median(seconds[1:]) for name, seconds in taken_s.items()}
print("expected: some µs per image beyond the loop's, and the default not slower than no threads")
print("got:", "; ".join(f"{name}: {value:.1f} µs per image" for name, value in us.items()))
