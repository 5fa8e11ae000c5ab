"""What only shows on a GPU, as ratios with intervals; runs on a CPU too, where most of it makes no difference.

`python benchmarks/gpu.py` does all of it; `--only copy uint8` two parts. `KERAS_BACKEND=jax` trains on JAX. Sizes
fit the device: small on a CPU. `--json FILE` adds the rows to a file, so that it may be made in pieces.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from slices import add

from helpers import comparison, pipelines, ratios, timing
from helpers.machine import device
from helpers.pipelines import device_prefetch
from helpers.tasks import Task
from helpers.tf_image_data_generator import TFImageDataGenerator
from helpers.timing import models, simulated_device, starvation

CLASSES = 10
FEEDS = {
    "py_dataset": {},
    "image_data_generator": {},
    "tf_data": {},
    "tf_data, batch map": {"builder": "tf_data", "map": "batch"},
    "tf_image_data_generator": {},
}


def images_of(size, count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, size.image, size.image, 3), "uint8"), generator.integers(
        0, CLASSES, count
    )


def batches(size, dtype="uint8"):
    """A dataset that hands out one batch from the host's memory, as often as an epoch has batches."""
    images, labels = images_of(size, size.batch)
    if dtype == "float32":
        images = images.astype("float32") / 255
    return timing.held((images, labels), size.batches)


def cnn(feed, size, **options):
    return models.small_cnn(timing.first_batch(feed), classes=CLASSES, filters=size.filters, **options)


def compared(section, fitted, size, **options):
    """Compares pairs of model and feed, prints the ratios to the first, and returns them as rows."""
    found = comparison.compare(fitted, budget_s=size.budget_s, **options)
    first, *others = fitted
    seconds = float(np.median(found.seconds(first)))
    print(f"{section}: {first} takes {1e3 * seconds / size.batches:.2f} ms a batch")
    rows = []
    for label in others:
        ratio = found.ratio(label)
        print(f"  {label}: {ratio} times as long: {found.verdict(label)}")
        rows.append(row(section, label, ratio.ratio, ratio.low, ratio.high, rounds=ratio.rounds, reference=first))
    return rows


def row(section, label, value, low=math.nan, high=math.nan, **more):
    return {"section": section, "label": label, "value": value, "low": low, "high": high, **more}


def copy(size):
    """Host to device: seconds per copy, bytes per second, and what a step no longer waits for if batches go ahead."""
    copies = {}
    for dtype in ("uint8", "float32"):
        batch = timing.first_batch(batches(size, dtype))
        device.send(batch)
        copies[dtype] = batch
    timed = {dtype: [] for dtype in copies}
    for _ in range(30):
        for dtype, batch in copies.items():
            start = time.perf_counter()
            device.send(batch)
            timed[dtype].append(time.perf_counter() - start)
    rows = []
    for dtype, batch in copies.items():
        seconds, sent = float(np.median(timed[dtype])), sum(array.nbytes for array in batch)
        print(f"copy: {dtype} batch of {sent / 1e6:.1f} MB: {1e3 * seconds:.3f} ms, {sent / seconds / 1e9:.1f} GB/s")
        rows.append(row("copy", f"{dtype}, GB/s", sent / seconds / 1e9))
    ratio = ratios.paired_ratio(timed["float32"], timed["uint8"])
    print(f"  float32 takes {ratio} times as long as uint8")
    feed = batches(size, "float32")
    ahead = {
        "copied as Keras does": timing.Fitted(cnn(feed, size), feed),
        "prefetched to the device": timing.Fitted(cnn(feed, size), device_prefetch.prefetched(feed)),
    }
    return [
        *rows,
        row("copy", "float32 to uint8", ratio.ratio, ratio.low, ratio.high),
        *compared("overlap", ahead, size),
    ]


