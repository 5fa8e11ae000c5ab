"""Compares feeds fairly: interleaved rounds in random order, paired ratios with intervals, verdicts."""

import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import escape

from helpers import checks, ratios, timing
from helpers.comparison import run_quality, start_and_rate
from helpers.errors import StudyError
from helpers.machine import noise
from helpers.pipelines import feeds as feed_kinds
from helpers.ratios import Verdict, paired_ratio
from helpers.timing import models

MIN_ROUNDS = ratios.FIRST_LOOK
MOST_EPOCHS = 2  # of a round: more rounds say more than longer ones
ROUND_S = 0.2  # what a feed's timed epochs should take in a round, where so many fit
OFTEN = 0.1  # beyond this share of epochs that wait before the next one, it is told
UNTIL = ("precise", "decided")
CLEAR, WIDEST = 4, 0.2  # until decided: distance from 1 in half-widths, and the widest half-width that will do, a share
TOTALS_DIFFER = 0.05  # a training run pays totals: beyond this share the ratio of totals is told
PLANNED_LOOKS = len(ratios.look_rounds(1000))


@dataclass(frozen=True)
class Comparison:
    """What a comparison measured; the statistics are derived from the raw rounds.

    They are of epochs without the wait for AUTOTUNE's thread [fact: iterator-waits-for-autotune], which comes by chance
    and may double an epoch. How often it came `flags` tell, what all epochs took with it `ratio_of_totals`.

    Attributes:
        labels: of the feeds, in the order they were given.
        rounds: one row per feed, round and epoch of the round: round, position (in the round's order), pipeline,
            epoch, and the attributes of `timing.Epoch`, waits and all. A feed that left has the first rounds only.
        reference: the label that the others are compared with.
        confidence: of all intervals together, 0 to 1.
        margin: ratios within 1 / (1 + margin) … 1 + margin count as the same.
        precision: half-width of the intervals that was asked for, as a share.
        stopped: "precise", "budget" or "rounds".
        wall_s: seconds from the first warm-up to the last round.
        seed: of the order within the rounds.
        load: what else the machine did meanwhile, in words; "" where it does not tell.
        examples: of an epoch; 0 where that was not told.
        trained: the model in words, where its step is a part of what is compared; "": it costs next to nothing.
    """

    labels: list[str]
    rounds: pd.DataFrame
    reference: str
    confidence: float
    margin: float
    precision: float
    stopped: str
    wall_s: float
    seed: int = 0
    load: str = ""
    examples: int = 0
    trained: str = ""

    def seconds(self, label: str, column: str = "epoch_s") -> np.ndarray:
        """Returns one feed's figures by round, float64 (rounds,): the mean over the round's epochs.

        Args:
            label: of the feed.
            column: an attribute of `timing.Epoch`, or "start_s" or "batch_s", the start and the rate of its epochs, all
                without the wait for AUTOTUNE's thread; or "wait_s", that wait.

        Raises:
            StudyError: if there is no such feed.
        """
        return self._by_round(label, column).to_numpy(float)

    def paired(self, label: str, reference: str | None = None, *, column: str = "epoch_s") -> np.ndarray:
        """Returns the figures of the rounds that both feeds ran, float64 (2, rounds); as `seconds`."""
        both = [self._by_round(name, column) for name in (label, reference or self.reference)]
        return pd.concat(both, axis=1, join="inner").to_numpy(float).T

    def _by_round(self, label, column):
        checks.one_of("pipeline", label, self.labels)
        epochs = self.rounds[self.rounds["pipeline"] == label]
        wait_s = start_and_rate.waits_s(epochs)
        without_s = {part: epochs[part] - wait_s for part in ("epoch_s", "first_batch_s", "iterator_s")}
        rounds = epochs.assign(wait_s=wait_s, **without_s).groupby("round").mean(numeric_only=True)
        if column not in ("start_s", "batch_s"):
            return rounds[column]
        batch_s = rounds["steady_s"] / (rounds["batches"] - 1).where(rounds["batches"] > 1)
        return batch_s if column == "batch_s" else rounds["epoch_s"] - rounds["batches"] * batch_s.fillna(0)

    def start(self, label: str) -> start_and_rate.Estimate:
        """Returns what an epoch takes beside its batches, in seconds, for as many examples as were measured."""
        return start_and_rate.estimate(self.seconds(label, "start_s"), self.confidence)

    def epoch_model(self, label: str) -> start_and_rate.EpochModel:
        """Returns what an epoch of any length takes on average, with the share of epochs that wait for AUTOTUNE."""
        checks.one_of("pipeline", label, self.labels)
        return start_and_rate.epoch_model(self.rounds[self.rounds["pipeline"] == label])

    def rate(self, label: str) -> start_and_rate.Estimate:
        """Returns the seconds per batch after an epoch's first; NaN where an epoch has one batch."""
        return start_and_rate.estimate(self.seconds(label, "batch_s"), self.confidence)

    def batches(self, label: str) -> int:
        """Returns the number of batches in an epoch."""
        return int(self.seconds(label, "batches")[0])

    def turns_at(self, label: str, reference: str | None = None) -> start_and_rate.Estimate | None:
        """Returns the batches per epoch at which the order of two feeds turns, were their starts to stay as they are.

        None where it is not shown to turn.
        """
        starts, rates = (np.subtract(*self.paired(label, reference, column=name)) for name in ("start_s", "batch_s"))
        return start_and_rate.turning_point(starts, rates, confidence=self.confidence)

    def ratio_of_totals(self, label: str, reference: str | None = None) -> float:
        """Returns how many times as long all of one feed's epochs took as another's, waits too: what training pays."""
        totals = [self.paired(label, reference, column=part).sum(axis=1) for part in ("epoch_s", "wait_s")]
        return float(np.divide(*sum(totals)))

    def ratio(self, label: str, reference: str | None = None) -> ratios.Ratio:
        """Returns how many times as long one feed's epochs take as another's, with its interval.

        The interval is corrected for stopping by itself and for the number of feeds: all of them hold together.
        """
        mine, other = self.paired(label, reference)
        return paired_ratio(mine, other, confidence=self.corrected_confidence)

    @property
    def corrected_confidence(self) -> float:
        """The level of each single interval, 0 to 1, at which all of them hold at `confidence`."""
        return ratios.sequential_confidence(
            self.confidence, looks=PLANNED_LOOKS, comparisons=max(1, len(self.labels) - 1)
        )

    def verdict(self, label: str, reference: str | None = None) -> Verdict:
        """Returns "faster", "slower", "the same" (within the margin) or "undecided"."""
        return self._compared(label, reference)[1]

    def _compared(self, label, reference=None):
        both = self.paired(label, reference)
        return ratios.compared(*both, confidence=self.corrected_confidence, margin=self.margin)

    def narrow(self, until: str = "precise") -> set[str]:
        """Returns the feeds whose intervals are narrow enough, without the reference; see `compare`."""
        return {label for label in self.labels if label != self.reference and self._is_narrow(label, until)}

    def _is_narrow(self, label, until):
        ratio = self.ratio(label)
        half_width = math.log1p(ratio.precision)
        is_clear = until == "decided" and CLEAR * half_width <= abs(math.log(ratio.ratio))
        return ratio.precision <= max(self.precision, WIDEST if is_clear else 0)

    @property
    def table(self) -> pd.DataFrame:
        """One row per feed: median epoch, ratio to the reference with interval, verdict, start, rate, rounds, flags."""
        rows = []
        for label in self.labels:
            ratio, verdict = self._compared(label)  # of the reference with itself: 1, from 1 to 1
            verdict = Verdict.REFERENCE if label == self.reference else verdict
            row = {"pipeline": label, "epoch_s": np.median(self.seconds(label)), "time_ratio": ratio.ratio}
            row |= {"low": ratio.low, "high": ratio.high, "verdict": verdict.value}
            row |= {"start_s": self.start(label).value, "batch_s": self.rate(label).value}
            rows.append(row | {"rounds": ratio.rounds, "flags": ", ".join(self.flags(label))})
        return pd.DataFrame(rows)

    def flags(self, label: str) -> list[str]:
        """Returns what a reader should know of one feed's rounds: totals, two modes, waits, drift, outliers (kept)."""
        seconds = self.seconds(label)
        told = ["two modes"] if run_quality.two_modes(seconds) else []
        if self.batches(label) > 1 and (waiting := self.epoch_model(label).waiting) > OFTEN:
            told.append(f"{waiting:.0%} of its epochs wait for AUTOTUNE's thread, not counted")
        totals = self.ratio_of_totals(label)
        if abs(math.log(totals / self.ratio(label).ratio)) > math.log1p(TOTALS_DIFFER):
            told.insert(0, f"ratio of totals {totals:.2f}")
        if drift := run_quality.drift(seconds):
            told.append(f"drifted by {drift.change:+.0%}")
        outliers = int(np.sum(run_quality.outliers(seconds)))
        return [*told, f"{outliers} outlier{'s' * (outliers > 1)} kept"] if outliers else told

    @property
    def epochs(self) -> str:
        """What the ratios are of, in words: epochs of so many examples, or batches where that was not told."""
        if self.examples:
            return f"epochs of {self.examples:,} examples"
        batches = sorted({self.batches(label) for label in self.labels})
        return f"epochs of {' to '.join(f'{count:,}' for count in dict.fromkeys((batches[0], batches[-1])))} batches"

    def _shown(self):
        """The table for people, and what is said below it."""
        table = self.table
        verdicts = [ratios.in_words(row.verdict, row.low, row.high) for row in table.itertuples()]
        whole = f"whole training {self.epochs}, of {self.trained}," if self.trained else self.epochs
        said = f"Time of {whole} as a ratio to {self.reference}, {self.confidence:.0%} intervals; above 1 is slower."
        return _in_ms(table.assign(verdict=verdicts)), f"{said} Stopped: {self.stopped}. {self.load}".strip()

    def _repr_html_(self):
        table, said = self._shown()
        intervals = [
            f"{row.time_ratio:.2f} ({row.low:.2f} to {row.high:.2f})" if row.verdict != Verdict.REFERENCE else "1"
            for row in table.itertuples()
        ]
        shown = table.assign(time_ratio=intervals, epoch_s=table["epoch_s"].map("{:.3f}".format))
        return shown.drop(columns=["low", "high"]).to_html(index=False) + f"<p>{escape(said)}</p>"

    def __str__(self):
        table, said = self._shown()
        return f"{table.round(3).to_string(index=False)}\n{said}"


