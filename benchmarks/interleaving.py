"""How widely repeated estimates of one ratio spread: interleaved rounds against one block after the other.

Both estimates of a repetition take the same number of epochs, one right after the other; the aim is half the
spread or less. `--neighbour` lets another process compute in bursts meanwhile.
"""

import argparse
import subprocess
import sys

import numpy as np
from slices import add, examples_for, feed, options, until

from helpers import models, timing

BURSTS = """
import random, time
while True:
    busy = time.perf_counter() + random.uniform(1, 6)
    while time.perf_counter() < busy:
        pass
    time.sleep(random.uniform(1, 6))
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(parser, repeats=8)
    parser.add_argument("--rounds", type=int, default=15, help="epochs of each pipeline in an estimate")
    parser.add_argument("--epoch-s", type=float, default=0.3)
    parser.add_argument(
        "--pair",
        choices=("more", "sequence"),
        default="more",
        help="tf.data against itself with 20%% more examples, or against a Sequence, whose ratio itself changes "
        "with the machine's state",
    )
    parser.add_argument("--neighbour", action="store_true")
    arguments = parser.parse_args()
    examples = examples_for(arguments.epoch_s)
    other = feed(round(1.2 * examples)) if arguments.pair == "more" else feed(examples, builder="py_dataset")
    feeds = [feed(examples), other]
    fitted = [models.smallest(timing.first_batch(each)) for each in feeds]
    rng = np.random.default_rng(arguments.seed)

    def seconds(which):
        return timing.time_epoch(fitted[which], feeds[which]).epoch_s

    def interleaved():
        taken = np.empty((arguments.rounds, 2))
        for row in taken:
            for which in rng.permutation(2):
                row[which] = seconds(which)
        return float(np.median(np.log(taken[:, 1] / taken[:, 0])))

    def blocks():
        taken = [[seconds(which) for _ in range(arguments.rounds)] for which in range(2)]
        return float(np.log(np.median(taken[1])) - np.log(np.median(taken[0])))

    def once(number):
        ways = [("interleaved", interleaved), ("blocks", blocks)][:: 1 if number % 2 else -1]
        return {name: round(way(), 4) for name, way in ways}

    for which in (0, 1, 0, 1):
        seconds(which)
    neighbour = subprocess.Popen([sys.executable, "-c", BURSTS]) if arguments.neighbour else None
    try:
        rows = add(arguments.json, until(arguments.limit_s, arguments.repeats, once))
    finally:
        if neighbour:
            neighbour.kill()
    spread = {name: float(np.std([row[name] for row in rows], ddof=1)) for name in ("interleaved", "blocks")}
    print(
        f"\nsd of the log ratio over {len(rows)} repetitions: interleaved {spread['interleaved']:.4f}, "
        f"blocks {spread['blocks']:.4f}: {spread['interleaved'] / spread['blocks']:.2f} times as wide"
    )


if __name__ == "__main__":
    main()
