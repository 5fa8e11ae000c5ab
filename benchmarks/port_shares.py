"""Where does `TFImageDataGenerator` spend its time? Which operation takes what share, and what speed that allows.

Seconds are of processor time, all threads together, so that a neighbour that computes too changes them little. What the
port's own stages cost is measured one by one, on batches as the flow makes them; "tf.data and Python" is what reading
an epoch costs beyond them. The limit is what the port would reach if all its work were spread evenly over the cores.

`python benchmarks/port_shares.py [--rounds 5] [--only geometry]`
"""

import argparse
import tempfile
import time
import warnings

import numpy as np
import port_speed
import tensorflow as tf

from helpers.machine import allocator
from helpers.tf_image_data_generator import files
from helpers.tf_image_data_generator.batches import span_of, usable_cores


def microseconds(calls, rounds):
    """Name -> µs of processor time, the median of interleaved rounds, of callables that return how many images."""
    found = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            images = call()
            if number:
                found[name].append((time.process_time() - start) / images * 1e6)
    return {name: float(np.median(times)) for name, times in found.items()}


def read(feed):
    """Reads an epoch; how many images."""
    return sum(len(batch[0]) for batch in feed)


def original_batches(theirs, batches):
    return sum(len(next(theirs)[0]) for _ in range(batches))


def stages(ours, repeats=8):
    """The port's own stages, each on a batch as large as the flow makes them at once."""
    maker, plan = ours.batches.maker, ours.batches.again().plan
    image_bytes = 4 * int(np.prod(maker.source.shape))
    count = min(ours.n, span_of(ours.batch_size, image_bytes) if ours.batches.in_memory else ours.batch_size)
    indices = np.random.default_rng(0).permutation(ours.n)[:count]
    drawn_from = np.full((count, 1), 7)
    draws, rows = plan.draws(indices, drawn_from), tf.constant(indices)
    image = tf.zeros([count, *maker.source.shape], tf.uint8)
    ahead = (image if maker.in_graph else maker.source.read(rows),)

    def repeated(call):
        def run():
            for _ in range(repeats):
                call()
            return repeats * count

        return run

    found = {"draws": repeated(lambda: plan.draws(indices, drawn_from))}
    if not maker.in_graph:
        found["rows taken from the array"] = repeated(lambda: maker.source.read(rows))
    found["pixel arithmetic"] = repeated(lambda: maker.images(rows, draws, ahead))
    return found


def decoding(ours):
    """Decoding alone, and with the resize to Pillow's pixels, in a pipeline as bare as can be."""
    options = tf.data.Options()
    options.autotune.enabled = False
    names = tf.data.Dataset.from_tensor_slices(list(ours.filepaths))

    def bare(function):
        feed = names.map(function, num_parallel_calls=usable_cores()).batch(ours.batch_size).prefetch(2)
        return feed.with_options(options)

    alone, resized = (
        bare(lambda path: files.decode(path)[0, 0]),
        bare(lambda path: files.decode_to(path, ours.target_size)),
    )
    return {"JPEG decoder": lambda: sum(map(len, alone)), "decoder and resize": lambda: sum(map(len, resized))}


def report(case, rounds):
    """Prints the shares of a case, and the limit that they set."""
    theirs, ours = case.flows()
    allocator.keep_freed_memory(of_a_generator=False)
    calls = {
        "ImageDataGenerator": lambda: original_batches(theirs, min(len(theirs), 8)),
        "port": lambda: read(ours),
    } | stages(ours)
    if case.folder:
        calls |= decoding(ours)
    found = microseconds(calls, rounds)
    original, port = found.pop("ImageDataGenerator"), found.pop("port")
    if case.folder:
        found["resize to Pillow's pixels"] = found.pop("decoder and resize") - found["JPEG decoder"]
    found["tf.data and Python"] = port - sum(found.values())
    cores = usable_cores()
    print(f"{case.name}: ImageDataGenerator {original:,.0f} µs per image, the port {port:,.0f} (processor time)")
    for name, spent in sorted(found.items(), key=lambda item: -item[1]):
        print(f"  {name:28} {spent:8.1f} µs {spent / port:6.0%}")
    heaviest = max(found, key=lambda name: found[name])
    print(
        f"  limit on {cores} cores, without `fit`: {original / (port / cores):.1f} times ImageDataGenerator; "
        f"{original / (found[heaviest] / cores):.1f} if nothing but '{heaviest}' cost anything",
        flush=True,
    )


def cases(folder):
    geometry, fast = port_speed.GEOMETRY, {"coordinates": "float32"}
    large = (224, 224, 3)
    return [
        port_speed.Case("flip, 32x32x3, batch 32", port_speed.FLIP, 4000, 32),
        port_speed.Case("geometry, 32x32x3, batch 32", geometry, 1000, 32),
        port_speed.Case("geometry, 32x32x3, batch 128", geometry, 8000, 128),
        port_speed.Case("geometry, 32x32x3, batch 128, float32 coordinates", geometry, 8000, 128, more=fast),
        port_speed.Case("geometry, 224x224x3, batch 32", geometry, 300, 32, large),
        port_speed.Case("photographs at 224, rescale", {"rescale": 1 / 255}, 0, 32, large, folder=folder),
        port_speed.Case("photographs at 224, geometry", geometry, 0, 32, large, folder=folder),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--folder", help="with one folder per class of JPEG files; default: generated photographs")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.folder or made
        if not arguments.folder:
            port_speed.photographs(made)
        for case in cases(folder):
            if arguments.only in case.name:
                report(case, arguments.rounds)


if __name__ == "__main__":
    main()