def uint8(size):
    """Bytes sent and converted on the device, against float32 sent."""
    import tensorflow as tf

    as_bytes = batches(size)
    in_tf_data = as_bytes.map(lambda images, labels: (tf.cast(images, tf.float32) / 255, labels), tf.data.AUTOTUNE)
    in_tf_data = in_tf_data.prefetch(tf.data.AUTOTUNE)
    fitted = {
        "float32 sent, made in tf.data": timing.Fitted(cnn(in_tf_data, size), in_tf_data),
        "uint8 sent, made float32 on the device": timing.Fitted(cnn(as_bytes, size, rescale=True), as_bytes),
    }
    return compared("uint8", fitted, size)


def _layers(what):
    import keras

    if what == "flip":
        return [keras.layers.RandomFlip("horizontal", seed=1)]
    return [keras.layers.RandomRotation(0.1, seed=2), keras.layers.RandomZoom(0.2, seed=3)]


def augmented(size, what, where):
    """A model and a feed: the same layers in tf.data on the CPU, or inside the model on the device, or nowhere."""
    import tensorflow as tf

    feed = batches(size, "float32")
    if where == "nowhere":
        return timing.Fitted(cnn(feed, size), feed)
    layers = _layers(what)
    if where == "in the model":
        return timing.Fitted(cnn(feed, size, first=layers), feed)

    def augment(images, labels):
        for layer in layers:
            images = layer(images, training=True)
        return images, labels

    feed = feed.map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return timing.Fitted(cnn(feed, size), feed)


def augment(size):
    """Augmentation on the CPU in tf.data, against the same layers inside the model: time, and the GPU's memory."""
    rows, places = [], ("nowhere", "in the model", "in tf.data")
    for what in ("flip", "rotate and zoom"):
        fitted = {place: augmented(size, what, place) for place in places}
        rows += compared(f"augment: {what}", fitted, size)
        if device.prepare().is_gpu:
            rows += [_memory(size, what, place) for place in places]
        in_model = fitted["in the model"].model
        if device.prepare().endswith("(jax)") and not in_model.jit_compile:
            print("  Keras does not compile a model with these layers: on JAX it runs operation by operation")
    return rows


def _memory(size, what, place):
    # Peaks cannot be reset in every backend: a process each.
    command = [sys.executable, __file__, "--memory-of", what, place, *size.as_options()]
    told = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    print(f"  {place}: at most {told / 1e6:,.0f} MB on the device")
    return row(f"augment: {what}", f"{place}, peak bytes on the device", told)


def batch(size):
    """Larger and larger batches, until the device's memory or `--largest` ends it."""
    rows, count, least = [], size.batch, None
    while count <= size.largest:
        try:
            images, labels = images_of(size, count)
            model = models.small_cnn((images, labels), classes=CLASSES, filters=size.filters, rescale=True)
            step_s = timing.step_seconds(model, (images, labels), batches=8)
        except Exception as error:
            if "RESOURCE_EXHAUSTED" not in str(error) and "OOM" not in str(error):
                raise
            print(f"batch: {count} images do not fit on the device")
            break
        least = least or count / step_s
        print(f"batch: {count:5d} images: {count / step_s:9,.0f} images/s, {count / step_s / least:.2f} of the first")
        rows.append(row("batch", str(count), count / step_s))
        count *= 2
    return rows


@contextmanager
def policy(name):
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def precision(size):
    """Mixed precision: steps on held batches."""
    feed, fitted = batches(size, "float32"), {}
    for name in ("float32", "mixed_bfloat16", *(["mixed_float16"] if device.prepare().is_gpu else [])):
        with policy(name):
            fitted[name] = timing.Fitted(cnn(feed, size), feed)
    return compared("precision", fitted, size)


def xla(size):
    """TFImageDataGenerator with its arithmetic compiled and not; where it computes, and what it takes of the GPU."""
    images, labels = images_of(size, size.batch * 4)
    before, fitted = device.memory_bytes(), {}
    for name, compiled in (("without XLA", False), ("by XLA", True)):
        generator = TFImageDataGenerator(rotation_range=10, zoom_range=0.2, rescale=1 / 255, jit_compile=compiled)
        feed = generator.flow(images, labels, batch_size=size.batch, seed=0)
        print(f"xla: {name} it computes on {device.computes_on(feed)}")
        assert device.computes_on(feed).startswith("CPU")
        fitted[name] = feed
    if device.prepare().is_gpu:
        print(f"  and takes {(device.memory_bytes() - before) / 1e6:.0f} MB of the GPU's memory")
    return compared("xla", fitted, size)


