"""How widely repeated estimates of one ratio spread: interleaved rounds against one block after the other.

Both estimates of a repetition take the same number of epochs, one right after the other; the aim is half the
spread or less. By default blocks and rounds run in one process, which is the blocks' best case; with
`--separate` every estimate begins afresh, as when one script a pipeline is run: the interleaved one in one new
process, the blocks in two. `--neighbour` lets another process compute in bursts meanwhile.
"""

import argparse
import subprocess
import sys

import numpy as np
from slices import add, examples_for, feed, options, until

from helpers import timing
from helpers.timing import models

BURSTS = """
import random, time
while True:
    busy = time.perf_counter() + random.uniform(1, 6)
    while time.perf_counter() < busy:
        pass
    time.sleep(random.uniform(1, 6))
"""


def timer(examples, pair):
    """Returns a function: 0 or 1 -> seconds of an epoch of that pipeline; both are warm."""
    other = feed(round(1.2 * examples)) if pair == "more" else feed(examples, builder="py_dataset")
    feeds = [feed(examples), other]
    fitted = [models.smallest(timing.first_batch(each)) for each in feeds]
    seconds = lambda which: timing.time_epoch(fitted[which], feeds[which]).epoch_s  # noqa: E731
    for which in (0, 1, 0, 1):
        seconds(which)
    return seconds


def interleaved(seconds, rounds, rng):
    taken = np.empty((rounds, 2))
    for row in taken:
        for which in rng.permutation(2):
            row[which] = seconds(which)
    return float(np.median(np.log(taken[:, 1] / taken[:, 0])))


def block(seconds, which, rounds):
    return float(np.log(np.median([seconds(which) for _ in range(rounds)])))


def afresh(part, arguments, examples, seed):
    """One part of an estimate in a new process: "interleaved", "0" or "1"."""
    command = [sys.executable, __file__, "--part", part, "--examples", str(examples), "--pair", arguments.pair,
               "--rounds", str(arguments.rounds), "--seed", str(seed)]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.split()[-1])


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
    parser.add_argument("--separate", action="store_true", help="every estimate in new processes")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--examples", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--neighbour", action="store_true")
    arguments = parser.parse_args()
    if arguments.part:
        seconds = timer(arguments.examples, arguments.pair)
        if arguments.part == "interleaved":
            print(interleaved(seconds, arguments.rounds, np.random.default_rng(arguments.seed)))
        else:
            print(block(seconds, int(arguments.part), arguments.rounds))
        return
    examples = examples_for(arguments.epoch_s)
    rng = np.random.default_rng(arguments.seed)
    if arguments.separate:
        ways = {
            "interleaved": lambda number: afresh("interleaved", arguments, examples, number),
            "blocks": lambda number: (
                -afresh("0", arguments, examples, number) + afresh("1", arguments, examples, number)
            ),
        }
    else:
        seconds = timer(examples, arguments.pair)
        ways = {
            "interleaved": lambda number: interleaved(seconds, arguments.rounds, rng),
            "blocks": lambda number: -block(seconds, 0, arguments.rounds) + block(seconds, 1, arguments.rounds),
        }

    def once(number):
        names = list(ways)[:: 1 if number % 2 else -1]
        return {name: round(ways[name](number), 4) for name in names}

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
