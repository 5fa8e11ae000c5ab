"""How much faster is `TFImageDataGenerator` than ImageDataGenerator and Keras' layers, through the same door?

Rotation, shifts, shear, zoom, flip and rescale of uint8 32x32x3 to float32. Every round takes each feed once, in random
order; the ratio is of seconds an image, with its interval. Doors: reading the feed (`next`, or a loop over the
dataset), and `fit` with the smallest model. The layers do not do the same operation: they resample four times.

`python benchmarks/port_speed.py [--batch-size 128] [--rounds 9]`; `--folder DIR` compares
flow_from_directory, on a fifth of the pictures.
"""

import argparse
import contextlib
import io
import time
import warnings

import numpy as np

from helpers import ratios, timing
from helpers.machine import allocator
from helpers.timing import models

OPTIONS = {
    "rotation_range": 20,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 10,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "rescale": 1 / 255,
}


def layers():
    import keras

    nearest = {"fill_mode": "nearest"}
    return [
        keras.layers.Rescaling(1 / 255),
        keras.layers.RandomRotation(20 / 360, **nearest),
        keras.layers.RandomTranslation(0.1, 0.1, **nearest),
        keras.layers.RandomShear((0.0, np.tan(np.radians(10))), 0.0, **nearest),
        keras.layers.RandomZoom((-0.2, 0.2), (-0.2, 0.2), **nearest),
        keras.layers.RandomFlip("horizontal"),
    ]


def layers_in_a_map(images, labels, batch_size):
    import tensorflow as tf

    stack = layers()

    def augment(images, labels):
        images = stack[0](images)
        for layer in stack[1:]:
            images = layer(images, training=True)
        return images, labels

    dataset = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images)).batch(batch_size)
    return dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def from_arrays(batch_size, few, many):
    """Returns name -> (feed, images an epoch); the slow ones get fewer images."""
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from helpers.tf_image_data_generator import TFImageDataGenerator

    images = np.random.default_rng(0).integers(0, 256, (many, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(many) % 10
    slow = (images[:few], labels[:few])
    options = {"batch_size": batch_size, "seed": 1}
    return {
        "ImageDataGenerator": (ImageDataGenerator(**OPTIONS).flow(*slow, **options), few),
        "port": (TFImageDataGenerator(**OPTIONS).flow(images, labels, **options), many),
        "port, float32 coordinates": (
            TFImageDataGenerator(**OPTIONS, coordinates="float32").flow(images, labels, **options),
            many,
        ),
        "layers in tf.data": (layers_in_a_map(*(part[: 4 * few] for part in (images, labels)), batch_size), 4 * few),
    }


def from_folder(folder, batch_size):
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    from helpers.tf_image_data_generator import TFImageDataGenerator

    options = {"target_size": (32, 32), "batch_size": batch_size, "seed": 1, "subset": "validation"}
    a_fifth = OPTIONS | {"validation_split": 0.2}
    with contextlib.redirect_stdout(io.StringIO()):
        original = ImageDataGenerator(**a_fifth).flow_from_directory(folder, **options)
        port = TFImageDataGenerator(**a_fifth).flow_from_directory(folder, **options)
    return {"ImageDataGenerator": (original, original.samples), "port": (port, port.samples)}


def read(feed):
    """Seconds to read one epoch in a loop, until its last batch is here."""
    allocator.keep_freed_memory(of_a_generator=False)
    start = time.perf_counter()
    if hasattr(feed, "as_numpy_iterator"):
        for _ in feed:
            end = time.perf_counter()
    else:
        for _ in range(len(feed)):
            next(feed)
            end = time.perf_counter()
    return end - start


def measure(feeds, rounds, doors, seed):
    """Returns (door, name) -> seconds an image of each round; a first round warms up."""
    fitted = {name: models.smallest(timing.first_batch(feed)) for name, (feed, _) in feeds.items()}
    take = {
        "read in a loop": lambda name, feed: read(feed),
        "through fit": lambda name, feed: timing.time_epoch(fitted[name], feed).epoch_s,
    }
    found = {(door, name): [] for door in doors for name in feeds}
    generator = np.random.default_rng(seed)
    for number in range(rounds + 1):
        for place in generator.permutation(len(found)):
            door, name = list(found)[place]
            feed, images = feeds[name]
            seconds = take[door](name, feed) / images
            if number:
                found[door, name].append(seconds)
    return found


def report(found, feeds, doors):
    for door in doors:
        original = np.array(found[door, "ImageDataGenerator"])
        print(f"{door}:")
        for name in feeds:
            seconds = np.array(found[door, name])
            times = ratios.paired_ratio(original, seconds)
            print(f"  {name:26} {1 / np.median(seconds):9,.0f} images/s   {times} times ImageDataGenerator's rate")
        if "layers in tf.data" in feeds:
            over_layers = ratios.paired_ratio(found[door, "layers in tf.data"], found[door, "port"])
            print(f"  the port's rate is {over_layers} times the layers'")


def layers_inside_the_model(batch_size, images, rounds):
    """The same layers at the head of the smallest model against the port in front of it, through fit."""
    import keras
    import tensorflow as tf

    from helpers.tf_image_data_generator import TFImageDataGenerator

    pixels = np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
    labels = np.zeros(images, np.float32)
    port = TFImageDataGenerator(**OPTIONS).flow(pixels, labels, batch_size=batch_size)
    plain = tf.data.Dataset.from_tensor_slices((pixels, labels)).shuffle(images).batch(batch_size).prefetch(2)
    small = models.smallest(timing.first_batch(port))
    inside = keras.Sequential([keras.Input((32, 32, 3)), *layers(), *small.layers])
    inside.compile(optimizer="sgd", loss="mean_squared_error", jit_compile=False)
    seconds = {"port": [], "inside": []}
    for number in range(rounds + 1):
        for name, model, feed in (("port", small, port), ("inside", inside, plain)):
            took = timing.time_epoch(model, feed).epoch_s
            if number:
                seconds[name].append(took)
    found = ratios.paired_ratio(seconds["inside"], seconds["port"])
    print(f"layers inside the model: an epoch through fit takes {found} times the port's")


def first_batches(batch_size):
    """Whether the partial last batch is compiled again: the first batch and the whole of two small epochs."""
    from helpers.tf_image_data_generator import TFImageDataGenerator

    images = np.zeros((batch_size * 3 + 5, 32, 32, 3), np.uint8)
    feed = TFImageDataGenerator(**OPTIONS).flow(images, batch_size=batch_size)
    took = [read(feed) for _ in range(3)]
    print("a small epoch with a partial batch, compiling and then not:", ", ".join(f"{s:.3f} s" for s in took))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[128, 32])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--images", type=int, default=25_600, help="an epoch of the fast feeds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", help="with a folder a class of pictures: compare flow_from_directory")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    doors = ["read in a loop", "through fit"]
    for batch_size in arguments.batch_size:
        if arguments.folder:
            feeds = from_folder(arguments.folder, batch_size)
            print(f"\nbatch {batch_size}, {feeds['port'][1]} files of {arguments.folder}")
        else:
            feeds = from_arrays(batch_size, 8 * batch_size, arguments.images)
            print(f"\nbatch {batch_size}, 32x32x3 uint8 to float32, {arguments.rounds} rounds")
        report(measure(feeds, arguments.rounds, doors, arguments.seed), feeds, doors)
        if not arguments.folder:
            layers_inside_the_model(batch_size, arguments.images // 4, arguments.rounds)
            first_batches(batch_size)


if __name__ == "__main__":
    main()
