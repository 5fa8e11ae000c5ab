"""Remedies of tf.data pipelines: each an edit of their parts, of which the user's functions are made anew."""

from collections.abc import Callable
from dataclasses import replace

from helpers import internals
from helpers.doctor.case import Case
from helpers.doctor.findings import Finding
from helpers.doctor.rebuilding import (
    BATCHES,
    MAPS,
    SAME_ELEMENTS,
    CannotRebuild,
    Chain,
    Step,
    again,
    parallel,
    vectorised,
)
from helpers.pipelines import AUTOTUNE

Edit = Callable[[Case, Finding, Chain], Chain]
LEAST_BATCH = 32
CYCLE = 8  # files that are read at once


def _place(case, finding, chain):
    if finding.place < 0:
        raise CannotRebuild("a remedy needs the stage (got a finding of the whole feed)")
    return chain.place_of(case.stages.datasets[finding.place])


def _first(chain, kinds):
    place = next((place for place, kind in enumerate(chain.kinds) if kind in kinds), None)
    if place is None:
        raise CannotRebuild(f"a remedy needs one of {', '.join(kinds)} (got none)")
    return place


def _over(chain, place, kinds):
    """Returns how far ahead a step can go over steps of some kinds."""
    while place > 0 and chain.kinds[place - 1] in kinds:
        place -= 1
    return place


CACHE = Step("Cache", lambda below: below.cache())


