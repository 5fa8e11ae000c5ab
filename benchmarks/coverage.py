"""How often the stated 95% interval of a ratio holds the true one, on simulated rounds.

`python benchmarks/coverage.py` prints the share for normal, log-normal, heavy-tailed, spiky, drifting and
autocorrelated noise at 5 to 50 rounds; it should be 94.5% or more. Rounds are made as a comparison makes
them: two runs one after the other, in random order. `--methods` puts other intervals beside it. `--stopping` runs
comparisons of 1 to 4 feeds with one reference, which leave one by one, at the levels that they really use, and counts
those in which all intervals hold; with `--methods` for the other intervals too. `--combined` asks the same of the mean
change of several cells, as `study report A B` tells it. `--waits` asks it where epochs wait for AUTOTUNE's thread by
chance, and the kit leaves these waits out. `--modes` counts how often two heaps of times are reported.
"""

import argparse
import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from helpers import comparison, ratios
from helpers.comparison import rounds as rounds_of, run_quality, start_and_rate
from helpers.results import certainty

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


def of_the_kit(differences, confidence):
    return ratios.log_ratio_interval(differences, confidence)[1:3]


@cache
def order_statistic_ranks(rounds, confidence):
    """The rank from either end, the weight of the next inner one, and how far the range is stretched."""
    ranks = np.arange(1, rounds // 2 + 1)
    levels = 1 - 2 * stats.binom.cdf(ranks - 1, rounds, 0.5)
    if levels[0] < confidence:  # not even the range reaches the level: stretched as is exact for uniform values
        return 1, 0.0, max(1.0, (1 - confidence) ** (-1 / (rounds - 1)) - 1)
    rank = int(ranks[levels >= confidence].max())
    if rank == len(ranks):
        return rank, 0.0, 1.0
    share = (levels[rank - 1] - confidence) / (levels[rank - 1] - levels[rank])
    return rank, (rounds - rank) * share / (rank + (rounds - 2 * rank) * share), 1.0


def order_statistics(differences, confidence):
    """The sign test inverted; what the kit used at any number of rounds before."""
    ordered = np.sort(differences, -1)
    rank, weight, stretch = order_statistic_ranks(differences.shape[-1], confidence)
    low = (1 - weight) * ordered[..., rank - 1] + weight * ordered[..., rank]
    high = (1 - weight) * ordered[..., -rank] + weight * ordered[..., -rank - 1]
    middle, half = (low + high) / 2, (high - low) / 2 * stretch
    return middle - half, middle + half


def yuen(differences, confidence, trimmed=0.2):
    """Student's t on the means trimmed by 20% at either end."""
    rounds = differences.shape[-1]
    cut = int(trimmed * rounds)
    kept = rounds - 2 * cut
    ordered = np.sort(differences, -1)
    middle = ordered[..., cut : rounds - cut].mean(-1)
    winsorised = np.clip(ordered, ordered[..., [cut]], ordered[..., [rounds - 1 - cut]])
    error = winsorised.std(-1, ddof=1) * math.sqrt((rounds - 1) / (kept * (kept - 1)))
    half = stats.t.ppf((1 + confidence) / 2, kept - 1) * error
    return middle - half, middle + half


def student(differences, confidence):
    return yuen(differences, confidence, trimmed=0)


def cosine_weighted(differences, confidence, averages=4):
    """Student's t on four cosine-weighted averages of the winsorised values, about the trimmed mean."""
    rounds = differences.shape[-1]
    cut = rounds // 5
    ordered = np.sort(differences, -1)
    middle = ordered[..., cut : rounds - cut].mean(-1)
    winsorised = np.clip(differences, ordered[..., [cut]], ordered[..., [rounds - 1 - cut]])
    phases = np.pi * np.arange(1, averages + 1)[:, None] * (np.arange(rounds) + 0.5) / rounds
    figures = winsorised @ (math.sqrt(2) * np.cos(phases).T / (rounds - 2 * cut))
    half = stats.t.ppf((1 + confidence) / 2, averages) * np.sqrt((figures**2).mean(-1))
    return middle - half, middle + half


def mixture(differences, confidence):
    """The narrower of Student's t and Yuen's, each at half the error."""
    level = (1 + confidence) / 2
    sides = student(differences, level), yuen(differences, level)
    first = sides[0][1] - sides[0][0] < sides[1][1] - sides[1][0]
    return tuple(np.where(first, *ends) for ends in zip(*sides, strict=True))


def hodges_lehmann(differences, confidence):
    """Wilcoxon's signed ranks inverted: order statistics of the means of all pairs."""
    rounds = differences.shape[-1]
    one, other = np.triu_indices(rounds)
    means = np.sort((differences[..., one] + differences[..., other]) / 2, -1)
    chances = np.ones(1)
    for rank in range(1, rounds + 1):
        chances = np.convolve(chances, np.r_[0.5, np.zeros(rank - 1), 0.5])
    skipped = max(0, int(np.searchsorted(np.cumsum(chances), (1 - confidence) / 2)) - 1)
    return means[..., skipped], means[..., -1 - skipped]


def bootstrap(differences, confidence, resamples=200):
    """Percentile bootstrap of the mean."""
    rng = np.random.default_rng(0)
    rounds = differences.shape[-1]
    weights = rng.multinomial(rounds, np.full(rounds, 1 / rounds), resamples) / rounds
    means = differences @ weights.T
    return tuple(np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=-1))


