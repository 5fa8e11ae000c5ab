"""How often a difference is claimed between a pipeline and itself: at most 5% is the aim.

`python benchmarks/a_a.py` makes 200 comparisons on simulated rounds of each kind of noise, stopped as a real run
is, and `--real 30` as many real ones. `--json FILE` keeps real ones, so that they may be made in slices.
"""

import argparse
import math

import numpy as np
from coverage import SCENARIOS
from slices import add, feed, options, until

from helpers import comparison, ratios

BUDGET_ROUNDS = 60


def simulated(scenario, rng):
    """One comparison that stops at the look after it was precise to 3%, or after 60 rounds; returns its verdict."""
    logs = scenario(rng, 1, BUDGET_ROUNDS)[0]
    looks = ratios.look_rounds(BUDGET_ROUNDS)
    level = ratios.sequential_confidence(0.95, looks=len(looks))
    was_precise = False
    for rounds in looks:
        ratio, verdict = ratios.compared(np.exp(logs[:rounds]), np.ones(rounds), confidence=level)
        if was_precise:
            break
        was_precise = ratio.precision <= 0.03
    return verdict


def show(label, verdicts):
    wrong = sum(verdict in ("faster", "slower") for verdict in verdicts)
    counts = ", ".join(f"{name} {verdicts.count(name)}" for name in sorted(set(verdicts)))
    share = f"{wrong} claim a difference ({wrong / len(verdicts):.1%})"
    print(f"{label:44s}{len(verdicts):5d} comparisons, {share}: {counts}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options(parser, repeats=200)
    parser.add_argument("--real", type=int, default=0, help="real comparisons instead of simulated ones")
    parser.add_argument("--budget-s", type=float, default=6.0, help="of each real comparison")
    parser.add_argument("--examples", type=int, default=3200)
    arguments = parser.parse_args()
    if not arguments.real:
        wrong = 0
        scenarios = {name: draw for name, draw in SCENARIOS.items() if "one side" not in name}
        for place, (name, scenario) in enumerate(scenarios.items()):
            rng = np.random.default_rng([arguments.seed, place])
            wrong += show(name, [simulated(scenario, rng) for _ in range(arguments.repeats)])
        total = arguments.repeats * len(scenarios)
        print(f"\nsimulated: a difference claimed in {wrong / total:.1%} of {total}")
        return
    pair = {"one": feed(arguments.examples), "itself": feed(arguments.examples)}

    def once(number):
        found = comparison.compare(pair, budget_s=arguments.budget_s, seed=arguments.seed + number)
        ratio = found.ratio("itself")
        return [found.verdict("itself"), round(ratio.ratio, 4), round(ratio.precision, 4), ratio.rounds]

    rows = add(arguments.json, until(arguments.limit_s, arguments.real, once))
    show("real", [verdict for verdict, *_ in rows])
    spread = np.std([math.log(ratio) for _, ratio, *_ in rows])
    print(f"spread of the ratio: {spread:.4f}; median precision ±{np.median([row[2] for row in rows]):.1%}")


if __name__ == "__main__":
    main()
