"""How many times as fast as ImageDataGenerator is `TFImageDataGenerator`? Through `fit`, the same epochs on both sides.

Every case is one call of `fit` with several epochs for each feed, interleaved in random order, after one to warm up.
"plain" is `fit(flow)`, "endless" `fit(flow.endless(), steps_per_epoch=len(flow))`. A ratio is of seconds per epoch in
the same round, with its 95% interval; above 1 the port is faster.

`python benchmarks/port_speed.py` takes the cases of the table in benchmarks/README.md; `--every` all configurations at
batch 32 and 128 from 1,000 images on, and names those that are not faster; `--layers` Keras' layers beside it (not the
same operation); `--folder DIR` a folder of your own, one folder per class, in place of the generated photographs.
"""

import argparse
import contextlib
import functools
import io
import os
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from helpers import ratios, timing
from helpers.machine import allocator
from helpers.timing import models

GEOMETRY = {
    "rotation_range": 20,
    "width_shift_range": 0.1,
    "height_shift_range": 0.1,
    "shear_range": 10,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "rescale": 1 / 255,
}
FLIP = {"horizontal_flip": True, "rescale": 1 / 255}
EVERY = {
    "rescale": {"rescale": 1 / 255},
    "flip": FLIP,
    "brightness": {"brightness_range": (0.5, 1.5), "rescale": 1 / 255},
    "channel shift": {"channel_shift_range": 30.0, "rescale": 1 / 255},
    "samplewise": {"samplewise_center": True, "samplewise_std_normalization": True, "rescale": 1 / 255},
    "featurewise": {"featurewise_center": True, "featurewise_std_normalization": True, "rescale": 1 / 255},
    "ZCA": {"featurewise_center": True, "zca_whitening": True},
    "geometry": GEOMETRY,
    "geometry, nearest pixel": GEOMETRY | {"interpolation_order": 0},
    "geometry, constant": GEOMETRY | {"fill_mode": "constant"},
    "geometry, brightness": GEOMETRY | {"brightness_range": (0.5, 1.5)},
}


@dataclass
class Case:
    """A configuration, and how much of it one call of `fit` reads."""

    name: str
    options: dict
    images: int
    batch_size: int
    shape: tuple = (32, 32, 3)
    epochs: int = 3
    folder: str | None = None
    more: dict = field(default_factory=dict)  # arguments of the port alone

    def flows(self):
        """The original's iterator and the port's flow."""
        from tensorflow.keras.preprocessing.image import ImageDataGenerator

        from helpers.tf_image_data_generator import TFImageDataGenerator

        generators = ImageDataGenerator(**self.options), TFImageDataGenerator(**self.options, **self.more)
        arguments = {"batch_size": self.batch_size, "seed": 1}
        if self.folder:
            with contextlib.redirect_stdout(io.StringIO()):  # "Found … images belonging to … classes."
                where = {"target_size": self.shape[:2], "class_mode": "sparse"}
                return [made.flow_from_directory(self.folder, **where, **arguments) for made in generators]
        images = np.random.default_rng(0).integers(0, 256, (self.images, *self.shape), dtype=np.uint8)
        if self.options.keys() & {"featurewise_center", "zca_whitening"}:
            for made in generators:
                made.fit(images[:500])
        labels = (np.arange(self.images) % 10).astype("float32")
        return [made.flow(images, labels, **arguments) for made in generators]


def fit(model, feed, epochs, **options):
    """Seconds per epoch of one call of `fit`, memory freed as in a process that reads no other feed."""
    allocator.keep_freed_memory(of_a_generator=not hasattr(feed, "cardinality"))
    with timing.garbage_collection_paused():
        start = time.perf_counter()
        model.fit(feed, epochs=epochs, verbose=0, **options)
        return (time.perf_counter() - start) / epochs


def interleaved(feeds, rounds, generator):
    """Name -> seconds of each round, of callables that give seconds; a first round warms up."""
    found = {name: [] for name in feeds}
    for number in range(rounds + 1):
        for place in generator.permutation(len(feeds)):
            name = list(feeds)[place]
            seconds = feeds[name]()
            if number:
                found[name].append(seconds)
    return found


def through_fit(case, rounds, generator):
    """The original, plain and endless, through `fit`."""
    theirs, ours = case.flows()
    endless, steps = ours.endless(), len(ours)
    model = models.smallest(timing.first_batch(ours))
    feeds = {
        "ImageDataGenerator": lambda: fit(model, theirs, case.epochs),
        "plain": lambda: fit(model, ours, case.epochs, shuffle=False),
        "endless": lambda: fit(model, endless, case.epochs, steps_per_epoch=steps, shuffle=False),
    }
    return interleaved(feeds, rounds, generator)


