"""Reading one generator dataset makes every later reading of small files ask the system for its memory again.

`generator_dataset_op.cc` sets malloc's M_TRIM_THRESHOLD to 128 kB for the whole process and for good (its log: "Memory
patch applied"), also for pipelines that use no generator. `tf.io.read_file` then loses its pages after every file.
Linux with glibc. Threads: we found none on this cost (searched for mallopt, M_TRIM_THRESHOLD, page faults); what the
patch is for: https://github.com/tensorflow/tensorflow/issues/44176, https://github.com/tensorflow/tensorflow/issues/37653
"""

import resource
import tempfile
from pathlib import Path

import tensorflow as tf

FILES, folder = 1000, tempfile.mkdtemp()
for number in range(FILES):
    Path(folder, f"{number}.txt").write_text("a small file")
contents = tf.data.Dataset.list_files(f"{folder}/*").map(tf.io.read_file, num_parallel_calls=2).batch(32)


def faults_per_file(epochs=5):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(epochs):
        list(contents)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / epochs / FILES


faults_per_file()
before = faults_per_file()
list(tf.data.Dataset.from_generator(lambda: iter([0]), output_signature=tf.TensorSpec((), tf.int64)))
print(f"page faults per file: {before:.2f}; after an unrelated generator dataset: expected: the same;", end=" ")
print(f"got: {faults_per_file():.2f}")