def cache(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Keeps what a stage makes; what shuffled before it shuffles behind the cache."""
    place = _place(case, finding, chain)
    before = chain.kinds[: place + 1]
    shuffles = [number for number, kind in enumerate(before) if kind == "Shuffle"]
    if "Repeat" in before or (shuffles and any(kind in BATCHES for kind in before)):
        raise CannotRebuild("a cache comes before repeat(), and before shuffled batches")
    kept = [step for number, step in enumerate(chain.steps[: place + 1]) if number not in shuffles]
    moved = [replace(chain.steps[number], is_edited=True) for number in shuffles]
    return chain.with_steps([*kept, CACHE, *moved, *chain.steps[place + 1 :]])


def cache_what_repeats(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Keeps what Python makes, where both epochs delivered the same."""
    first, second = (sorted(reading.inputs.tolist()) for reading in case.epochs)
    if first != second or not case.whole:
        raise CannotRebuild("only what is the same in every epoch is kept")
    return cache(case, finding, chain)


def batch_first(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Puts batch() before a map, and before the maps behind it, which then take whole batches."""
    place, batch = _place(case, finding, chain), _first(chain, BATCHES)
    if place > batch:
        raise CannotRebuild("the map takes whole batches already")
    between = chain.steps[place:batch]
    if not {step.kind for step in between} <= {*MAPS, *SAME_ELEMENTS}:
        raise CannotRebuild("batch() cannot go before what takes examples apart")
    rest = [step for step in between if step.kind not in MAPS]
    maps = [vectorised(step) for step in between if step.kind in MAPS]
    moved = [replace(step, is_edited=True) for step in (*rest, chain.steps[batch])]
    return chain.with_steps([*chain.steps[:place], *moved, *maps, *chain.steps[batch + 1 :]])


def parallel_map(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Makes several calls of a map at once."""
    place = _place(case, finding, chain)
    return chain.replaced(place, parallel(chain.steps[place]))


def parallel_read(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Reads several files at once; their examples come in another order, where they did not in turn."""
    place = _place(case, finding, chain)
    step = chain.steps[place]
    function, stage = internals.function_of(step.original), step.original
    if step.kind == "Interleave":
        lengths = {name: internals.told(stage, name) for name in ("cycle_length", "block_length")}
        make = step.made_by(lambda below: below.interleave(function, **lengths, num_parallel_calls=AUTOTUNE))
    elif step.kind == "FlatMap" and "Shuffle" in chain.kinds[place:]:
        make = step.made_by(
            lambda below: below.interleave(function, CYCLE, num_parallel_calls=AUTOTUNE, deterministic=False)
        )
    else:
        raise CannotRebuild("reading files at once changes an order that nothing shuffles")
    return chain.replaced(place, make)


def prefetch(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Prepares batches while the model trains."""
    return chain.inserted(len(chain.steps), Step("Prefetch", lambda below: below.prefetch(AUTOTUNE)))


def select_first(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Puts shard(), skip() or filter() before the maps whose work it throws away."""
    place = _first(chain, ("Shard", "Skip", "Filter"))
    before = _over(chain, place, (*MAPS, "Prefetch", "Options"))
    if before == place:
        raise CannotRebuild("no map is before it")
    return chain.moved(place, before)


def shuffle_before_maps(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Shuffles names or indices, with a buffer as large as the data, before they become examples."""
    place = _first(chain, ("Shuffle",))
    before = _over(chain, place, (*MAPS, "Prefetch", "Options"))
    if before == place:
        raise CannotRebuild("no map is before it")
    return _full_shuffle(chain.moved(place, before), before)


def _full_shuffle(chain, place):
    step = chain.steps[place]
    size = max(_examples_before(chain, place), internals.told(step.original, "buffer_size"))
    return chain.replaced(place, step.made_by(lambda below: below.shuffle(size)))


def _examples_before(chain, place):
    return int(chain.before(place).cardinality())


def all_threads(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Leaves the number of threads to TensorFlow."""
    import tensorflow as tf

    options = tf.data.Options()
    options.threading.private_threadpool_size = 0
    return chain.inserted(len(chain.steps), Step("Options", lambda below: below.with_options(options)))


def narrower(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Makes inputs of eight bytes a number such of four."""
    return chain.inserted(len(chain.steps), Step("Map", lambda below: below.map(_inputs_narrower)))


def _inputs_narrower(*parts):
    import tensorflow as tf

    narrow = {tf.float64: tf.float32, tf.int64: tf.int32}
    x = tf.nest.map_structure(lambda each: tf.cast(each, narrow.get(each.dtype, each.dtype)), parts[0])
    return (x, *parts[1:]) if len(parts) > 1 else x


def full_shuffle(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Shuffles with a buffer as large as the data."""
    if "Shuffle" in chain.kinds[: _first(chain, BATCHES)]:
        return _full_shuffle(chain, _first(chain, ("Shuffle",)))
    return _shuffled(chain, _first(chain, BATCHES))


def _shuffled(chain, place):
    size = max(LEAST_BATCH, _examples_before(chain, place))
    return chain.inserted(place, Step("Shuffle", lambda below: below.shuffle(size)))


def shuffle_examples(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Shuffles before batch() instead of behind it."""
    batch = _first(chain, BATCHES)
    behind = [place for place, kind in enumerate(chain.kinds) if kind == "Shuffle" and place > batch]
    steps = [step for place, step in enumerate(chain.steps) if place not in behind]
    return _shuffled(chain.with_steps(steps), batch)


def shuffle_anew(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Shuffles anew in every epoch, behind a cache."""
    place = _first(chain, ("Shuffle",))
    size = internals.told(chain.steps[place].original, "buffer_size")
    anew = chain.steps[place].made_by(lambda below: below.shuffle(size))
    caches = [number for number, kind in enumerate(chain.kinds) if kind == "Cache" and number > place]
    if any(kind in BATCHES for kind in chain.kinds[place : caches[-1] if caches else place]):
        raise CannotRebuild("the cache holds batches")
    last = caches[-1] if caches else place
    behind = [replace(step, is_edited=True) for step in chain.steps[place + 1 : last + 1]]
    return chain.with_steps([*chain.steps[:place], *behind, anew, *chain.steps[last + 1 :]])


def repeat_last(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Puts repeat() behind shuffle()."""
    place = _first(chain, ("Repeat",))
    last = max((number for number, kind in enumerate(chain.kinds) if kind == "Shuffle"), default=-1)
    if last < place:
        raise CannotRebuild("repeat() is behind shuffle() already")
    steps = list(chain.steps)
    steps.insert(last, replace(steps.pop(place), is_edited=True))
    return chain.with_steps(steps)


def augment_behind_cache(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Puts the cache before the first map that draws random numbers."""
    cached = max((number for number, kind in enumerate(chain.kinds) if kind == "Cache"), default=-1)
    random = [place for place in range(cached) if case.is_random(chain.steps[place].original)]
    if not random or {"Shuffle", "Repeat"} & {*chain.kinds[: random[0]]}:
        raise CannotRebuild("no cache is behind a random map, or a shuffle would be frozen in its place")
    steps = list(chain.steps)
    steps.pop(cached)
    return chain.with_steps([*steps[: random[0]], CACHE, *steps[random[0] :]])


def keep_remainder(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Keeps the last partial batch."""
    place = _first(chain, BATCHES)
    size = internals.told(chain.steps[place].original, "batch_size")
    if not internals.told(chain.steps[place].original, "drop_remainder"):
        raise CannotRebuild("batch() drops nothing")
    return chain.replaced(place, chain.steps[place].made_by(lambda below: below.batch(size)))


def larger_batches(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Makes batches of at least 32."""
    place = _first(chain, BATCHES)
    return chain.replaced(place, chain.steps[place].made_by(lambda below: below.batch(LEAST_BATCH)))


def shorter_cache(case: Case, finding: Finding, chain: Chain) -> Chain:
    """Leaves a cache out that does not fit."""
    place = _first(chain, ("Cache",))
    following = [replace(step, make=again(step.original), is_edited=True) for step in chain.steps[place + 1 :]]
    return chain.with_steps([*chain.steps[:place], *following])


# What can be done about a fault: in words, what it changes in the data ("" for nothing), the edit.
EDITS: dict[str, tuple[str, str, Edit]] = {
    "no_cache": ("a cache behind it", "", cache),
    "python_in_map": ("a cache behind it, because every epoch is the same", "", cache_what_repeats),
    "slow_generator": ("a cache behind it, because every epoch is the same", "", cache_what_repeats),
    "map_per_element": ("batch() before it", "", batch_first),
    "sequential_map": ("several calls at once", "", parallel_map),
    "sequential_read": ("several files at once", "", parallel_read),
    "no_prefetch": ("a prefetch at the end", "", prefetch),
    "wasted_work": ("throwing away first", "", select_first),
    "heavy_shuffle_buffer": ("shuffling first", "", shuffle_before_maps),
    "thread_starvation": ("as many threads as there are cores", "", all_threads),
    "cache_too_large": ("no cache", "", shorter_cache),
    "wide_dtype": ("float32 or int32", "the dtype of inputs", narrower),
    "weak_shuffle": ("a buffer as large as the data", "the order", full_shuffle),
    "shuffle_after_batch": ("shuffle() before batch()", "which examples meet in a batch", shuffle_examples),
    "frozen_order": ("shuffling anew in every epoch", "the order", shuffle_anew),
    "epochs_mixed": ("repeat() behind shuffle()", "which examples an epoch has", repeat_last),
    "frozen_augmentation": ("the cache before augmentation", "the random draws", augment_behind_cache),
    "lost_examples": ("the last partial batch too", "how many examples an epoch has", keep_remainder),
    "tiny_batches": (f"batches of {LEAST_BATCH}", "the size of batches", larger_batches),
}
