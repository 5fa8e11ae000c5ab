"""The verdicts as cards: a claim, what came of it in one sentence, one picture, and everything behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import claims
from helpers.claims import Claim, Judgement, Rule
from helpers.claims.rules import RuleOutcome
from helpers.plots import condition
from helpers.report import wording
from helpers.report.drawing import Interval, Scale, interval, scale
from helpers.report.run import SIGNS, Run, shown_for
from helpers.results.answers import feeder_of, times_by_round
from helpers.results.pairs import MEASURES, TIMED, seconds_of

MOST_BARS = 6
TRIED = "it is tried anew on every machine, and may turn with another version of Python, TensorFlow or Keras"


@dataclass(frozen=True)
class Bar:
    """One comparison of a card: the cell's id and conditions, the two pipelines, the interval, and what it says."""

    cell: str
    short: str
    where: str
    names: str
    ratio: str
    interval: Interval
    one: float  # where the scale has 1
    verdict: str
    holds: str


@dataclass(frozen=True)
class Part:
    """One rule of a claim.

    Attributes:
        says: the rule in words; settings: as the file of claims has them.
        sign, verdict: of it; evidence: what it rests on.
        bars: its comparisons; scale: theirs; measure: what is compared.
        turns: what would turn it round.
    """

    says: str
    settings: str
    sign: str
    verdict: str
    evidence: str
    bars: tuple[Bar, ...]
    scale: Scale
    measure: str
    turns: str


@dataclass(frozen=True)
class Judged:
    """A claim on one run: its verdict with its sign, one sentence, and its parts."""

    verdict: str
    sign: str
    sentence: str
    parts: tuple[Part, ...]
    crossover: str
    needs: str

    @property
    def picture(self) -> tuple[Part, list[Bar]] | None:
        """The part whose comparisons are the card's picture, with the first of them; None where it has none."""
        drawn = next((part for part in self.parts if part.bars), None)
        return (drawn, list(drawn.bars[:MOST_BARS])) if drawn else None


@dataclass(frozen=True)
class Card:
    """A claim, and what each run says of it."""

    claim: Claim
    judged: tuple[Judged, ...]


def cards(runs: Sequence[Run], *, retry: bool = False) -> list[Card]:
    """Judges the project's claims on one run, or on several side by side.

    Args:
        runs: from `open_runs`.
        retry: whether evidence that was kept undecided is tried again.
    """
    asked = claims.load()
    shown = [shown_for(run, asked, keeps=True, retry=retry) for run in runs]
    return [Card(claim, tuple(map(lambda run, told: _judged(claim, run, told), runs, shown))) for claim in asked]


def _judged(claim, run, shown):
    outcomes = [claims.decide(rule, run.results, shown) for rule in claim.tests]
    over_all = claims.combine([(rule.says, outcome) for rule, outcome in zip(claim.tests, outcomes, strict=True)])
    parts = tuple(_part(rule, outcome, run.results) for rule, outcome in zip(claim.tests, outcomes, strict=True))
    return Judged(
        str(over_all.verdict),
        SIGNS[over_all.verdict],
        _sentence(claim, outcomes),
        parts,
        over_all.crossover,
        over_all.needs,
    )


def _sentence(claim: Claim, outcomes: list[RuleOutcome]) -> str:
    """What came of a claim, in one sentence."""
    if len(outcomes) == 1:
        return f"{outcomes[0].evidence.split('; ')[0]}."
    counts = [(sum(outcome.verdict == verdict for outcome in outcomes), verdict) for verdict in Judgement]
    told = ", ".join(f"{count} {verdict}" for count, verdict in counts if count)
    return f"Of its {len(outcomes)} parts: {told}."


def _part(rule: Rule, outcome: RuleOutcome, results: pd.DataFrame) -> Part:
    measure = rule.settings.get("measure", "epoch_s")
    pairs = outcome.pairs
    drawn = pairs[pairs["low"] > 0] if measure in TIMED and len(pairs) else pairs.iloc[:0]
    on = scale([*drawn["low"], *drawn["high"]] if len(drawn) else [])
    holds = drawn["holds"] if "holds" in drawn else pd.Series(None, index=drawn.index, dtype=object)
    bars = tuple(_bar(pair, held, results, measure, on) for pair, held in zip(drawn.itertuples(), holds, strict=True))
    return Part(
        says=rule.says,
        settings="; ".join(f"{name}: {_plainly(value)}" for name, value in rule.settings.items()),
        sign=SIGNS[outcome.verdict],
        verdict=str(outcome.verdict),
        evidence=outcome.evidence,
        bars=bars,
        scale=on,
        measure=MEASURES[measure],
        turns=_turns(rule, outcome, bars),
    )


def _bar(pair, held, results, measure, on):
    mine, other = (results.loc[index] for index in (pair.row, pair.reference_row))
    names = [wording.name_of(feeder_of(row), row["pipeline"]) for row in (mine, other)]
    rounds = times_by_round(seconds_of(mine, measure), seconds_of(other, measure))
    finite = [each for each in rounds if np.isfinite(each)]
    against = " / ".join(names)
    where = condition(next(mine.to_frame().T.itertuples()))
    return Bar(
        cell=str(pair.cell_id),
        short=f"{mine['dataset_label']}, {mine['transform']}, batch {mine['batch_size']}: {against}",
        where=where,
        names=against,
        ratio=f"{pair.ratio:.2f} ({pair.low:.2f} to {pair.high:.2f})",
        interval=interval(
            on, (pair.ratio, pair.low, pair.high), finite, verdict=pair.verdict, name=f"{where}: {against}"
        ),
        one=on.at(1),
        verdict=str(pair.verdict),
        holds={True: "holds", False: "does not hold"}.get(held, "undecided"),
    )


def _turns(rule: Rule, outcome: RuleOutcome, bars: tuple[Bar, ...]) -> str:
    """What would turn a rule's verdict round."""
    if rule.kind == "not testable":
        return "nothing: no measurement decides it"
    told = [outcome.crossover, f"what would decide it: {outcome.needs}" if outcome.needs else ""]
    if rule.kind == "shown":
        told.append(TRIED)
    decided = [bar for bar in bars if bar.holds != "undecided"]
    if decided and outcome.verdict in (Judgement.SUPPORTED, Judgement.REFUTED):
        nearest = min(decided, key=lambda bar: abs(bar.interval.middle - bar.one))
        told.append(f"the cell nearest to turning it: {nearest.where}, {nearest.names}, {nearest.ratio}")
    return "; ".join(filter(None, told)) or "another machine, other versions, or cells that were not measured"


def _plainly(value):
    """A rule's setting as people write it."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plainly(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " or ".join(map(_plainly, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
