"""How often the stated 95% interval of a ratio holds the true one, on simulated rounds.

`python benchmarks/coverage.py` prints the share for normal, log-normal, heavy-tailed, spiky, drifting and
autocorrelated noise at 5 to 50 rounds; it should lie between 93 and 97%. Rounds are made as a comparison makes
them: two runs one after the other, in random order. `--methods` puts other intervals beside it, `--sequential`
lets runs stop by themselves, `--modes` counts how often two heaps of times are reported.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from scipy import stats

from helpers import ratios
from helpers.comparison import run_quality

ROUNDS = (5, 6, 8, 12, 20, 30, 50)
TRUE = math.log(1.1)


def autoregression(rng, shape, correlation):
    """Gaussian noise of standard deviation 1 whose neighbours along the last axis correlate."""
    noise = rng.standard_normal(shape)
    for position in range(1, shape[-1]):
        fresh = math.sqrt(1 - correlation**2) * noise[..., position]
        noise[..., position] = correlation * noise[..., position - 1] + fresh
    return noise


def in_random_order(rng, slots):
    """Log ratios (…, rounds) from the machine's log noise by slot (…, 2 rounds), each round in random order."""
    pairs = slots.reshape(*slots.shape[:-1], -1, 2)
    difference = pairs[..., 0] - pairs[..., 1]
    return np.where(rng.random(difference.shape) < 0.5, difference, -difference)


def both(draw):
    """A scenario in which both pipelines have independent noise of one kind."""
    return lambda rng, size, rounds: draw(rng, (size, rounds)) - draw(rng, (size, rounds))


def spikes(rng, shape):
    return 0.05 * rng.standard_normal(shape) + math.log(2) * (rng.random(shape) < 0.15)


def by_slot(make):
    """A scenario in which the noise is the machine's, slot by slot, whoever runs."""

    def draw(rng, size, rounds):
        own = 0.03 * rng.standard_normal((size, rounds))
        return in_random_order(rng, make(rng, (size, 2 * rounds))) + own

    return draw


# Each gives log ratios less their true median, (size, rounds).
SCENARIOS = {
    "normal": both(lambda rng, shape: np.log(np.maximum(0.2, 1 + 0.1 * rng.standard_normal(shape)))),
    "log-normal": both(lambda rng, shape: 0.2 * rng.standard_normal(shape)),
    "log-normal, one side 10 times noisier": lambda rng, size, rounds: (
        0.3 * rng.standard_normal((size, rounds)) - 0.03 * rng.standard_normal((size, rounds))
    ),
    "heavy tails (t, 3 degrees)": both(lambda rng, shape: 0.1 * rng.standard_t(3, shape)),
    "heavy tails (t, 2 degrees)": both(lambda rng, shape: 0.1 * rng.standard_t(2, shape)),
    "heavy right tail (Pareto)": both(lambda rng, shape: np.log1p(0.1 * rng.pareto(2, shape))),
    "heavy right tail, one side": lambda rng, size, rounds: (
        np.log1p(0.1 * rng.pareto(2, (size, rounds))) - 0.03 * rng.standard_normal((size, rounds))
    ),
    "15% of epochs twice as long": both(spikes),
    "15% twice as long, one side": lambda rng, size, rounds: (
        spikes(rng, (size, rounds)) - 0.05 * rng.standard_normal((size, rounds))
    ),
    "drift, the machine halves its speed": by_slot(
        lambda rng, shape: np.linspace(0, math.log(2), shape[-1]) + 0.05 * rng.standard_normal(shape)
    ),
    "autocorrelated 0.5, the machine": by_slot(lambda rng, shape: 0.2 * autoregression(rng, shape, 0.5)),
    "autocorrelated 0.9, the machine": by_slot(lambda rng, shape: 0.2 * autoregression(rng, shape, 0.9)),
    "autocorrelated 0.99, the machine": by_slot(lambda rng, shape: 0.2 * autoregression(rng, shape, 0.99)),
}
# What pairing cannot cancel: the target is out of reach at few rounds, and is reported apart.
OUT_OF_REACH = {
    "autocorrelated 0.3, one pipeline": lambda rng, size, rounds: 0.1 * autoregression(rng, (size, rounds), 0.3),
    "autocorrelated 0.6, one pipeline": lambda rng, size, rounds: 0.1 * autoregression(rng, (size, rounds), 0.6),
    "drift of 10%, one pipeline": lambda rng, size, rounds: (
        np.linspace(-0.05, 0.05, rounds) + 0.05 * rng.standard_normal((size, rounds))
    ),
}


