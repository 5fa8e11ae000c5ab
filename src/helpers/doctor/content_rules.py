"""Rules for faults of content: from two epochs, the source where it is given, and the graph."""

from collections import Counter

import numpy as np

from helpers.doctor.case import Case
from helpers.doctor.findings import Finding, measured, suspected

LEVEL = 1e-6  # of a test that one feed goes through: a false alarm in a million
SORTED = 0.5  # Cramér's V of label and batch, at which batches are called sorted


def label_mismatch(case: Case) -> Finding | None:
    """Targets that are not those of their inputs."""
    first, second = case.epochs
    remedy = (
        "shuffle, filter and map inputs and targets together, as one dataset of pairs or with one index "
        "[fact: shuffles-come-apart]"
    )
    if case.source is not None and (found := _against_source(case, remedy)):
        return found
    if first.targets is None or second.targets is None:
        return None
    then, now = _unique_pairs(first), _unique_pairs(second)
    both = then.keys() & now.keys()
    other = [content for content in both if then[content] != now[content]]
    if len(both) >= 8 and len(other) > 0.05 * len(both):
        chosen = np.flatnonzero(np.isin(first.inputs, np.array(other, np.uint64)))
        return measured(
            "label_mismatch",
            f"{len(other)} of {len(both)} inputs came with another target in the next epoch.",
            remedy,
            examples=first.first(chosen),
        )
    if case.graph_has_zip_of_two_shuffles:
        return suspected("label_mismatch", "Two datasets that are shuffled each for itself are zipped.", remedy)
    return None


def _unique_pairs(reading):
    counts = Counter(reading.inputs.tolist())
    pairs = zip(reading.inputs.tolist(), reading.targets.tolist(), strict=True)
    return {content: target for content, target in pairs if counts[content] == 1}


def _against_source(case, remedy):
    first, matched, source = case.epochs[0], case.matched[0], case.source
    if not matched.is_reliable or first.targets is None or source.targets is None:
        return None
    clear = np.flatnonzero(matched.clear)
    index = matched.index[clear]
    if first.labels is not None and source.labels is not None:
        delivered, original = first.labels[clear], source.labels
    elif matched.exact:
        delivered, original = first.targets[clear], source.targets
    else:
        return None
    expected = _recoded(original[index], delivered, original)
    wrong = expected[index] != delivered
    if wrong.mean() <= 0.01:
        return None
    told = f"{wrong.sum()} of {len(clear)} examples came with a target that is not theirs in the source."
    for shift in (1, -1):
        if (expected[(index + shift) % len(original)] == delivered).mean() > 0.95:
            there = (index[wrong][0] + shift) % len(original)
            told += f" Example {index[wrong][0]} came with the label of example {there}."
    return measured("label_mismatch", told, remedy, examples=first.first(clear[wrong]))


def _recoded(original, delivered, whole):
    """Returns the source's labels in the codes of the delivered ones, where most of each have the same."""
    codes = {}
    for label in np.unique(original):
        values, counts = np.unique(delivered[original == label], return_counts=True)
        codes[label] = values[counts.argmax()] if counts.max() > 0.8 * counts.sum() else label
    if len(set(codes.values())) < len(codes):
        return whole
    return np.array([codes.get(label, label) for label in whole])


def weak_shuffle(case: Case) -> Finding | None:
    """Training examples whose batches hold fewer classes than chance gives."""
    reading = case.epochs[0]
    if case.role != "training" or reading.labels is None or len(reading.epoch.sizes) < 4:
        return None
    strength, p_value = association(reading.labels, reading.batch_numbers)
    if p_value > LEVEL or strength < SORTED:
        return None
    classes = np.mean([len(np.unique(reading.labels[reading.batch_numbers == n])) for n in range(4)])
    return measured(
        "weak_shuffle",
        f"The first batches hold {classes:.1f} classes each, of {len(np.unique(reading.labels))}: they come sorted.",
        "shuffle the examples (or their file names or indices) with a buffer as large as the data, before batch "
        "[fact: shuffle-reaches-its-buffer]",
        where=case.where_of("Shuffle"),
    )


def association(labels: np.ndarray, blocks: np.ndarray) -> tuple[float, float]:
    """Returns (Cramér's V, p) of label and block; blocks are joined until each is large enough for the test."""
    from scipy import stats

    _, labels = np.unique(labels, return_inverse=True)
    if not 2 <= labels.max() + 1 <= len(labels) / 8:
        return 0.0, 1.0
    table = np.zeros((labels.max() + 1, blocks.max() + 1))
    np.add.at(table, (labels, blocks), 1)
    table = table[:, table.sum(axis=0) > 0]
    if min(table.shape) < 2:
        return 0.0, 1.0
    test = stats.chi2_contingency(table)
    # Without any order, V has about this square by chance.
    by_chance = (table.shape[0] - 1) * (table.shape[1] - 1) / len(labels)
    most = min(table.shape) - 1
    return float(np.sqrt(max(0.0, test.statistic / len(labels) - by_chance) / most)), float(test.pvalue)


