"""Do feeds deliver the same examples as each other? Without a task: two epochs of each are held against the first's.

What is the same in both epochs of a feed must be the same in the other, exactly or up to rounding. What changes from
epoch to epoch, such as augmented pictures, must change as often, and must be distributed alike.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.errors import StudyError
from helpers.parity import distributions, examples, unmatched
from helpers.parity.examples import FIGURES, Epoch
from helpers.parity.report import SIGNIFICANCE, Report
from helpers.pipelines import feeds as feed_kinds

ASPECTS = ("parts", "batches", "dtypes", "shapes", "examples", "freshness", "distribution", "order")
LEVEL = 1e-4  # of all tests of one part's distribution together: a false alarm in 10,000
MOST_CLASSES = 10  # values of a label within which what changes is held against each other
TOLD = 3  # examples that a difference names

Say = Callable[[str, bool, object, object], None]  # aspect, whether it holds, expected, found


@dataclass(frozen=True)
class _Seen:
    """Two epochs of a feed, and whether `fit` shuffles its batches."""

    first: Epoch
    second: Epoch
    shuffled_by_fit: bool

    @property
    def epochs(self) -> tuple[Epoch, Epoch]:
        return self.first, self.second

    def repeats(self, names: tuple[str, ...]) -> bool:
        """Whether some parts, together, are the same examples in both epochs, in whatever order."""
        first, second = (np.sort(epoch.joint(names)) for epoch in self.epochs)
        return np.array_equal(first, second)

    def in_order(self, names: tuple[str, ...]) -> bool:
        """Whether they come in the same order in both epochs."""
        same = np.array_equal(self.first.joint(names), self.second.joint(names))
        return same and not (self.shuffled_by_fit and len(self.first.sizes) > 1)

    def repeated(self, name: str) -> tuple[int, int]:
        """How many examples of the second epoch came in the first, in one part, and of how many."""
        counts = Counter(self.first.parts[name].hashes.tolist())
        again = Counter(self.second.parts[name].hashes.tolist())
        return (counts & again).total(), self.second.count

    def different(self, name: str) -> float:
        """The share of the first epoch's examples that are different from each other in one part."""
        return len(np.unique(self.first.parts[name].hashes)) / self.first.count

    def figures(self, name: str, column: int) -> np.ndarray:
        return np.concatenate([epoch.parts[name].figures[:, column] for epoch in self.epochs])

    def batch_numbers(self) -> np.ndarray:
        return np.concatenate([self.first.batch_numbers, self.second.batch_numbers + len(self.first.sizes)])


def compare(feeds: Mapping[str, Any]) -> Report:
    """Reads two epochs of each feed and compares them with the first feed's.

    It takes feeds of any structure. Where both feeds repeat their examples, two that differ in one number of one
    example are told apart, and the example is named. Of what changes from epoch to epoch, it sees how often it
    changes, its distribution by example (mean, spread, lowest, highest, length, four patterns that tell positions
    apart), and that within each value of a label with at most ten. Alike feeds are called different for each such part
    in about one comparison in 10,000. A difference that leaves all of these alone is not seen, and draws that hold for
    a whole epoch are not allowed for. Labels of two or three values that are drawn anew in every epoch may agree in
    their numbers by chance in both feeds, and then be held against each other as if they repeated.

    Args:
        feeds: label -> whatever `feeds.opened` takes; at least two. The first is what the others are compared with.

    Raises:
        StudyError: for fewer than two feeds, or one that cannot be read.
    """
    if len(feeds) < 2:
        raise StudyError(f"parity without a task needs at least two feeds (got {len(feeds)}); give another one")
    opened = {label: feed_kinds.opened(feed) for label, feed in feeds.items()}
    seen = {label: _read(label, feed) for label, feed in opened.items()}
    reference, *others = seen
    checks: list[tuple[str, str, bool, str, str]] = []
    for label in others:

        def say(aspect, holds, expected, found, label=label):
            checks.append((label, aspect, bool(holds), str(expected), str(found)))

        _compare_two(seen[reference], seen[label], say)
    return Report.of_checks(checks, labels=feeds, aspects=ASPECTS)


def _read(label, feed):
    try:
        first, second = map(examples.read, feed_kinds.delivered(feed, 2))
    except StudyError as error:
        raise StudyError(f"{label}: {error}") from error
    if not first.count or not second.count:
        raise StudyError(
            f"{label}: a feed must give at least one example in every epoch (got none); look at its source"
        )
    return _Seen(first, second, bool(feed.shuffle))


