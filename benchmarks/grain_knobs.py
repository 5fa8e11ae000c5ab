"""Which configuration of Grain is the fastest that does the task, how far is it from tf.data, where does its time go?

The search: every sensible combination of the knobs is timed through `fit`, the slower two thirds leave, and so on; the
last ones are proved to do the task and compared with tf.data's own variants in interleaved rounds, with intervals.

The shares: parts of an epoch of Grain with a map per element, each measured alone. "Python" is what Grain's own stages
cost per image with no work in them, "copies" what stacking the images of a batch costs, "adapter" what `fit` pays for a
ready batch of Grain's beyond one of tf.data's. The lock: how many cores the same data keeps busy on two threads.

`python benchmarks/grain_knobs.py [--transform noise] [--batch 32] [--examples 2500] [--budget-s 60] [--shares-only]`
"""

import argparse
import itertools
import time

import numpy as np

from helpers import comparison, parity, pipelines, ratios, timing
from helpers.pipelines import feeds
from helpers.tasks import Task, opencv, transforms
from helpers.timing import models

TF_DATA = {
    "tf_data": {},
    "tf_data, batch map": {"map": "batch"},
    "tf_data, one iterator": {"repeat": True},
    "tf_data, batch map, one iterator": {"map": "batch", "repeat": True},
}


def configurations(backend):
    """Label -> knobs of Grain: threads with buffers in this process, processes, its own tuning."""
    found = []
    maps, switch = ("element", "batch", "gather"), (False, True)
    for map, repeat in itertools.product(maps, switch):
        found.append({"map": map, "threads": 0, "repeat": repeat})
        for threads, buffer in itertools.product((1, 2, 16), (2, 16, 500)):
            found.append({"map": map, "threads": threads, "buffer": buffer, "repeat": repeat})
    for map, processes, threads in itertools.product(maps, (1, 2), (0, 1)):  # anew for each epoch they take seconds
        found.append({"map": map, "processes": processes, "threads": threads, "buffer": 2, "repeat": True})
    found += [{"map": map, "autotune": True, "repeat": True} for map in maps]
    return {
        ", ".join(f"{name} {value}" for name, value in knobs.items()): knobs | {"backend": backend} for knobs in found
    }


def epoch_s(feed, model, epochs):
    return float(np.median([epoch.epoch_s for epoch in timing.time_epochs(model, feed, epochs)]))


