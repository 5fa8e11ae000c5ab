"""How much memory does a flow of uint8 images hold: ImageDataGenerator, and `TFImageDataGenerator`?

`python benchmarks/port_memory.py` starts a process for each, makes the flow, gives the array back and reads an epoch;
it prints what the process holds beyond what it held before the data was there, as multiples of the uint8 data.
"""

import argparse
import multiprocessing
import warnings

SIDE = 32


def hold(name, images, batch_size, answer):
    import gc

    import numpy as np
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from helpers.machine import memory
    from helpers.tf_image_data_generator import TFImageDataGenerator

    warnings.simplefilter("ignore")
    kind = {"ImageDataGenerator": ImageDataGenerator, "port": TFImageDataGenerator}[name]
    generator = kind(rotation_range=20, horizontal_flip=True, rescale=1 / 255)

    def read(flow, batches):
        iterator = iter(flow)
        for _ in range(batches):
            next(iterator)

    warm = np.zeros((2 * batch_size, SIDE, SIDE, 3), np.uint8)
    read(generator.flow(warm, batch_size=batch_size), 2)  # compiling and libraries are not the data's
    before = memory.resident_bytes()
    array = np.random.default_rng(0).integers(0, 256, (images, SIDE, SIDE, 3), dtype=np.uint8)
    flow = generator.flow(array, batch_size=batch_size)
    size = array.nbytes
    del array
    gc.collect()
    memory.reset_peak()
    read(flow, images // batch_size)
    answer.put((size, memory.resident_bytes() - before, memory.peak_bytes() - before))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--batch-size", type=int, default=128)
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for name in ("ImageDataGenerator", "port"):
        answer = context.SimpleQueue()
        process = context.Process(target=hold, args=(name, arguments.images, arguments.batch_size, answer))
        process.start()
        size, held, peak = answer.get()
        process.join()
        batch = arguments.batch_size * SIDE * SIDE * 3 * 4
        print(
            f"{name:20} uint8 data {size / 1e6:.0f} MB: holds {held / size:.2f} times that, at most {peak / size:.2f}; "
            f"beyond the data {(peak - size) / batch:+.1f} batches of {batch / 1e6:.1f} MB"
        )


if __name__ == "__main__":
    main()