def order_statistics(differences, confidence):
    return ratios.log_ratio_interval(differences, confidence)[1:3]


def student(differences, confidence):
    rounds = differences.shape[-1]
    half = stats.t.ppf((1 + confidence) / 2, rounds - 1) * differences.std(-1, ddof=1) / math.sqrt(rounds)
    return differences.mean(-1) - half, differences.mean(-1) + half


def yuen(differences, confidence):
    """Student's t on the means trimmed by 20% at either end."""
    rounds = differences.shape[-1]
    cut = int(0.2 * rounds)
    kept = rounds - 2 * cut
    ordered = np.sort(differences, -1)
    middle = ordered[:, cut : rounds - cut].mean(-1)
    winsorised = np.clip(ordered, ordered[:, [cut]], ordered[:, [rounds - 1 - cut]])
    error = winsorised.std(-1, ddof=1) * math.sqrt((rounds - 1) / (kept * (kept - 1)))
    half = stats.t.ppf((1 + confidence) / 2, kept - 1) * error
    return middle - half, middle + half


def hodges_lehmann(differences, confidence):
    """Wilcoxon's signed ranks inverted: order statistics of the means of all pairs."""
    rounds = differences.shape[-1]
    one, other = np.triu_indices(rounds)
    means = np.sort((differences[:, one] + differences[:, other]) / 2, -1)
    chances = np.ones(1)
    for rank in range(1, rounds + 1):
        chances = np.convolve(chances, np.r_[0.5, np.zeros(rank - 1), 0.5])
    skipped = max(0, int(np.searchsorted(np.cumsum(chances), (1 - confidence) / 2)) - 1)
    return means[:, skipped], means[:, -1 - skipped]


def bootstrap(differences, confidence, resamples=200):
    """Percentile bootstrap of the mean."""
    rng = np.random.default_rng(0)
    rounds = differences.shape[-1]
    weights = rng.multinomial(rounds, np.full(rounds, 1 / rounds), resamples) / rounds
    means = differences @ weights.T
    return tuple(np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=-1))


METHODS = {
    "order statistics (the kit's)": order_statistics,
    "Student's t": student,
    "Yuen's trimmed t": yuen,
    "Hodges-Lehmann": hodges_lehmann,
    "bootstrap": bootstrap,
}


def true_median(scenario):
    return float(np.median(scenario(np.random.default_rng(99), 40_000, 50)))


def covered(low, high, truth):
    return float(np.mean((low <= truth) & (truth <= high)))


def show_coverage(methods, size, seed):
    print(f"share of 95% intervals that hold the true ratio, % ({size} runs each)\n")
    found = {}
    for group, scenarios in (("", SCENARIOS), ("what pairing cannot cancel", OUT_OF_REACH)):
        if group:
            print(f"\n{group}, and few rounds cannot reveal:")
        for name, scenario in scenarios.items():
            truth = true_median(scenario) if "one side" in name else 0.0
            for method in methods:
                shares, widths = [], []
                for rounds in ROUNDS:
                    # The same rounds for every method.
                    rng = np.random.default_rng([seed, rounds])
                    low, high = METHODS[method](scenario(rng, size, rounds) + TRUE, 0.95)
                    shares.append(covered(low - TRUE, high - TRUE, truth))
                    widths.append(float(np.median(high - low)))
                found.setdefault(method, {})[name] = shares
                label = name if len(methods) == 1 else f"{name} | {method}"
                line = " ".join(f"{100 * share:5.1f}" for share in shares)
                print(f"{label:66s}{line}   width at 20: {widths[ROUNDS.index(20)]:.3f}")
    print("\n" + " " * 60 + "rounds " + " ".join(f"{rounds:4d} " for rounds in ROUNDS))
    kit = found[methods[0]]
    reached = [share for name in SCENARIOS for share in kit[name]]
    print(f"\n{methods[0]}: {100 * min(reached):.1f} to {100 * max(reached):.1f}% over {len(reached)} points")
    return found


