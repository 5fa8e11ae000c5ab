"""Remedied feeds beside the feed as it is: the same work proved, and the predicted gain beside the measured one."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import escape

from helpers import comparison, parity
from helpers.comparison.start_and_rate import Estimate
from helpers.doctor import remedies, unharmed
from helpers.doctor.case import Case
from helpers.doctor.remedies import Remedy
from helpers.pipelines import feeds
from helpers.pipelines.feeds import Feed
from helpers.timing import models

AS_IT_IS = "as it is"
PRECISION = 0.05


@dataclass(frozen=True)
class Verified:
    """A remedy that was tried.

    Attributes:
        remedy: what was done.
        differences: aspect -> what the remedied feed delivers instead of what; empty where it delivers the same.
        gain: how many times as fast its epochs are, with the interval; None where it was not timed.
        why_not: why it was not tried or timed; "" where it was.
        feed: the remedied feed, which can be trained on; None where it could not be made.
    """

    remedy: Remedy
    differences: Mapping[str, str]
    gain: Estimate | None = None
    why_not: str = ""
    feed: Feed | None = None

    @property
    def error(self) -> float:
        """The logarithm of the predicted gain over the measured one; NaN where either is not known."""
        if self.gain is None or not self.remedy.gain > 0:
            return math.nan
        return math.log(self.remedy.gain / self.gain.value)


@dataclass(frozen=True)
class Verification:
    """All remedies that were tried.

    Attributes:
        tried: each of them.
        compared: the rounds that were timed; None where nothing was.
    """

    tried: tuple[Verified, ...]
    compared: comparison.Comparison | None = None

    @property
    def best(self) -> Verified | None:
        """The remedy that gains most while the data stays the same; None where none does."""
        same = [each for each in self.tried if each.gain is not None and not each.differences and each.gain.low > 1]
        return max(same, key=lambda each: each.gain.value if each.gain else 0.0, default=None)

    @property
    def table(self) -> pd.DataFrame:
        """One row per remedy: for, what is done, same work, predicted and measured gain with its interval."""
        rows = []
        for each in self.tried:
            gain = each.gain
            measured = f"{gain.value:.2f} ({gain.low:.2f} to {gain.high:.2f})" if gain else ""
            predicted = each.remedy.gain
            rows.append(
                {
                    "remedy for": each.remedy.name,
                    "what is done": each.remedy.told,
                    "same work": _same_work(each),
                    "predicted": f"{predicted:.2f}" if predicted > 0 else "",
                    "measured": measured or each.why_not,
                }
            )
        return pd.DataFrame(rows, columns=["remedy for", "what is done", "same work", "predicted", "measured"])

    def __str__(self):
        if not self.tried:
            return "There is no remedy that the doctor can apply by itself."
        return f"Times as fast, predicted and measured:\n{self.table.to_string(index=False)}"

    def _repr_html_(self):
        return self.table.to_html(index=False) if self.tried else f"<p>{escape(self)}</p>"


def _same_work(verified):
    if verified.feed is None:
        return ""
    if not verified.differences:
        return "proved"
    differing = ", ".join(verified.differences)
    return f"changes {verified.remedy.changes} ({differing})" if verified.remedy.changes else f"differs in {differing}"


def verify(case: Case, chosen: Iterable[Remedy], *, change_data: bool = False, budget_s: float = 30.0) -> Verification:
    """Makes the remedied feeds, proves that each delivers the same, and times those that do.

    Each reading counts as an epoch of the feed. The model and the sources of random numbers are left as they were.

    Args:
        case: the feed.
        chosen: remedies of it.
        change_data: whether such are tried, too, as change the data; what they change is told, nothing is proved.
        budget_s: seconds after which no round of timing begins.
    """
    chosen = list(chosen)
    same = [remedy for remedy in chosen if not remedy.changes]
    asked = [*same, *([remedy for remedy in chosen if remedy.changes] if change_data else [])]
    combined = remedies.together(case, same)
    with unharmed.seeds():
        tried = _proved(case, [*asked, *([combined] if combined else [])])
        alike = {each.remedy.name: each for each in tried if each.feed is not None and not each.why_not}
        compared = _timed(case, {name: each.feed for name, each in alike.items()}, budget_s) if alike else None
    done = [_with_gain(each, compared) if each.remedy.name in alike else each for each in tried]
    left = [Verified(remedy, {}, why_not=_not_asked(remedy)) for remedy in chosen if remedy not in asked]
    return Verification((*done, *left), compared)


def _not_asked(remedy):
    return f"not applied: it changes {remedy.changes}; verify(change_data=True)"


def _proved(case, asked):
    """Makes the remedied feeds and holds them against the feed as it is: all at once, or else each for itself."""
    made, failed = {}, {}
    for remedy in asked:
        try:
            made[remedy.name] = feeds.opened(remedy.make())
        except Exception as error:
            failed[remedy.name] = Verified(remedy, {}, why_not=f"cannot be made: {remedies.why_not(error)}")
    try:
        whole = parity.compare({AS_IT_IS: case.feed, **made}) if made else None
    except Exception:  # of one of them; the others are looked at all the same
        whole = None
    return [failed.get(remedy.name) or _held_against(case, remedy, made[remedy.name], whole) for remedy in asked]


def _held_against(case, remedy, feed, whole):
    try:
        report = whole or parity.compare({AS_IT_IS: case.feed, remedy.name: feed})
    except Exception as error:
        return Verified(remedy, {}, why_not=f"cannot be read: {remedies.why_not(error)}")
    differences = report.differences_of(remedy.name)
    if differences and not remedy.changes:
        told = "; ".join(f"{aspect}: {what}" for aspect, what in differences.items())
        return Verified(remedy, differences, why_not=f"not timed, other data: {told}", feed=feed)
    return Verified(remedy, differences, feed=feed)


def _timed(case: Case, remedied: Mapping[str, Any], budget_s: float):
    kept: Any = contextlib.nullcontext()
    if case.model is not None:
        kept = unharmed.model(case.model, case.first_batch)
    with kept:
        model = models.smallest if case.model is None else case.model
        return comparison.compare(
            {AS_IT_IS: case.feed, **remedied}, budget_s=budget_s, precision=PRECISION, model=model
        )


def _with_gain(verified, compared):
    ratio = compared.ratio(verified.remedy.name)
    gain = Estimate(1 / ratio.ratio, 1 / ratio.high, 1 / ratio.low)
    return Verified(verified.remedy, verified.differences, gain, feed=verified.feed)
