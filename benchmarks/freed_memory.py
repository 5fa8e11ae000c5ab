"""Does a generator dataset slow down the other pipelines of its process? JPEG files read by tf.data, before and after.

TensorFlow makes malloc give freed memory back at once from the first generator dataset on: see
`helpers.machine.allocator`.
`python benchmarks/freed_memory.py [--rounds 30]` reads 2,000 small JPEG files in rounds, with memory given back so and
kept as before, and prints the ratio of times with its interval, and the page faults a picture of each.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from helpers import ratios
from helpers.machine import allocator
from helpers.tf_image_data_generator import files

FILES = 2000


def write_pictures(folder):
    generator = np.random.default_rng(0)
    for number in range(FILES):
        coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((32, 32), Image.Resampling.BICUBIC).save(folder / f"{number:04}.jpg")
    return sorted(map(str, folder.iterdir()))


def read(dataset):
    """Seconds and page faults of an epoch."""
    faults, start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
    for _ in dataset:
        pass
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names = tf.data.Dataset.from_tensor_slices(write_pictures(Path(folder)))
        pictures = names.map(files.decode, num_parallel_calls=tf.data.AUTOTUNE).batch(32).prefetch(2)
        before = [read(pictures) for _ in range(6)][1:]
        for _ in tf.data.Dataset.from_generator(lambda: range(1), output_signature=tf.TensorSpec([], tf.int64)):
            pass
        found = {True: [], False: []}
        for _ in range(arguments.rounds):
            for of_a_generator, taken in found.items():
                if not allocator.keep_freed_memory(of_a_generator):
                    raise SystemExit("malloc is not glibc's here: there is nothing to measure")
                taken.append(read(pictures))
    given_back, kept = (np.array(found[key]) for key in (True, False))
    print(f"time with freed memory given back / kept: {ratios.paired_ratio(given_back[:, 0], kept[:, 0])}")
    for name, taken in (("before a generator", before), ("given back", given_back), ("kept", kept)):
        seconds, faults = np.median(taken, axis=0)
        print(f"  {name:20} {FILES / seconds:7,.0f} pictures/s, {faults / FILES:.2f} page faults a picture")


if __name__ == "__main__":
    main()