def frozen_order(case: Case) -> Finding | None:
    """The same order in both epochs, where a shuffle is written."""
    first, second = case.epochs
    if case.role != "training" or len(first.epoch.sizes) < 2:
        return None
    if not case.has_stage("Shuffle") and not case.is_permuted_by_the_feed:
        return None
    same = np.array_equal(first.inputs, second.inputs) and len(np.unique(first.inputs)) > 0.5 * first.count
    if not same and first.labels is not None and second.labels is not None and len(np.unique(first.labels)) > 1:
        same = np.array_equal(first.labels, second.labels) and len(first.labels) >= 64
    if not same:
        return None
    return measured(
        "frozen_order",
        "Both epochs came in the same order, though the data is shuffled.",
        "shuffle after cache(), with reshuffle_each_iteration left on "
        "[facts: shuffle-before-cache-freezes, reshuffled-each-iteration]",
        where=case.where_of("Shuffle"),
    )


def shuffle_after_batch(case: Case) -> Finding | None:
    """The same examples in each batch, the batches in another order."""
    if case.role != "training" or not case.whole:
        return None
    first, second = (_batches(reading) for reading in case.epochs)
    if len(first) < 4 or Counter(first) != Counter(second) or len(set(first)) < 4:
        return None
    moved = first != second
    if (case.kind == "tf.data" and case.shuffles_batches) or (case.kind == "PyDataset" and moved):
        return measured(
            "shuffle_after_batch",
            "The same examples meet in the same batch in both epochs: only the batches are shuffled.",
            "shuffle before batch() [fact: shuffle-after-batch-keeps-neighbours]"
            if case.kind == "tf.data"
            else "shuffle an index of examples in on_epoch_end [fact: fit-shuffles-batches]",
            where=case.where_of("Shuffle"),
        )
    return None


def _batches(reading):
    content = reading.inputs if reading.targets is None else reading.inputs ^ reading.targets
    parts = np.split(content, np.cumsum(reading.epoch.sizes)[:-1])
    return [hash(tuple(sorted(part.tolist()))) for part in parts]


def epochs_mixed(case: Case) -> Finding | None:
    """Epochs that overlap, because repeat() comes before shuffle()."""
    order = case.stage_kinds
    places = {name: [place for place, each in enumerate(order) if each == name] for name in ("Repeat", "Shuffle")}
    if not places["Repeat"] or not any(place > places["Repeat"][0] for place in places["Shuffle"]):
        return None
    remedy = (
        "put repeat() after shuffle() (or leave it out, and let fit repeat) [fact: repeat-before-shuffle-mixes-epochs]"
    )
    first = case.epochs[0]
    keys = case.identities(0)
    if keys is None:
        return suspected("epochs_mixed", "repeat() comes before shuffle(): the buffer mixes epochs.", remedy)
    twice = len(keys) - len(np.unique(keys))
    if not twice or not case.whole:
        return None
    _, index, counts = np.unique(keys, return_index=True, return_counts=True)
    return measured(
        "epochs_mixed",
        f"{twice} of {len(keys)} examples of an epoch came twice in it, because repeat() comes before shuffle().",
        remedy,
        examples=first.first(index[counts > 1]),
    )


def frozen_augmentation(case: Case) -> Finding | None:
    """Inputs that are the same in both epochs, though random numbers are drawn for them."""
    first, second = case.epochs
    drawn = case.draws_random
    if case.role != "training" or not drawn or not _same_content(first.inputs, second.inputs):
        return None
    if case.source is not None and case.matched[0].exact and case.matched[0].is_reliable:
        return None  # they are the source's own: nothing was changed at all
    cached = case.random_before_cache
    proved = cached or case.kind == "tf.data" or case.source is not None
    evidence = "Both epochs hold the very same inputs, though random numbers are drawn for them" + (
        ", before a cache." if cached else "."
    )
    remedy = (
        "augment behind cache() [fact: random-map-before-cache-freezes]"
        if cached
        else "draw anew for every example in every epoch: no fixed seed there [fact: seeded-map-repeats-every-epoch]"
    )
    return (measured if proved else suspected)("frozen_augmentation", evidence, remedy, where=drawn)


def _same_content(first, second):
    return np.array_equal(np.sort(first), np.sort(second))