def _compare_two(reference, other, say):
    wanted, found = (tuple(seen.first.parts) for seen in (reference, other))
    say("parts", wanted == found, ", ".join(wanted), ", ".join(found))
    if wanted != found:
        return
    _compare_form(reference, other, wanted, say)
    kept = {name: _which_repeat(reference, other, name) for name in wanted}
    fixed = tuple(name for name, repeats in kept.items() if all(repeats))
    for name, (in_reference, in_other) in kept.items():
        if in_reference and in_other:
            say("freshness", True, "", f"{name}: the same in every epoch")
        else:
            _compare_freshness(reference, other, name, in_reference == in_other, say)
    if fixed:
        _compare_fixed(reference, other, fixed, say)
        _compare_order(reference, other, fixed, say)
    else:
        counts = [[epoch.count for epoch in seen.epochs] for seen in (reference, other)]
        if all(len(set(of_feed)) == 1 for of_feed in counts):
            say("examples", counts[0] == counts[1], counts[0][0], counts[1][0])
    _compare_distributions(reference, other, [name for name in wanted if not any(kept[name])], fixed, say)


def _which_repeat(reference, other, name):
    """Whether one part repeats in either feed; in none, where only one does and that may be by chance."""
    both = (reference, other)
    repeats = [seen.repeats((name,)) for seen in both]
    if repeats[0] != repeats[1]:
        _, counts = np.unique(both[repeats.index(True)].first.parts[name].hashes, return_counts=True)
        if distributions.chance_of_the_same_counts(counts) >= SIGNIFICANCE:
            return False, False
    return repeats[0], repeats[1]


def _sizes_in_words(sizes):
    return ", ".join(f"{count} of {size}" for size, count in sorted(Counter(sizes).items(), reverse=True))


def _compare_form(reference, other, names, say):
    sizes = [{_sizes_in_words(epoch.sizes) for epoch in seen.epochs} for seen in (reference, other)]
    alike = bool(sizes[0] & sizes[1]) or min(map(len, sizes)) > 1
    say("batches", alike, " or ".join(sorted(sizes[0])), " or ".join(sorted(sizes[1])))
    for name in names:
        parts = [[epoch.parts[name] for epoch in seen.epochs] for seen in (reference, other)]
        dtypes = [", ".join(sorted({dtype for part in of_feed for dtype in part.dtypes})) for of_feed in parts]
        say("dtypes", dtypes[0] == dtypes[1], f"{name}: {dtypes[0]}", f"{name}: {dtypes[1]}")
        counted = [[Counter(part.shapes) for part in of_feed] for of_feed in parts]
        told = [f"{name}: {_shapes_in_words(of_feed)}" for of_feed in counted]
        # Where they depend on which examples share a batch, only the number of axes is one for all.
        vary = any(first != second for first, second in counted)
        forms = [{len(shape) if vary else shape for of_epoch in of_feed for shape in of_epoch} for of_feed in counted]
        same_count = reference.first.count == other.first.count
        say("shapes", forms[0] == forms[1] and (vary or not same_count or counted[0][0] == counted[1][0]), *told)


def _shapes_in_words(counted):
    shapes = [shape for shape, _ in (counted[0] + counted[1]).most_common()]
    return ", ".join(map(str, shapes[:TOLD])) + (f" and {len(shapes) - TOLD} more" if len(shapes) > TOLD else "")


def _compare_freshness(reference, other, name, both_change, say):
    shares = [seen.repeated(name) for seen in (reference, other)]
    told = [f"{name}: {1 - part / whole:.0%} of the examples changed" for part, whole in shares]
    # Of few values, as many repeat as their numbers happen to agree: that says nothing of single examples.
    few_values = min(seen.different(name) for seen in (reference, other)) < 0.5
    alike = both_change and (few_values or distributions.share_p_value(*shares) >= SIGNIFICANCE)
    say("freshness", alike, *told)