def search(task, left=3):
    """Label -> (knobs, feed) of the fastest configurations."""
    backend = "opencv" if task.transform in opencv.APPLY else "numpy"
    known = configurations(backend)
    fed = {label: pipelines.build("grain", task, **knobs) for label, knobs in known.items()}
    model = models.smallest(timing.first_batch(fed[next(iter(fed))]))
    epochs = 1
    while len(fed) > left:
        started = time.perf_counter()
        order = np.random.default_rng(epochs).permutation(list(fed))
        taken = {str(label): epoch_s(fed[str(label)], model, epochs) for label in order}
        kept = sorted(taken, key=taken.__getitem__)[: max(left, len(fed) // 3)]
        print(f"  {len(fed)} configurations, {epochs} epochs each, {time.perf_counter() - started:.0f} s; best:")
        for label in kept[:5]:
            print(f"    {1e3 * taken[label]:7.0f} ms  {label}", flush=True)
        fed = {label: fed[label] for label in kept}
        epochs += 2
    return {label: known[label] for label in fed}


def against_tf_data(task, best, budget_s):
    """Proves the last ones and compares them; prints ratios of epochs, starts and rates."""
    built = {f"grain, {label}": pipelines.build("grain", task, **knobs) for label, knobs in best.items()}
    built |= {label: pipelines.build("tf_data", task, **knobs) for label, knobs in TF_DATA.items()}
    built["grain as it comes"] = pipelines.build("grain", task)
    report = parity.check(task, built)
    assert report.same, str(report)
    print("same work, proved")
    measured = comparison.compare(
        built, reference="tf_data", budget_s=budget_s, until="decided", examples=task.describe().examples
    )
    print(measured)
    median = {label: float(np.median(measured.seconds(label))) for label in measured.labels}
    mine, theirs = (
        min((label for label in median if label.startswith(kind)), key=median.__getitem__)
        for kind in ("grain, ", "tf_data")
    )
    print(f"fastest of Grain over fastest of tf.data: {measured.ratio(mine, theirs)}\n  {mine}\n  {theirs}", flush=True)


def taken_s(call, rounds):
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def shares(task, rounds=7):
    """Prints µs per image of the parts of Grain's epoch, and the cores that threads keep busy."""
    import grain

    transform, data = transforms.get(task.transform), task.arrays()
    count, size = len(data.labels), task.batch_size
    source = list(zip(data.images, data.labels, strict=True))
    batches = -(-count // size)
    one = transform.apply_numpy(
        data.images[:1], transform.draw_numpy(np.random.default_rng(0), 1, data.images.shape[1:])
    )
    batch = (np.repeat(one, size, axis=0), data.labels[:size])
    model = models.smallest(batch)

    def drain(dataset, **options):
        options = {"num_threads": 0, "prefetch_buffer_size": 1} | options
        return lambda: [None for _ in dataset.to_iter_dataset(grain.ReadOptions(**options))]

    def by_loop(step):
        def work():
            generator = np.random.default_rng(0)
            for start in range(0, count, step):
                images = data.images[start : start + step]
                transform.apply_numpy(images, transform.draw_numpy(generator, len(images), images.shape[1:]))

        return work

    bare = grain.MapDataset.source(source).shuffle(seed=0)
    mapped = bare.random_map(lambda pair, generator: pair, seed=0)
    held = grain.MapDataset.source([batch] * batches)
    whole = pipelines.build("grain", task, threads=0)
    calls = {
        "whole": lambda: [None for _ in feeds.opened(whole).data],
        "python": drain(mapped),
        "work by image": by_loop(1),
        "work by batch": by_loop(size),
        "copies": lambda: [np.stack([one[0]] * size) for _ in range(batches)],
    }
    found = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            spent = taken_s(call, 1)
            if number:
                found[name].append(spent)
    us = {name: 1e6 * float(np.median(seconds)) / count for name, seconds in found.items()}
    through = {name: [] for name in ("grain", "tf.data", "fit")}
    for _ in range(rounds):
        through["grain"].append(epoch_s(held.to_iter_dataset(grain.ReadOptions(0, 1)), model, 1))
        through["tf.data"].append(epoch_s(timing.held(batch, batches), model, 1))
        through["fit"].append(epoch_s(whole, model, 1))
    adapter = ratios.paired_ratio(through["grain"], through["tf.data"])
    epoch_us = 1e6 * float(np.median(through["fit"])) / count
    us["adapter"] = 1e6 * float(np.median(np.subtract(through["grain"], through["tf.data"]))) / count
    print(f"\n{task.transform}, batch {size}, {count} images: Grain, a map per element, no threads: ", end="")
    print(f"{epoch_us:.0f} µs per image through `fit`, {us['whole']:.0f} without")
    for name in ("python", "work by image", "copies", "adapter"):
        print(f"  {name:14} {us[name]:7.1f} µs {us[name] / epoch_us:6.0%}")
    explained = sum(us[name] for name in ("python", "work by image", "copies", "adapter"))
    print(f"  {'together':14} {explained:7.1f} µs {explained / epoch_us:6.0%}")
    print(
        f"  the same work by batches: {us['work by batch']:.1f} µs; a ready batch through `fit`: {adapter} of tf.data's"
    )
    print("  the lock: one epoch without `fit`")
    for map, threads in itertools.product(("element", "batch", "gather"), (0, 1, 2)):
        feed = feeds.opened(pipelines.build("grain", task, map=map, threads=threads, buffer=16)).data
        used, spent = [], []
        for _ in range(rounds):
            start, cpu = time.perf_counter(), time.process_time()
            collected = sum(1 for _ in feed)
            spent.append(time.perf_counter() - start)
            used.append((time.process_time() - cpu) / spent[-1])
            assert collected == batches
        print(
            f"    map {map:8} threads {threads}: {1e6 * np.median(spent) / count:7.1f} µs per image, "
            f"{np.median(used):.2f} cores busy",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transform", default="noise", choices=transforms.NAMES)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--examples", type=int, default=2500)
    parser.add_argument("--budget-s", type=float, default=60.0, help="for the last comparison")
    parser.add_argument("--shares-only", action="store_true")
    arguments = parser.parse_args()
    task = Task(transform=arguments.transform, batch_size=arguments.batch, examples=arguments.examples)
    if not arguments.shares_only:
        print(f"{task.transform}, batch {task.batch_size}, {arguments.examples} images", flush=True)
        against_tf_data(task, search(task), arguments.budget_s)
    shares(task)


if __name__ == "__main__":  # Grain's processes import this file
    main()