def shared_draws(case: Case) -> Finding | None:
    """The same brightness or the same flip for all examples of a batch, and another one for the next batch."""
    features = None if case.source is None else case.source.features
    if features is None or not case.epochs[0].is_picture:
        return None
    for number, (reading, matched) in enumerate(zip(case.epochs, case.matched, strict=True)):
        if not matched.is_reliable or matched.exact or reading.features is None:
            return None
        clear = matched.clear
        groups = reading.batch_numbers[clear]
        sizes = np.bincount(groups)
        if len(sizes) < 4 or np.median(sizes) < 4:
            return None
        theirs = features[matched.index[clear]]
        mine = reading.features[clear]
        scale = np.median(mine.std(axis=1) / np.maximum(theirs.std(axis=1), 1e-9))
        shift = mine.mean(axis=1) - scale * theirs.mean(axis=1)
        for what, draw in (("brightness", shift / max(scale, 1e-9)), ("flip", matched.flipped[clear].astype(float))):
            within = np.mean([draw[groups == group].std() for group in np.unique(groups)])
            between = np.std([draw[groups == group].mean() for group in np.unique(groups)])
            notable = 0.02 * features.std() if what == "brightness" else 0.2
            if between > notable and within < 0.1 * between:
                return measured(
                    "shared_draws",
                    f"All examples of a batch got the same {what}, and each batch another one (epoch {number + 1}).",
                    "draw one number for each example: shape (batch, 1, 1, 1), or map before batch",
                    where=case.draws_random,
                )
    return None


def lost_examples(case: Case) -> Finding | None:
    """Examples that came in neither epoch."""
    remedy = (
        "keep the last partial batch (drop_remainder=False, ceil in __len__), or shuffle before it is dropped "
        "[fact: remainder-dropped]"
    )
    if not case.whole:
        return None
    if case.source is None:
        known, count = case.examples_in_graph, case.epochs[0].count
        same = _same_content(*(reading.inputs for reading in case.epochs))
        if (
            known
            and count < known
            and case.drops_remainder
            and same
            and known - count < max(case.epochs[0].epoch.sizes)
        ):
            told = f"The last {known - count} of {known} examples are dropped in every epoch, always the same."
            return measured("lost_examples", told, remedy)
        return None
    if not all(matched.is_reliable for matched in case.matched):
        return None
    missing = [np.setdiff1d(np.arange(case.source.count), matched.index) for matched in case.matched]
    always = np.intersect1d(missing[0], missing[1])
    unclear = max(int((~matched.clear).sum()) for matched in case.matched)
    always = always[~np.isin(case.source.inputs[always], case.duplicates_of_source)]
    by_chance = len(missing[0]) * len(missing[1]) / case.source.count
    if len(always) <= unclear + 3 * by_chance**0.5 + by_chance or (len(always) < 0.5 * min(map(len, missing))):
        return None
    return measured(
        "lost_examples",
        f"{len(always)} of {case.source.count} examples of the source came in neither epoch, "
        f"such as {', '.join(map(str, always[:3]))}.",
        remedy,
        examples=case.source.first(always),
    )


def repeated_examples(case: Case) -> Finding | None:
    """Examples that come several times in an epoch."""
    first = case.epochs[0]
    remedy = "draw each index once per epoch: a permutation, not random.choice or randint; check the slice's bounds"
    if epochs_mixed(case) is not None:
        return None
    keys = [keys for number in (0, 1) if (keys := case.identities(number)) is not None]
    if len(keys) < 2:
        return None
    if case.source is None:
        batches = _batches(first)
        whole = [number for number, count in Counter(batches).items() if count > 1]
        distinct = len(np.unique(keys[0]))
        if whole and distinct > 1 and min(first.epoch.sizes[:-1], default=0) >= 4 and distinct > 0.2 * first.count:
            return measured("repeated_examples", f"{len(whole)} batches came twice in one epoch.", remedy)
        twice = [{key for key, count in Counter(each.tolist()).items() if count > 1} for each in keys]
        here, common = set(keys[0].tolist()), set(keys[0].tolist()) & set(keys[1].tolist())
        moved = len(twice[0] ^ twice[1])
        if moved > 0.02 * len(here) and len(common) > 0.2 * len(here):
            told = f"{len(twice[0])} examples came several times in the first epoch, and others in the second."
            return measured("repeated_examples", told, remedy)
        return None
    counts = Counter(keys[0].tolist())
    many = [key for key, count in counts.items() if count > 1 and key >= 0]
    if len(many) <= max(2, 0.01 * first.count):
        return None
    chosen = np.flatnonzero(np.isin(keys[0], many))
    told = f"{len(many)} examples of the source came several times in one epoch."
    return measured("repeated_examples", told, remedy, examples=first.first(chosen))


RULES = (
    label_mismatch,
    weak_shuffle,
    frozen_order,
    shuffle_after_batch,
    epochs_mixed,
    frozen_augmentation,
    shared_draws,
    lost_examples,
    repeated_examples,
)
