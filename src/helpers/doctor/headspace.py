"""The input's share of an epoch, and the most that any faster input could gain."""

import contextlib
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from helpers import checks, ratios, timing
from helpers.comparison.start_and_rate import Estimate, estimate
from helpers.doctor import parts, unharmed
from helpers.machine import memory
from helpers.pipelines import feeds
from helpers.timing import models

PART_S = 0.8  # of each epoch, about so much is read
MOST_HELD = 32  # batches of an epoch of the held batch
BUDGET_S = 10.0
NOTABLE = 0.02  # share of an epoch; less is not worth a change
PRECISION = 0.03


@dataclass(frozen=True)
class Headspace:
    """A feed against its own batch, held ready: what no faster input can undercut.

    Attributes:
        epoch_s: seconds of the feed's epoch in each round, (rounds,).
        held_s: of as many steps on the held batch in the same rounds, (rounds,).
        batches: of such an epoch.
        said: how much of an epoch was measured, in words; "" for all of it.
        confidence: of the intervals, 0 to 1.
        resident_bytes: of this process after each round, (rounds,); empty where it was not looked at.
        starts_s: seconds of the feed's epoch beside its batches in each round, (rounds,); empty where not looked at.
        held_starts_s: likewise of the held batch's epoch.
    """

    epoch_s: np.ndarray
    held_s: np.ndarray
    batches: int
    said: str = ""
    confidence: float = 0.95
    resident_bytes: np.ndarray = field(default_factory=lambda: np.empty(0))
    starts_s: np.ndarray = field(default_factory=lambda: np.empty(0))
    held_starts_s: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def iterators_s(self) -> np.ndarray:
        """By how many seconds the feed's epoch starts later than the held batch's in each round, (rounds,)."""
        return self.starts_s - self.held_starts_s

    @property
    def _ratio(self):
        return ratios.paired_ratio(self.held_s, self.epoch_s, self.confidence)

    @property
    def share(self) -> Estimate:
        """The input's share of an epoch, 0 to 1, with its interval."""
        ratio = self._ratio
        return Estimate(*(max(0.0, 1 - value) for value in (ratio.ratio, ratio.high, ratio.low)))

    @property
    def at_most(self) -> Estimate:
        """How many times as fast an epoch could be with an input that takes no time, at least 1, with its interval."""
        ratio = self._ratio
        return Estimate(*(max(1.0, 1 / value) for value in (ratio.ratio, ratio.high, ratio.low)))

    @property
    def epoch(self) -> Estimate:
        """Seconds of an epoch."""
        return estimate(self.epoch_s, self.confidence)

    @property
    def step_s(self) -> float:
        """Seconds per batch of the held batch."""
        return float(np.median(self.held_s)) / self.batches

    @property
    def matters(self) -> bool:
        """Whether the interval says that the input takes a notable part of the time."""
        return self.share.low > NOTABLE

    def __str__(self):
        share, most = self.share, self.at_most
        told = f"{share.value:.0%} ({100 * share.low:.0f} to {100 * share.high:.0f})"
        told += f"; at most {most.value:.1f} times as fast"
        return f"{told}; {self.said}" if self.said else told


def headspace(feed: Any, *, model: Any = None, budget_s: float = BUDGET_S) -> Headspace:
    """Measures the input's share of an epoch, and the most that any faster input could gain.

    The feed and its own first batch, held ready, are trained on in turn, in rounds in random order, through `fit`.
    Long epochs are measured on their first batches. The model, its optimizer and its metrics, and all sources of
    random numbers are left as they were; each epoch that is read counts as one for the feed.

    Args:
        feed: whatever `comparison.compare` takes.
        model: a compiled Keras model; None: the smallest one, whose step costs next to nothing.
        budget_s: seconds after which no round begins; at least five rounds are run.

    Raises:
        StudyError: for what is no feed, can be read only once, gives no batch or hangs; and for a model that is not
            compiled.
    """
    checks.between("budget_s", budget_s, 0, math.inf)
    with unharmed.seeds():
        settled = feeds.settled(feed)
        part = parts.part_of(settled, PART_S)
        fitted = models.smallest(part.first) if model is None else models.of(model, part.first)
        with unharmed.model(fitted, part.first) if model is not None else contextlib.nullcontext():
            return _in_rounds(fitted, part, budget_s)


def _in_rounds(model, part, budget_s):
    start, feed, batches = time.perf_counter(), part.feed, part.batches
    timing.time_epoch(model, timing.held(part.first, 2))
    step_s = timing.time_epoch(model, timing.held(part.first, 4)).batch_s
    if batches * step_s > 2 * PART_S and not parts.has_cache(feed):
        batches = max(parts.LEAST_BATCHES, int(PART_S / step_s))
        part = parts.Part(parts.shortened(feed, batches), batches, part.of, part.first)
    held_batches = max(2, min(MOST_HELD, batches, int(PART_S / step_s)))
    whole = part.of or batches
    sides = {"feed": part.feed, "held": timing.held(part.first, held_batches)}
    seconds: dict[str, list[float]] = {"feed": [], "held": []}
    timing.time_epoch(model, part.feed)
    order, generator = list(sides), np.random.default_rng(0)
    look_after = ratios.look_rounds(100)
    confidence = ratios.sequential_confidence(looks=len(look_after))

    resident: list[float] = []
    starts: dict[str, list[float]] = {"feed": [], "held": []}

    def measured():
        both = np.array(seconds["feed"]), np.array(seconds["held"])
        both_starts = np.array(starts["feed"]), np.array(starts["held"])
        return Headspace(*both, whole, part.said, confidence, np.array(resident), *both_starts)

    was_precise = False
    with timing.garbage_set_aside():
        for rounds in range(1, look_after[-1] + 1):
            generator.shuffle(order)
            for side in order:
                epoch = timing.time_epoch(model, sides[side])
                starts[side].append(epoch.start_s)
                same_length = epoch.batches == whole
                seconds[side].append(epoch.epoch_s if same_length else epoch.start_s + whole * epoch.batch_s)
            resident.append(memory.resident_bytes())
            if rounds >= ratios.FIRST_LOOK and time.perf_counter() - start > budget_s:
                break
            if rounds in look_after:  # it stops at the look after the first narrow one, as a comparison does
                if was_precise:
                    break
                was_precise = _is_precise(measured())
    return measured()


def _is_precise(found):
    return found.share.high - found.share.low <= 2 * PRECISION