def report(name, found, reference="ImageDataGenerator"):
    """Prints a case in one line, and returns the least of its ratios."""
    times = {kind: ratios.paired_ratio(found[reference], found[kind]) for kind in found if kind != reference}
    per_epoch = ", ".join(f"{np.median(seconds) * 1e3:,.1f}" for seconds in found.values())
    said = "; ".join(f"{kind} {ratio.ratio:.2f} ({ratio.low:.2f} to {ratio.high:.2f})" for kind, ratio in times.items())
    print(f"{name:58} {said}   [{per_epoch} ms]", flush=True)
    return min(ratio.ratio for ratio in times.values())


def starts(rounds):
    """What the start of an epoch costs: making an iterator, its first batch, and plain `fit` beyond an endless one."""
    case = Case("geometry", GEOMETRY, 1000, 32)
    _, ours = case.flows()
    list(ours)

    def made(read):
        start = time.perf_counter()
        iterator = iter(ours)
        if read:
            next(iterator)
        took = time.perf_counter() - start
        time.sleep(0.05)  # what it began ahead is done before the next
        return took

    alone, first = (np.median([made(read) for _ in range(3 * rounds)]) * 1e3 for read in (False, True))
    print(f"start, geometry, 1,000 images, batch 32: an iterator {alone:.1f} ms, with its first batch {first:.1f} ms")
    endless, steps = ours.endless(), len(ours)
    model = models.smallest(timing.first_batch(ours))
    feeds = {
        "plain": lambda: fit(model, ours, 10, shuffle=False),
        "endless": lambda: fit(model, endless, 10, steps_per_epoch=steps, shuffle=False),
    }
    found = interleaved(feeds, rounds, np.random.default_rng(0))
    beyond = np.median(np.subtract(found["plain"], found["endless"])) * 1e3
    print(f"  an epoch of plain fit takes {beyond:.1f} ms more than one of an endless flow, everything counted")


def in_a_loop(rounds, generator, images=20_000, batch_size=128):
    """Reading without `fit`: `next` of the original, a loop over the port; the original reads a tenth of the images."""
    few = Case("", GEOMETRY, images // 10, batch_size).flows()[0]
    flows = {kind: Case("", GEOMETRY, images, batch_size, more={"coordinates": kind}).flows()[1] for kind in KINDS}

    def read(batches, count, total):
        allocator.keep_freed_memory(of_a_generator=False)
        start = time.perf_counter()
        for _ in range(count):
            next(batches)
        return (time.perf_counter() - start) / total

    feeds = {"ImageDataGenerator": lambda: read(few, len(few), few.n)}
    for kind, flow in flows.items():
        feeds[kind] = functools.partial(lambda flow: read(iter(flow), len(flow), flow.n), flow)
    report(f"read in a loop, geometry, batch {batch_size}", interleaved(feeds, rounds, generator))


KINDS = ("float64", "float32")


def photographs(folder, count=192, size=(375, 500)):
    """Writes JPEG files of the size and the detail of photographs: noise whose power falls with its frequency."""
    from PIL import Image

    generator = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size[0]), np.fft.rfftfreq(size[1]), indexing="ij"))
    weight = 1 / np.maximum(frequency, 1 / max(size)) ** 1.2
    for number in range(count):
        noise = np.fft.rfft2(generator.normal(size=(3, *size)))
        pixels = np.fft.irfft2(noise * weight, size).transpose(1, 2, 0)
        pixels = 128 + 45 * (pixels - pixels.mean()) / pixels.std()
        target = Path(folder) / f"kind{number % 4}"
        target.mkdir(exist_ok=True)
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        image.save(target / f"{number:04}.jpg", quality=90)


def decoder_share(folder, rounds, generator, shape=(224, 224, 3), batch_size=32):
    """Rescale alone, from files, beside a pipeline that only decodes them: what share of its rate the port reaches."""
    import tensorflow as tf

    _, ours = Case("", {"rescale": 1 / 255}, 0, batch_size, shape, folder=folder).flows()
    names = tf.data.Dataset.from_tensor_slices(list(ours.filepaths))
    options = tf.data.Options()
    options.autotune.enabled = False

    def decode(path):
        return tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")[0, 0]

    bare = names.map(decode, num_parallel_calls=os.cpu_count()).batch(batch_size).prefetch(2).with_options(options)
    model = models.smallest(timing.first_batch(ours))
    feeds = {
        "the decoder alone": functools.partial(drain, bare),
        "port, read in a loop": functools.partial(drain, ours),
        "port, plain fit": lambda: fit(model, ours, 1, shuffle=False),
    }
    report(
        "photographs, rescale: share of the decoder's rate", interleaved(feeds, rounds, generator), "the decoder alone"
    )