def crossover(size):
    """From which step on each feed keeps the device busy: predicted from the parts, and measured."""
    task = Task(
        transform="shear_zoom_flip", examples=size.batch * size.batches, batch_size=size.batch, image_size=(32, 32)
    )
    rows = []
    for label, spec in FEEDS.items():
        feed = pipelines.build(spec.get("builder", label), task, **{k: v for k, v in spec.items() if k != "builder"})
        parts = starvation.take_apart(feed)
        taken = timing.first_batch(feed)
        for step in size.steps:
            if size.simulated:
                model = simulated_device.model(taken, step_s=step)
            else:
                model = models.small_cnn(taken, classes=CLASSES, filters=int(step))
            measured = timing.take_training_apart(model, feed)
            predicted = parts.predict(measured.step_s)
            busy = "" if math.isnan(measured.device_busy_share) else f", driver: {measured.device_busy_share:.0%} busy"
            print(
                f"crossover: {label}: step {1e3 * measured.step_s:.2f} ms, batch {1e3 * parts.batch_s:.2f} ms: "
                f"waits {measured.waiting_share:.0%}, predicted {predicted.waiting_share:.0%}{busy}",
                flush=True,
            )
            rows.append(
                row("crossover", label, measured.waiting_share, predicted=predicted.waiting_share,
                    step_s=measured.step_s, batch_s=parts.batch_s, device_busy_share=measured.device_busy_share)
            )  # fmt: skip
    misses = [abs(one["value"] - one["predicted"]) for one in rows]
    print(f"  predicted within {np.median(misses):.3f} of the measured share in the median, {max(misses):.3f} at worst")
    return rows


SECTIONS = {one.__name__: one for one in (copy, uint8, augment, batch, precision, xla, crossover)}


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--image", type=int, help="height and width, pixels")
    parser.add_argument("--batch", type=int, help="images per batch")
    parser.add_argument("--batches", type=int, help="batches per epoch")
    parser.add_argument("--filters", type=int, help="of the CNN's first convolution")
    parser.add_argument("--largest", type=int, help="largest batch to try")
    parser.add_argument("--budget-s", type=float, default=8.0, help="of each comparison")
    parser.add_argument("--simulated", action="store_true", help="crossover: a simulated device, not growing models")
    parser.add_argument("--json", type=Path, help="add the rows to this file")
    parser.add_argument("--memory-of", nargs=2, help=argparse.SUPPRESS)
    size = parser.parse_args()
    gpu = device.prepare().is_gpu
    fitting = {"image": (64, 224), "batch": (32, 128), "batches": (16, 40), "filters": (8, 64), "largest": (128, 4096)}
    for name, (on_cpu, on_gpu) in fitting.items():
        if getattr(size, name) is None:
            setattr(size, name, on_gpu if gpu else on_cpu)
    size.simulated = size.simulated or not gpu
    size.steps = (0.001, 0.003, 0.01, 0.03) if size.simulated else (16, 128, 512, 2048)
    size.as_options = lambda: [word for name in fitting for word in (f"--{name}", str(getattr(size, name)))]
    return size


def main():
    size = options()
    if size.memory_of:
        augmented(size, *size.memory_of).time_epochs(1)
        print(device.memory_bytes())
        return
    print(f"{device.prepare()}; {size.image}x{size.image} pixels, batches of {size.batch}")
    if size.simulated:
        print("the crossover is measured with a simulated device: its step sleeps")
    rows = []
    for name in size.only:
        rows += SECTIONS[name](size)
    if size.json:
        # NaN is no JSON
        add(
            size.json,
            json.loads(json.dumps([{"device": str(device.prepare()), **one} for one in rows]).replace("NaN", "null")),
        )


if __name__ == "__main__":
    main()