METHODS = {
    "the kit's": of_the_kit,
    "order statistics": order_statistics,
    "Student's t": student,
    "Yuen's trimmed t": yuen,
    "narrower of both": mixture,
    "cosine-weighted t": cosine_weighted,
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


STOP_ROUNDS, PRECISION = 60, 0.04
SPREADS = (0.015, 0.04, 0.1)  # of an epoch's time, as a share
# What slow epochs one side has: (share of them, how many times as long), and whether it is the reference's side.
SLOW = {
    "normal": (0, 1, False),
    "10% of epochs 1.3 times as long": (0.1, 1.3, False),
    "15% twice as long": (0.15, 2, False),
    "20% 1.5 times as long": (0.2, 1.5, False),
    "15% twice as long, the reference": (0.15, 2, True),
}


def feeds_against_one(rng, size, feeds, rounds, *, kind, spread, correlation):
    """Log ratios (size, feeds, rounds) to a common reference, less their true median; each side with its own moods."""
    share, factor, of_reference = SLOW[kind]
    sides = [spread * autoregression(rng, (size, count, rounds), correlation) for count in (feeds, 1)]
    sides[of_reference] += math.log(factor) * (rng.random(sides[of_reference].shape) < share)
    return sides[0] - sides[1]


@cache
def median_of(kind, spread):
    large = feeds_against_one(np.random.default_rng(99), 200_000, 1, 5, kind=kind, spread=spread, correlation=0)
    return float(np.median(large)) if SLOW[kind][0] else 0.0


def left_one_by_one(method, differences, level, until="precise"):
    """Runs comparisons in which feeds leave as `comparison.compare` lets them; returns (low, high, rounds) of each."""
    shape = differences.shape[:-1]
    low, high = np.empty(shape), np.empty(shape)
    rounds, narrow, stays = np.zeros(shape, int), np.zeros(shape, bool), np.ones(shape, bool)
    most = differences.shape[-1]
    for look in ratios.look_rounds(most):
        low[stays], high[stays] = METHODS[method](differences[stays][:, :look], level)
        rounds[stays] = look
        leaves = narrow & stays
        half = (high - low) / 2
        narrow |= half <= math.log1p(PRECISION)
        if until == "decided":
            centre = np.abs(np.median(differences[..., :look], -1))
            narrow |= (rounds_of.CLEAR * half <= centre) & (half <= math.log1p(rounds_of.WIDEST))
        stays &= ~leaves
    return low, high, rounds


def show_stopping(methods, size, seed, until):
    """Prints the share of comparisons in which all intervals hold, and the widths at 5, 8 and 12 rounds."""
    found = {}
    most = {"at 5 rounds": 5, "at 8 rounds": 8, "at 12 rounds": 12, f"at {STOP_ROUNDS} rounds at most": STOP_ROUNDS}
    print(f"share of comparisons whose intervals all hold, % ({size} each), and the median half-width, log units;")
    print("at autocorrelation 0.3 of those whose feeds all had 12 rounds, where the column has so many")
    print(f"feeds leave at \u00b1{PRECISION:.0%}; worst and median over 1, 2 and 4 feeds and spreads {SPREADS}\n")
    for method in methods:
        for kind in SLOW:
            for correlation in (0, 0.1, 0.3):
                cells = []
                for rounds in most.values():
                    shares, widths = [], []
                    for feeds in (1, 2, 4):
                        level = ratios.sequential_confidence(0.95, looks=2, comparisons=feeds)
                        for spread in SPREADS:
                            draw = {"kind": kind, "spread": spread, "correlation": correlation}
                            truth = median_of(kind, spread)
                            rng = np.random.default_rng([seed, feeds, int(1000 * spread)])
                            simulated = feeds_against_one(rng, size, feeds, rounds, **draw)
                            for away in (0, math.log(1.1), math.log(2)) if until == "decided" else (0,):
                                low, high, stayed = left_one_by_one(method, simulated - truth + away, level, until)
                                # What left early is told apart: so few rounds cannot show that they resemble.
                                counts = (stayed >= min(rounds, 12 if correlation > 0.1 else 0)).all(-1)
                                if counts.sum() >= 100:
                                    shares.append(((low <= away) & (away <= high)).all(-1)[counts].mean())
                                widths.append(float(np.median(high - low)) / 2)
                    cells.append((float(min(shares)), float(np.median(widths))))
                found.setdefault(method, {})[f"{kind}, autocorrelation {correlation}"] = cells
                line = "  ".join(f"{100 * share:5.1f} ({width:.3f})" for share, width in cells)
                print(f"{method:20s}{kind:34s}{correlation:4.1f}  {line}", flush=True)
    print(" " * 60 + "   ".join(most))
    return found


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


def epochs_that_wait(rng, shape, length_s, waiting):
    """Logs of simulated epochs (runs, rounds), a share of which wait: with their waits, and as the kit leaves them."""
    noise = np.exp(np.array([[0.12], [0.25], [0.25]]) * rng.standard_normal((shape[0], 3, shape[1])))
    steady_s, first_s, iterator_s = np.moveaxis(np.array([[length_s - 0.028], [0.02], [0.008]]) * noise, 1, 0)
    alone_s = steady_s + first_s + iterator_s
    wakes_s = start_and_rate.WAKES_S[np.searchsorted(start_and_rate.WAKES_S, alone_s)]
    wait_s = np.where(rng.random(shape) < waiting, wakes_s - alone_s, 0)
    parts = {"epoch_s": alone_s, "first_batch_s": first_s + iterator_s, "iterator_s": iterator_s}
    runs = zip(*(part + wait_s for part in parts.values()), strict=True)
    told_s = [start_and_rate.waits_s(pd.DataFrame(dict(zip(parts, run, strict=True)))) for run in runs]
    return np.log(alone_s + wait_s), np.log(alone_s + wait_s - told_s)


def show_waits(size, seed):
    """Prints how often the interval holds the ratio of epochs without waits, and its half-width beside the raw one."""
    found = {}
    print(f"share of 95% intervals that hold the ratio of epochs without their waits, % ({size} runs each), and the")
    print("median half-width, log units, of these and of epochs as they come; rounds " + ", ".join(map(str, ROUNDS)))
    for lengths_s in ((0.1, 0.25), (0.2, 0.16), (0.5, 0.45)):
        for waiting in (0, 0.2, 0.4, 0.6):
            figures = []
            for rounds in ROUNDS:
                rng = np.random.default_rng([seed, rounds])
                sides = [epochs_that_wait(rng, (size, rounds), length_s, waiting) for length_s in lengths_s]
                whole, without = zip(*sides, strict=True)
                truth = math.log(lengths_s[0] / lengths_s[1])
                low, high = of_the_kit(without[0] - without[1], 0.95)
                raw = np.subtract(*of_the_kit(whole[0] - whole[1], 0.95)[::-1])
                figures.append([covered(low, high, truth), *(float(np.median(wide)) / 2 for wide in (high - low, raw))])
            found[f"{lengths_s}, {waiting}"] = figures
            line = "  ".join(f"{100 * share:5.1f} ({mine:.3f}, {raw:.3f})" for share, mine, raw in figures)
            print(f"epochs of {lengths_s} s, {waiting:.0%} wait  {line}", flush=True)
    return found


def show_combined(size, seed):
    """Prints how often the mean change of several cells, which did not change, is within its interval."""
    level, found = 0.95, {}
    print(f"the mean of ratios of ratios holds 1 in so many % ({size} runs each), with its median half-width;")
    print("1, 2 and 6 cells")
    for kind in ("log-normal", "15% twice as long, one side", "heavy tails (t, 3 degrees)"):
        for rounds in (5, 8, 11, 12, 17, 20, 30):
            figures = []
            for cells in (1, 2, 6):
                draws = SCENARIOS[kind](np.random.default_rng([seed, cells]), 2 * cells * size, rounds)
                middle, low, high, _ = ratios.log_ratio_interval(draws.reshape(2 * cells, size, rounds), level)
                weights = np.array([-1, 1] * cells) / cells
                ends = np.array(
                    [
                        certainty.combined(*run, weights, rounds=[rounds] * 2 * cells, confidence=level)[1:]
                        for run in zip(middle.T, low.T, high.T, strict=True)
                    ]
                )
                share = ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean()
                figures.append((float(share), float(np.median(ends[:, 1] - ends[:, 0])) / 2))
            found[f"{kind}, {rounds} rounds"] = figures
            line = "  ".join(f"{100 * share:5.1f} ({width:.3f})" for share, width in figures)
            print(f"{kind:34s}{rounds:3d}  {line}", flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20_000, help="simulated runs a point")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", action="store_true", help="put other intervals beside the kit's")
    parser.add_argument("--stopping", action="store_true", help="feeds that leave when they are precise")
    parser.add_argument("--until", choices=comparison.UNTIL, default="precise", help="when they leave")
    parser.add_argument("--combined", action="store_true", help="the mean change of several cells")
    parser.add_argument("--waits", action="store_true", help="epochs that wait for AUTOTUNE's thread")
    parser.add_argument("--modes", action="store_true", help="how often two heaps are reported")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    methods = list(METHODS) if arguments.methods else list(METHODS)[:1]
    if arguments.stopping:
        slow = ("Hodges-Lehmann", "bootstrap")  # and no candidates
        found = show_stopping(
            [method for method in methods if method not in slow], arguments.repeats, arguments.seed, arguments.until
        )
    elif arguments.combined:
        found = show_combined(min(arguments.repeats, 4000), arguments.seed)
    elif arguments.waits:
        found = show_waits(min(arguments.repeats, 4000), arguments.seed)
    elif arguments.modes:
        found = show_modes(min(arguments.repeats, 1000), arguments.seed)
    else:
        size = min(arguments.repeats, 2000) if arguments.methods else arguments.repeats
        found = show_coverage(methods, size, arguments.seed)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
