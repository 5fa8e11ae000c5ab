"""Proves that pipelines deliver the same work, or says in what they differ.

Two epochs of every feed are read and held against the task's own source and NumPy transform: form (batch
sizes, shapes, dtypes, value range), examples (each delivered image is matched to the source image it was
made from), pixels (the draws are recovered from the image and applied again by NumPy), the distribution of
the draws, freshness from epoch to epoch, and shuffling.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import escape

from helpers.errors import StudyError
from helpers.parity import matching, recovered_draws
from helpers.parity.delivery import Expected, read_epoch
from helpers.pipelines import feeds as feed_kinds
from helpers.tasks import Task

ASPECTS = (
    "decoding",
    "batches",
    "image shape",
    "image dtype",
    "value range",
    "labels",
    "examples",
    "pixels",
    "draws",
    "freshness",
    "shuffling",
)
SIGNIFICANCE = 1e-5  # of each statistical check: a false alarm in 100,000
FITTED_TOLERANCE = 5e-3  # where draws are found by a numerical fit
FITTED_SHARE = 0.6  # of the images that such a fit must explain; it misses some by itself


@dataclass(frozen=True)
class Report:
    """What parity found.

    Attributes:
        task: what was to be delivered; None: what the first feed delivers.
        labels: the feeds' labels.
        differences: a table: pipeline, aspect, expected, found; empty where all did the same work.
        details: a table: pipeline, aspect, found, for every check that was made.
        aspects: what was looked at.
    """

    task: Task | None
    labels: tuple[str, ...]
    differences: pd.DataFrame
    details: pd.DataFrame
    aspects: tuple[str, ...] = ASPECTS

    @classmethod
    def of_checks(
        cls,
        checks: Sequence[tuple[str, str, bool, str, str]],
        *,
        labels: Iterable[str],
        task: Task | None = None,
        aspects: tuple[str, ...] = ASPECTS,
    ) -> "Report":
        """Returns the report on checks that were made.

        Args:
            checks: (label of the feed, aspect, whether it holds, expected, found) of each.
            labels: of all feeds.
            task: what was to be delivered; None: what the first feed delivers.
            aspects: what was looked at.
        """
        made = pd.DataFrame(checks, columns=["pipeline", "aspect", "holds", "expected", "found"])
        failed = made.loc[~made["holds"], ["pipeline", "aspect", "expected", "found"]].reset_index(drop=True)
        return cls(task, tuple(labels), failed, made[["pipeline", "aspect", "found"]], aspects)

    @property
    def same(self) -> bool:
        """Whether every feed delivers the task, or what the first one delivers."""
        return self.differences.empty

    def does_the_task(self, label: str) -> bool:
        """Returns whether one feed delivers the task, or what the first one delivers."""
        return label not in set(self.differences["pipeline"])

    def differences_of(self, label: str) -> dict[str, str]:
        """Returns aspect -> what was found instead of what, of one feed; empty where it delivers the task."""
        of_it = self.differences[self.differences["pipeline"] == label]
        told = of_it["found"] + " instead of " + of_it["expected"]
        return told.groupby(of_it["aspect"], sort=False).agg("; ".join).to_dict()

    @property
    def overview(self) -> pd.DataFrame:
        """A table for people: one row per feed, one column per aspect; "same", "differs", or "-" if not reached.

        Without a task, the first feed is the reference.
        """
        table = pd.DataFrame("-", index=list(self.labels), columns=list(self.aspects))
        if self.task is None:
            table.loc[self.labels[0]] = "reference"
        for checks, outcome in ((self.details, "same"), (self.differences, "differs")):
            for row in checks.itertuples():
                table.loc[row.pipeline, row.aspect] = outcome
        return table

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.same:
            return f"Same work: {', '.join(self.labels)} deliver the same {'task' if self.task else 'examples'}."
        unlike = [label for label in self.labels if not self.does_the_task(label)]
        other_than = "" if self.task else f" than {self.labels[0]}"
        return f"Not the same work: {', '.join(unlike)} deliver something else{other_than}; no ranking."

    def __str__(self):
        told = [
            f"  {row.pipeline}: {row.aspect}: expected {row.expected}, found {row.found}"
            for row in self.differences.itertuples()
        ]
        return "\n".join([self.verdict, *told])

    def _repr_html_(self):
        differences = "" if self.same else self.differences.to_html(index=False)
        return f"<p><strong>{escape(self.verdict)}</strong></p>{self.overview.to_html()}{differences}"


def check(task: Task, feeds: Mapping[str, object], *, decoding: Mapping[str, str] | None = None) -> Report:
    """Reads two epochs of each feed and compares them with the task.

    Args:
        task: what is to be delivered.
        feeds: label -> whatever `feeds.opened` takes, the kit's or a user's own.
        decoding: label -> when the feed decodes its pictures, "once" or "every epoch", which no batch tells; for the
            kit's own `Spec.decoding` says it. Of a feed that is not named it is not checked.

    Raises:
        StudyError: if there is no feed, or one is not a feed.
    """
    if not feeds:
        raise StudyError("parity needs at least one feed (got none)")
    settled = {label: feed_kinds.settled(feed) for label, feed in feeds.items()}
    expected = Expected(task)
    checks: list[tuple[str, str, bool, str, str]] = []
    for label, feed in settled.items():

        def compare(aspect, holds, wanted, found, label=label):
            checks.append((label, aspect, bool(holds), str(wanted), str(found)))

        if decoding and label in decoding:
            compare("decoding", decoding[label] == task.decoding, task.decoding, decoding[label])
        _check_feed(expected, feed, compare)
    return Report.of_checks(checks, labels=feeds, task=task)


def _check_feed(expected, feed, compare):
    """Calls `compare(aspect, whether it holds, expected, found)` for every check of one feed."""
    epochs = feed_kinds.delivered(feed, 2)
    first = read_epoch(expected, next(epochs))
    if not first.sizes:
        compare("batches", False, f"{len(expected.labels)} examples", "none")
        return
    _check_form(expected, first, compare)
    if first.signatures is None or first.endless:
        return
    order = matching.match(first.signatures, first.labels, expected.signatures, expected.labels)
    _check_examples(expected, first, order, compare)
    _check_pixels(expected, first, order, compare)
    second = read_epoch(expected, next(epochs))
    if second.signatures is not None:
        order_again = matching.match(second.signatures, second.labels, expected.signatures, expected.labels)
        _check_epochs(expected, first, second, order, order_again, compare)


def _sizes_in_words(sizes):
    return ", ".join(f"{count} of {size}" for size, count in sorted(Counter(sizes).items(), reverse=True))


def _check_form(expected, seen, compare):
    examples, batch = len(expected.labels), expected.task.batch_size
    wanted = [batch] * (examples // batch) + ([examples % batch] if examples % batch else [])
    sizes = "does not end" if seen.endless else _sizes_in_words(seen.sizes)
    same = not seen.endless and Counter(seen.sizes) == Counter(wanted)
    compare("batches", same, _sizes_in_words(wanted), sizes)
    shapes, dtypes = dict.fromkeys(seen.shapes), dict.fromkeys(seen.image_dtypes)
    compare("image shape", set(shapes) == {expected.shape}, expected.shape, ", ".join(map(str, shapes)))
    compare("image dtype", set(dtypes) == {"float32"}, "float32", ", ".join(dtypes))
    low, high = expected.transform.value_range
    slack = 1e-3
    compare(
        "value range",
        low - slack <= seen.low and seen.high <= high + slack and np.isfinite([seen.low, seen.high]).all(),
        f"{low:g} to {high:g}",
        f"{seen.low:.3g} to {seen.high:.3g}",
    )
    forms = [f"{dtype} {('batch', *shape)}".replace("'", "") for dtype, shape in dict.fromkeys(seen.label_forms)]
    compare("labels", set(seen.label_forms) == {("int64", ())}, "int64 (batch,)", ", ".join(forms))


def _check_examples(expected, seen, order, compare):
    """Same label counts, and as many different examples recognised as a perfect feed would show."""
    wanted, found = Counter(expected.labels.tolist()), Counter(seen.labels.tolist())
    distinct = len(np.unique(order[order >= 0]))
    count, perfect = len(expected.labels), expected.recognised
    enough = distinct >= perfect - 4 * np.sqrt(max(count - perfect, 0))
    if not enough and distinct >= 0.95 * perfect:
        perfect = expected.fewest_recognised()
        enough = distinct >= perfect - 4 * np.sqrt(max(count - perfect, 0))
    compare(
        "examples",
        wanted == found and enough,
        f"each of {count} once" + ("" if perfect == count else f" ({perfect} recognisable)"),
        f"{len(order)}, {distinct} of them different" + ("" if wanted == found else "; other label counts"),
    )


def _check_pixels(expected, seen, order, compare):
    """Recovers the draws of a sample, applies them again with NumPy, and tests how they are distributed."""
    transform = expected.transform
    known = np.flatnonzero(order[: len(seen.sample)] >= 0)
    if not len(known):
        return
    delivered, sources = seen.sample[known], expected.images[order[known]]
    draws = recovered_draws.draws(transform, delivered, sources)
    worst = np.abs(transform.apply_numpy(sources, draws) - delivered).max(axis=(1, 2, 3))
    fitted = transform.name in recovered_draws.SAMPLE
    tolerance = FITTED_TOLERANCE if fitted else transform.tolerance + 1e-6
    # Where a warp lets examples be mistaken for one another, as many must be explained as a perfect feed would show.
    share = float((worst <= tolerance).mean())
    spread = 4 * np.sqrt(expected.hit_rate * (1 - expected.hit_rate) / len(worst))
    wanted = max(0.05, min(FITTED_SHARE, expected.hit_rate - spread)) if fitted else 1.0
    compare(
        "pixels",
        share >= wanted,
        f"{wanted:.0%} within {tolerance:.0e} of the NumPy transform",
        f"{share:.0%} within, median difference {np.median(worst):.1e}",
    )
    explained = worst <= tolerance
    if transform.random and explained.any():
        for name, (family, parameters) in transform.distributions.items():
            _check_distribution(name, draws[name][explained], family, parameters, compare)


def _check_distribution(name, values, family, parameters, compare):
    from scipy import stats

    values = np.asarray(values, float).ravel()
    if family == "bernoulli":
        p = stats.binomtest(int(values.sum()), len(values), parameters[0]).pvalue
        wanted = f"{name}: true in {parameters[0]:.0%}"
        found = f"{name}: {values.mean():.0%} of {len(values)}"
    else:
        thinned = values if len(values) <= 5000 else np.random.default_rng(0).choice(values, 5000, replace=False)
        p = stats.kstest(thinned, family, parameters).pvalue
        wanted = f"{name}: {family}{tuple(parameters)}"
        found = f"{name}: mean {values.mean():.3f}, sd {values.std():.3f}, {values.min():.3f} to {values.max():.3f}"
    compare("draws", p >= SIGNIFICANCE, wanted, found)


def _check_epochs(expected, first, second, order, order_again, compare):
    """Freshness and shuffling: what changes from epoch to epoch, and what must not."""
    again = {index: position for position, index in enumerate(order_again)}
    pairs = np.array([(position, again[index]) for position, index in enumerate(order) if index in again])
    moved = np.abs(first.fingerprints[pairs[:, 0]] - second.fingerprints[pairs[:, 1]]).max(axis=1) > 1e-6
    share, random = float(moved.mean()), expected.transform.random
    compare(
        "freshness",
        share >= 0.9 if random else share <= max(0, 1 - expected.recognised / len(order)) + 1e-9,
        "other draws in every epoch" if random else "the same pixels in every epoch",
        f"{share:.0%} of the examples changed",
    )
    from scipy import stats

    if len(order) < 8:
        return
    kept = abs(stats.spearmanr(np.arange(len(order)), order).statistic)
    repeated = abs(stats.spearmanr(order, order_again[: len(order)]).statistic) if len(order_again) == len(order) else 0
    limit = max(0.1, stats.norm.isf(SIGNIFICANCE / 2) / np.sqrt(len(order) - 1))
    found = f"rank correlation {kept:.2f} with the stored order, {repeated:.2f} with the next epoch"
    if expected.task.shuffle:
        wanted = f"an order of its own every epoch (≤ {limit:.2f})"
        compare("shuffling", kept <= limit and repeated <= limit, wanted, found)
    else:
        compare("shuffling", kept >= 0.99, "the stored order", found)
