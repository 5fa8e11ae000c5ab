"""How often a true difference of 10% is found within a budget: 90% is the aim, in 60 s at an epoch of 0.3 s.

The difference is known because one pipeline delivers 10% more examples of the same work. `--json FILE` keeps the
comparisons, so that `python benchmarks/power.py --limit-s 230 --json FILE` may be called again and again.
"""

import argparse

import numpy as np
from slices import add, examples_for, feed, options, until

from helpers import comparison


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(parser, repeats=20)
    parser.add_argument("--epoch-s", type=float, default=0.3)
    parser.add_argument("--difference", type=float, default=0.10)
    parser.add_argument("--budget-s", type=float, default=60.0)
    parser.add_argument("--precision", type=float, default=0.03)
    parser.add_argument("--autotune", action="store_true", help="leave tf.data's autotune on")
    arguments = parser.parse_args()
    examples = examples_for(arguments.epoch_s, autotune=arguments.autotune)
    more = round(examples * (1 + arguments.difference))
    print(f"{examples} examples against {more}")
    pair = {
        "plain": feed(examples, autotune=arguments.autotune),
        "more": feed(more, autotune=arguments.autotune),
    }

    def once(number):
        found = comparison.compare(
            pair, budget_s=arguments.budget_s, precision=arguments.precision, seed=arguments.seed + number
        )
        ratio = found.ratio("more")
        median = float(np.median(found.seconds("plain")))
        return [found.verdict("more"), round(ratio.ratio, 4), round(ratio.precision, 4), ratio.rounds,
                round(found.wall_s, 1), round(median, 3)]  # fmt: skip

    rows = add(arguments.json, until(arguments.limit_s, arguments.repeats, once))
    found = sum(row[0] == "slower" for row in rows)
    ratios = [row[1] for row in rows]
    print(
        f"\nfound in {found} of {len(rows)} ({found / len(rows):.0%}); ratio {np.median(ratios):.3f} "
        f"({min(ratios):.3f} to {max(ratios):.3f}), median precision ±{np.median([row[2] for row in rows]):.1%} "
        f"after {np.median([row[3] for row in rows]):.0f} rounds and {np.median([row[4] for row in rows]):.0f} s, "
        f"epoch {np.median([row[5] for row in rows]):.2f} s"
    )


if __name__ == "__main__":
    main()
