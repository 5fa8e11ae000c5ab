"""What measuring costs: an epoch through `fit` with the kit's clock against the bare `fit`; at most 1% is the aim.

Both are timed around the whole call, interleaved in random order, so the difference is what the clock's callback
does in every batch.
"""

import argparse
import time

import numpy as np
from slices import add, examples_for, feed, options

from helpers import ratios, timing
from helpers.timing import models
from helpers.timing.keras_parts import EpochClock


def hook_s(calls=20_000):
    """Seconds that the clock's own work takes in one batch; the least of five tries."""
    clock = EpochClock(time.perf_counter_ns)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        for batch in range(calls):
            clock.on_train_batch_begin(batch)
            clock.on_train_batch_end(batch, None)
        taken.append((time.perf_counter() - start) / calls)
    return min(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(parser, repeats=100)
    parser.add_argument("--epoch-s", type=float, default=0.3)
    arguments = parser.parse_args()
    dataset = feed(examples_for(arguments.epoch_s))
    model = models.smallest(timing.first_batch(dataset))
    rng = np.random.default_rng(arguments.seed)

    def bare():
        with timing.garbage_collection_paused():
            start = time.perf_counter()
            model.fit(dataset, verbose=0, shuffle=False)
            return time.perf_counter() - start

    def measured():
        clock = EpochClock(time.perf_counter_ns)
        with timing.garbage_collection_paused():
            start = time.perf_counter()
            model.fit(dataset, verbose=0, shuffle=False, callbacks=[clock])
            return time.perf_counter() - start

    ways = {"bare": bare, "measured": measured}
    for way in (bare, measured, bare, measured):
        way()
    rows = []
    start = time.perf_counter()
    for _ in range(arguments.repeats):
        if time.perf_counter() - start > arguments.limit_s:
            break
        row = {}
        for name in rng.permutation(list(ways)):
            row[str(name)] = ways[name]()
        rows.append(row)
    rows = add(arguments.json, rows)
    taken = {name: np.array([row[name] for row in rows]) for name in ways}
    ratio = ratios.paired_ratio(taken["measured"], taken["bare"])
    print(
        f"bare fit {np.median(taken['bare']):.3f} s; with the kit's clock {ratio.ratio - 1:+.2%} "
        f"({ratio.low - 1:+.2%} to {ratio.high - 1:+.2%}, {ratio.rounds} rounds)"
    )
    batches = timing.time_epoch(model, dataset).batches
    direct = hook_s() * batches / np.median(taken["bare"])
    print(f"directly: {1e6 * hook_s():.2f} us a batch, {direct:.3%} of that epoch's {batches} batches")


if __name__ == "__main__":
    main()