def _in_ms(table):
    """Start and rate in milliseconds, for people."""
    names = {"start_s": "start_ms", "batch_s": "batch_ms"}
    return table.assign(**{name: (1e3 * table[name]).round(2) for name in names}).rename(columns=names)


def compare(
    feeds: Mapping[str, object],
    *,
    reference: str | None = None,
    precision: float = 0.03,
    budget_s: float = 60.0,
    margin: float = 0.05,
    confidence: float = 0.95,
    max_rounds: int = 1000,
    until: str = "precise",
    seed: int | None = None,
    examples: int = 0,
    model: Any = models.smallest,
    trained: str = "",
    clock: Callable = time.perf_counter_ns,
) -> Comparison:
    """Times feeds through `fit` in interleaved rounds until the ratios are precise or the budget is spent.

    Each feed first runs epochs that do not count. In every round each feed then runs one `fit`, in an order drawn
    anew: one epoch to begin with, and one or two that are timed, the same number for every feed; their mean is the
    round's figure. Whether they do the same work is for `parity.check` to say, before.

    Feeds leave one by one, and the reference runs to the end. A feed leaves at the look after the first one at which
    its interval was narrow enough, so that rounds which agreed by chance are not all that its interval rests on. It
    does not leave as soon as it has a verdict: one that is looked for again and again comes out wrong up to three times
    as often as its level says. Where verdicts are what matters (`until="decided"`), an interval is narrow enough too
    where the ratio is four half-widths from 1, which chance does not bring about. Either way the intervals hold
    (`benchmarks/coverage.py --stopping`).

    Args:
        feeds: label -> what `fit` takes, a `pipelines.Feed`, a function without arguments that makes either, a
            `timing.Fitted` or an `isolation.Isolated`; at least two.
        reference: the label that the others are compared with; None: the first.
        precision: a feed leaves when its interval's half-width is at most this share of its ratio.
        budget_s: seconds, warm-up included, after which no round is begun; at least five rounds are run.
        margin: within which ratios count as the same.
        confidence: of all the intervals together, over all looks, 0 to 1.
        max_rounds: rounds after which it stops in any case.
        until: "precise", or "decided": a ratio far from 1 may be known less precisely, to 20% at most.
        seed: of the order within the rounds; None: drawn.
        examples: of an epoch, where that is known; they are told with the ratios.
        model: makes the compiled model from a first batch; the smallest one measures the feed itself. Or a compiled
            model of your own, which then trains on all feeds in turn: its weights and its optimizer's state change.
            Where a feed has `layers`, they come before it.
        trained: that model in words, where its step is a part of what is compared; told with the ratios.
        clock: gives nanoseconds.

    Raises:
        StudyError: for fewer than two feeds, an unknown reference, a number out of range, or a feed whose epochs
            differ in length.
    """
    if len(feeds) < 2:
        raise StudyError(f"a comparison needs at least two feeds (got {len(feeds)})")
    if reference is not None:
        checks.one_of("reference", reference, feeds)
    checks.one_of("until", until, UNTIL)
    checks.whole("max_rounds", max_rounds, least=MIN_ROUNDS)
    checks.between("budget_s", budget_s, 0, math.inf)
    for name, value in (("precision", precision), ("margin", margin), ("confidence", confidence)):
        checks.share(name, value)
    start = clock()
    spent_s = lambda: (clock() - start) * 1e-9  # noqa: E731
    before = noise.read_counters()
    timers = {label: _timer(feed, model, clock) for label, feed in feeds.items()}
    batches: dict[str, int] = {}

    def time_feed(number, position, label, epochs):
        timed = timers[label](epochs)
        for epoch in timed:
            if epoch.batches != batches.setdefault(label, epoch.batches):
                raise StudyError(
                    f"every epoch of a feed must be as long (got {batches[label]} batches of {label}, then "
                    f"{epoch.batches}); a cache that was read in part may do this: read it to the end once"
                )
        where = {"round": number, "position": position, "pipeline": label}
        return [where | {"epoch": count} | asdict(epoch) for count, epoch in enumerate(timed, 1)]

    def time_round(number, labels, epochs):
        return [row for place, label in enumerate(labels) for row in time_feed(number, place, label, epochs)]

    with timing.garbage_set_aside():
        longest_s = max(row["epoch_s"] for row in time_round(0, feeds, 1))
    epochs = min(MOST_EPOCHS, max(1, round(ROUND_S / max(longest_s, 1e-9))))

    rows: list[dict[str, Any]] = []
    order, leaving = list(feeds), set[str]()
    seed = secrets.randbits(32) if seed is None else seed
    generator = np.random.default_rng(seed)

    def so_far(stopped):
        load = noise.between(before, noise.read_counters())
        return Comparison(
            labels=list(feeds),
            rounds=pd.DataFrame(rows),
            reference=reference or next(iter(feeds)),
            confidence=confidence,
            margin=margin,
            precision=precision,
            stopped=stopped,
            wall_s=spent_s(),
            seed=seed,
            examples=examples,
            trained=trained,
            load=str(load) if load.is_quiet else f"{load} The machine was not quiet: expect wider intervals.",
        )

    look_after = set(ratios.look_rounds(max_rounds))
    with timing.garbage_set_aside():
        for rounds in range(1, max_rounds + 1):
            generator.shuffle(order)
            rows += time_round(rounds, order, epochs)
            if rounds in look_after:
                order = [label for label in order if label not in leaving]
                if len(order) == 1:
                    return so_far("precise")
                leaving = so_far("").narrow(until)
            if rounds >= MIN_ROUNDS and spent_s() >= budget_s:
                return so_far("budget")
    return so_far("rounds")


def _timer(feed, model, clock):
    """Returns a function that times some epochs of a feed, with its own model or process where it has one."""
    if hasattr(feed, "time_epochs"):
        return feed.time_epochs
    settled = feed_kinds.settled(feed)
    fitted = models.of(model, timing.first_batch(settled), layers=feed_kinds.opened(settled).layers)
    return lambda epochs: timing.time_epochs(fitted, settled, epochs, clock=clock)