def _compare_fixed(reference, other, names, say):
    """Holds what repeats in both feeds against each other: together where it belongs together in both."""
    together = reference.repeats(names) and other.repeats(names)
    for group in [names] if together else [(name,) for name in names]:
        missing, added, rounded = unmatched.examples(reference.first, other.first, group)
        count = reference.first.count
        wanted = f"the same {count} examples ({', '.join(group)})"
        if not missing and not added:
            say("examples", True, wanted, "the same" + (", up to rounding" if rounded else ""))
            continue
        told = [_told(reference.first, other.first, missing, position, group) for position in added[:TOLD]]
        told += [f"without the first feed's {_where(reference.first, missing[0])}"] if missing and not added else []
        differing = f"{len(added)} others" if added else f"{len(missing)} fewer"
        say("examples", False, wanted, f"{other.first.count}, {differing}: {'; '.join(told)}")


def _where(epoch, position):
    return f"example {position} (batch {epoch.batch_numbers[position]})"


def _told(reference, other, missing, position, names):
    """What is strange about one example: the parts in which it differs from the most similar one that is missing."""
    here = np.array([other.parts[name].hashes[position] for name in names])
    there = np.array([[reference.parts[name].hashes[index] for name in names] for index in missing])
    where = _where(other, position)
    if not len(missing):
        return f"{where} is one too many"
    equal = there == here
    nearest = int(equal.sum(axis=1).argmax())
    if not equal[nearest].any() and len(names) > 1:
        return f"{where} has no counterpart"
    parts = [name for name, same in zip(names, equal[nearest], strict=True) if not same]
    return f"{where} has " + " and ".join(
        _instead(reference, other, missing[nearest], position, part) for part in parts
    )


def _instead(reference, other, index, position, name):
    wanted, found = reference.parts[name].values[index], other.parts[name].values[position]
    return f"another {name}" if wanted is None else f"{name} {found!r} instead of {wanted!r}"


def _compare_order(reference, other, names, say):
    """In the same order every epoch, or not; and where both are, whether that is one order."""
    if any(len(np.unique(seen.first.joint(names))) == 1 for seen in (reference, other)):
        return
    in_words = {True: "the same in every epoch", False: "another one in every epoch"}
    kept = [seen.in_order(names) for seen in (reference, other)]
    if kept[0] != kept[1] or not kept[0]:
        say("order", kept[0] == kept[1], *(in_words[keeps] for keeps in kept))
        return
    orders = [seen.first.joint(names) for seen in (reference, other)]
    if not np.array_equal(np.sort(orders[0]), np.sort(orders[1])):
        return  # said already, or rounding
    differing = np.flatnonzero(orders[0] != orders[1])
    where = f", but not the first feed's, from {_where(other.first, differing[0])} on" if len(differing) else ""
    say("order", not len(differing), in_words[True], in_words[True] + where)


def _compare_distributions(reference, other, names, fixed, say):
    """Tests what changes from epoch to epoch, over all examples and within each value of a label; tells the worst."""
    both = (reference, other)
    groups = [("", [np.full(len(seen.batch_numbers()), True) for seen in both])]
    groups += [group for name in fixed for group in _classes(reference, other, name)]
    for name in names:
        single = reference.first.parts[name].single
        tested = []
        for column in [0] if single else range(len(FIGURES)):
            for where, chosen in groups:
                samples = [seen.figures(name, column)[mask] for seen, mask in zip(both, chosen, strict=True)]
                numbers = [seen.batch_numbers()[mask] for seen, mask in zip(both, chosen, strict=True)]
                p = distributions.p_value(samples[0], samples[1], (numbers[0], numbers[1]))
                figure = "value" if single else FIGURES[column]
                tested.append((p, [f"{name}: {figure}{where} {_sample_in_words(sample)}" for sample in samples]))
        p, told = min(tested)
        say("distribution", p * len(tested) >= LEVEL, *told)


def _classes(reference, other, name):
    """Yields (in words, the examples of both feeds that have it) for each value of a label with few values."""
    hashes = [np.concatenate([epoch.parts[name].hashes for epoch in seen.epochs]) for seen in (reference, other)]
    values = np.unique(hashes[0])
    if not reference.first.parts[name].single or not 2 <= len(values) <= MOST_CLASSES:
        return
    told = dict(zip(reference.first.parts[name].hashes.tolist(), reference.first.parts[name].values, strict=True))
    for value in values:
        yield f" where {name} is {told[value]!r}", [of_feed == value for of_feed in hashes]


def _sample_in_words(sample):
    return f"{np.mean(sample):.4g} ± {np.std(sample):.2g}" if len(sample) else "none"