def show_sequential(size, seed):
    """Runs that stop as soon as they are precise to 3%, at the rounds the kit looks at, 140 at most."""
    looks = ratios.look_rounds(140)
    draws = {
        "normal": lambda rng, spread: spread * rng.standard_normal((size, looks[-1])),
        "heavy tails": lambda rng, spread: 0.6 * spread * rng.standard_t(2, (size, looks[-1])),
        "spikes": lambda rng, spread: (
            spread * rng.standard_normal((size, looks[-1]))
            + math.log(2) * ((rng.random((size, looks[-1])) < 0.15) * rng.choice([-1, 1], (size, looks[-1])))
        ),
    }
    print(f"share of intervals at the stop that hold the true ratio, % (looks at {looks})")
    worst = {}
    levels = {"uncorrected": 0.95, "corrected": ratios.sequential_confidence(0.95, looks=len(looks))}
    for label, level in levels.items():
        for name, draw in draws.items():
            shares = []
            for spread in (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3):
                differences = draw(np.random.default_rng([seed, int(1000 * spread)]), spread)
                running, holds = np.ones(size, bool), np.zeros(size, bool)
                for rounds in looks:
                    low, high = order_statistics(differences[:, :rounds], level)
                    stops = running & (((high - low) / 2 <= math.log1p(0.03)) | (rounds == looks[-1]))
                    holds[stops] = ((low <= 0) & (high >= 0))[stops]
                    running &= ~stops
                shares.append(holds.mean())
            worst[label] = min([worst.get(label, 1.0), *shares])
            print(f"{label:12s}{level:6.3f} {name:12s}" + " ".join(f"{100 * share:5.1f}" for share in shares))
    print("\nworst: " + ", ".join(f"{label} {100 * share:.1f}%" for label, share in worst.items()))
    return {label: float(share) for label, share in worst.items()}


def show_modes(size, seed):
    rng = np.random.default_rng(seed)
    draws = {
        "one heap: normal": lambda shape: 0.1 * rng.standard_normal(shape),
        "one heap: uniform": lambda shape: 0.3 * rng.random(shape),
        "one heap: heavy tails": lambda shape: 0.1 * rng.standard_t(3, shape),
        "one heap: exponential tail": lambda shape: rng.exponential(0.2, shape),
        "two heaps: 15% at 2x, spread 8%": lambda shape: (
            0.08 * rng.standard_normal(shape) + math.log(2) * (rng.random(shape) < 0.15)
        ),
        "two heaps: 30% at 2x, spread 12%": lambda shape: (
            0.12 * rng.standard_normal(shape) + math.log(2) * (rng.random(shape) < 0.3)
        ),
    }
    print("share of runs in which two heaps are reported, %; rounds 10, 20, 30, 50, 100")
    found = {}
    for name, draw in draws.items():
        found[name] = [
            float(np.mean([bool(run_quality.two_modes(row)) for row in np.exp(draw((size, rounds)))]))
            for rounds in (10, 20, 30, 50, 100)
        ]
        print(f"{name:36s}" + " ".join(f"{100 * share:5.1f}" for share in found[name]))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=8000, help="simulated runs a point")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", action="store_true", help="put other intervals beside the kit's")
    parser.add_argument("--sequential", action="store_true", help="runs that stop when they are precise")
    parser.add_argument("--modes", action="store_true", help="how often two heaps are reported")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    if arguments.sequential:
        found = show_sequential(arguments.repeats, arguments.seed)
    elif arguments.modes:
        found = show_modes(min(arguments.repeats, 1000), arguments.seed)
    else:
        methods = list(METHODS) if arguments.methods else list(METHODS)[:1]
        size = min(arguments.repeats, 2000) if arguments.methods else arguments.repeats
        found = show_coverage(methods, size, arguments.seed)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