def drain(feed):
    """Seconds to read one epoch in a loop."""
    start = time.perf_counter()
    for _ in feed:
        pass
    return time.perf_counter() - start


def table(folder):
    """The cases of the table in benchmarks/README.md."""
    flip_brightness = FLIP | {"brightness_range": (0.5, 1.5)}
    large = (224, 224, 3)
    return [
        Case("geometry, 1,000 images, batch 32", GEOMETRY, 1000, 32),
        Case("geometry, 20,000 images, batch 128", GEOMETRY, 20_000, 128, epochs=1),
        Case("flip, 1,000 images, batch 32", FLIP, 1000, 32, epochs=5),
        Case("flip, brightness, 5,000 images, batch 128", flip_brightness, 5000, 128, epochs=2),
        Case("geometry, 300 images of 224x224x3, batch 32", GEOMETRY, 300, 32, large, epochs=2),
        Case("photographs at 224, geometry", GEOMETRY, 0, 32, large, epochs=1, folder=folder),
        Case("photographs at 150, geometry", GEOMETRY, 0, 32, (150, 150, 3), epochs=1, folder=folder),
        Case("photographs at 224, rescale", {"rescale": 1 / 255}, 0, 32, large, epochs=1, folder=folder),
    ]


def every():
    """All configurations of arrays."""
    for batch_size in (32, 128):
        for name, options in EVERY.items():
            for shape, images in (((32, 32, 3), 1000), ((32, 32, 1), 1000), ((32, 32, 4), 1000), ((96, 96, 3), 1000)):
                if name == "ZCA" and shape[0] > 32:
                    continue  # a matrix of 6 GB, in the original too
                title = f"{name}, {shape[0]}x{shape[1]}x{shape[2]}, batch {batch_size}"
                yield Case(title, options, images, batch_size, shape, epochs=2)
            if name in ("rescale", "flip", "geometry", "samplewise", "brightness"):
                yield Case(f"{name}, 224x224x3, batch {batch_size}", options, 1000, batch_size, (224, 224, 3), epochs=1)


def beside_layers(rounds, generator, images=6400, batch_size=32):
    """Keras' layers at the head of the smallest model against the port in front of it: an epoch of `fit` each."""
    import keras
    import tensorflow as tf

    _, port = Case("", GEOMETRY, images, batch_size).flows()
    plain = tf.data.Dataset.from_tensor_slices((port.x, port.y)).shuffle(images).batch(batch_size).prefetch(2)
    nearest = {"fill_mode": "nearest"}
    layers = [
        keras.layers.Rescaling(1 / 255),
        keras.layers.RandomRotation(20 / 360, **nearest),
        keras.layers.RandomTranslation(0.1, 0.1, **nearest),
        keras.layers.RandomShear((0.0, np.tan(np.radians(10))), 0.0, **nearest),
        keras.layers.RandomZoom((-0.2, 0.2), (-0.2, 0.2), **nearest),
        keras.layers.RandomFlip("horizontal"),
    ]
    small = models.smallest(timing.first_batch(port))
    inside = keras.Sequential([keras.Input((32, 32, 3)), *layers, *small.layers])
    inside.compile(optimizer="sgd", loss="mean_squared_error", jit_compile=False)
    feeds = {
        "layers inside the model": lambda: fit(inside, plain, 1, shuffle=False),
        "port": lambda: fit(small, port, 1, shuffle=False),
    }
    report("beside Keras' layers", interleaved(feeds, rounds, generator), "layers inside the model")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", action="store_true", help="all configurations, 3 rounds each unless --rounds says")
    parser.add_argument("--layers", action="store_true", help="Keras' layers beside the port")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--folder", help="with one folder per class of JPEG files; default: generated photographs")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    generator = np.random.default_rng(arguments.seed)
    rounds = arguments.rounds
    if arguments.every:
        cases = [case for case in every() if arguments.only in case.name]
        least = {case.name: report(case.name, through_fit(case, rounds, generator)) for case in cases}
        slower = [f"{name} ({ratio:.2f})" for name, ratio in least.items() if ratio < 1]
        print(f"{len(least)} configurations, the least ratio {min(least.values()):.2f}")
        print(f"below 1: {', '.join(slower) or 'none'}")
        return
    if arguments.layers:
        beside_layers(rounds, generator)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.folder or made
        if not arguments.folder:
            photographs(made)
        for case in table(folder):
            if arguments.only in case.name:
                report(case.name, through_fit(case, rounds, generator))
        if not arguments.only:
            decoder_share(folder, rounds, generator)
            in_a_loop(rounds, generator)
            starts(rounds)


if __name__ == "__main__":
    main()
