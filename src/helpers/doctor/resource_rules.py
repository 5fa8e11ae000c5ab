"""Rules for what a feed keeps and shares: originals, buffers, cache files, workers, memory."""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from helpers import internals
from helpers.doctor import files_of, parts, seen
from helpers.doctor.case import Case
from helpers.doctor.findings import Finding, measured
from helpers.doctor.headspace import Headspace
from helpers.doctor.speed_rules import LARGE, gain_of
from helpers.pipelines import feeds

LARGER = 4.0  # times the pixels of what the model gets
HEAVIER = 5.0  # times the bytes of what is read, for a buffer that holds what was made of it
HEAVY_BYTES = 64 << 20  # of a buffer, whatever it costs
LOOKED_AT = 32  # elements of a cache
GROWTH = 1.0  # of an epoch's bytes, that each round of two epochs leaves behind
LEAST_GROWTH = 2 << 20  # bytes
SETTLING = 2  # rounds whose growth does not count
LEAST_ROUNDS = 4  # whose growth does


def oversized_source(case: Case) -> Finding | None:
    """Originals of many times the pixels that the model gets."""
    reading = case.epochs[0]
    if not reading.is_picture or not case.stages.outer:
        return None
    delivered = math.prod(reading.kept[0].shape[:2])
    originals = list(files_of.sizes(case))
    if not originals:
        return None
    times = float(np.median([height * width for height, width in originals])) / delivered
    stage = case.stages.costliest
    if times < LARGER or stage is None or case.stages.share(stage) < LARGE:
        return None
    height, width = originals[0]
    shape = reading.kept[0].shape
    return measured(
        "oversized_source",
        f"Originals such as {width} x {height} are decoded for pictures of {shape[1]} x {shape[0]}: "
        f"{times:.0f} times the pixels, in every epoch.",
        "store them once at the size that the model gets (or somewhat larger, to crop from)",
        where=stage.where or stage.name,
        gain=gain_of(case, stage, left=max(0.1, 1 / times)),
    )


def heavy_shuffle_buffer(case: Case) -> Finding | None:
    """A shuffle buffer of what maps made, many times the bytes of what they made it from."""
    kinds, datasets = case.stage_kinds, case.stages.datasets
    for place, kind in enumerate(kinds):
        before = kinds[:place]
        if kind != "Shuffle" or "Cache" in before or any("Batch" in each for each in before):
            continue
        maps = [number for number, each in enumerate(before) if each in ("Map", "ParallelMap")]
        if not maps:
            continue
        made, read = _bytes_of(datasets[place]), _bytes_of(datasets[maps[0] - 1])
        count = min(internals.told(datasets[place], "buffer_size"), case.epochs[0].count)
        work = sum(share for number in maps if (share := case.stages.share(case.stages.stages[number])) > 0)
        matters = case.headspace is None or case.headspace.matters
        is_large = count * made > HEAVY_BYTES or (matters and work > LARGE and count >= 0.25 * case.epochs[0].count)
        if made > HEAVIER * read and is_large:
            return measured(
                "heavy_shuffle_buffer",
                f"Its {count} examples take {count * made / 1e6:.1f} MB, and are made before the first batch comes; "
                f"what they are made from is {made / max(read, 1):.0f} times as small.",
                "shuffle names or indices, before the map that makes examples of them "
                "[fact: shuffle-fills-its-buffer-first]",
                where=case.where_of("Shuffle"),
                place=place,
            )
    return None


def _bytes_of(dataset):
    """The bytes of an element whose shape is known; a text counts as a name, all else that is not known as nothing."""
    import tensorflow as tf

    total = 0
    for spec in tf.nest.flatten(dataset.element_spec):
        if spec.dtype == tf.string:
            total += 64
        elif spec.shape.is_fully_defined():
            total += spec.dtype.size * spec.shape.num_elements()
    return total


def stale_cache(case: Case) -> Finding | None:
    """A cache file, there before the examination, of something else than what comes before the cache now."""
    for dataset, kind in zip(case.stages.datasets, case.stage_kinds, strict=True):
        name = internals.told(dataset, "filename") if kind == "Cache" else None
        if not name or name not in case.old_files:
            continue
        (below,) = internals.dataset_inputs(dataset)
        first, second, kept = (_contents(each) for each in (below, below, dataset))
        if first == second != kept:
            differing = next((n for n, pair in enumerate(zip(first, kept, strict=False)) if pair[0] != pair[1]), 0)
            return measured(
                "stale_cache",
                f"The cache file {os.path.basename(name)} is of an earlier pipeline: its example {differing} differs "
                "from the one that is made now.",
                f"delete {name}.*, or name the file after what is in it [fact: cache-in-a-file-stays]",
                where=case.where_of("Cache"),
            )
    return None


def _contents(dataset):
    import tensorflow as tf

    elements = dataset.take(LOOKED_AT).as_numpy_iterator()
    return [tuple(np.asarray(part).tobytes() for part in tf.nest.flatten(element)) for element in elements]


def unsafe_workers(case: Case) -> Finding | None:
    """Batches that come several times, or with other content, once several threads ask for them."""
    data: Any = case.feed.data
    if case.kind != "PyDataset" or data.workers < 2 or data.use_multiprocessing:
        return None
    count = len(case.epochs[0].epoch.sizes)
    try:
        together = parts.within(parts.HANGS_S, lambda: seen.read(_by_workers(data, count)), "a reading by workers")
    except Exception as error:
        told = f"Asked by {data.workers} threads at once, it fails ({type(error).__name__}: {error})."
        return measured("unsafe_workers", told, "share nothing that changes between calls of __getitem__")
    twice = max(reading.count - len(np.unique(reading.inputs)) for reading in case.epochs)
    now = together.count - len(np.unique(together.inputs))
    expected = sorted(case.epochs[0].inputs.tolist())
    repeats = expected == sorted(case.epochs[1].inputs.tolist())
    others = len(set(together.inputs.tolist()) - set(expected)) if repeats else 0
    if now <= twice + max(2, 0.01 * together.count) and not others:
        return None
    what = f"{now} examples come several times" if now > twice else f"{others} examples are others"
    _, index, counts = np.unique(together.inputs, return_index=True, return_counts=True)
    return measured(
        "unsafe_workers",
        f"Asked by {data.workers} threads at once, {what} than one after the other.",
        "share nothing that changes between calls of __getitem__: no buffer, no file handle, no counter "
        "[fact: workers-wait-together]",
        where=case.stages.outer[0].where if case.stages.outer else "",
        examples=together.first(index[counts > 1]),
    )


def _by_workers(data: Any, count: int) -> Iterator[Any]:
    """Yields an epoch's batches as NumPy arrays; as many are held as a queue of Keras' holds."""
    waiting = max(2, data.max_queue_size)
    internals.begin_epoch(data)
    with ThreadPoolExecutor(data.workers) as pool:
        for start in range(0, count, waiting):
            batches = list(pool.map(data.__getitem__, range(start, min(count, start + waiting))))
            yield from map(feeds.as_fit_sees, batches)
    data.on_epoch_end()


def memory_growth(case: Case) -> Finding | None:
    """Memory that grows with every round of epochs."""
    if case.headspace is None or not has_rounds_enough(case.headspace):
        return None
    held = growth(case.headspace.resident_bytes, case.epochs[0].bytes)
    if not held:
        return None
    told = f"Each further epoch or two leave about {held / 1e6:.1f} MB behind, of {case.epochs[0].bytes / 1e6:.1f} MB."
    return measured("memory_growth", told, "keep no batches, tensors or datasets from epoch to epoch")


def has_rounds_enough(head: Headspace | None) -> bool:
    """Whether so many rounds were run that memory which grows can be told from memory which settles.

    Args:
        head: of the feed, or None.
    """
    return head is not None and len(head.resident_bytes) > SETTLING + LEAST_ROUNDS


def growth(resident_bytes: np.ndarray, epoch_bytes: float) -> float:
    """Returns the bytes that each of several rounds of epochs leaves behind; 0 where they do not in nearly all.

    Args:
        resident_bytes: of the process after each round, (rounds,).
        epoch_bytes: of an epoch's examples.
    """
    more = np.diff(resident_bytes)[SETTLING:]
    if len(more) < LEAST_ROUNDS or (more > 0).mean() < 0.8:
        return 0.0
    usual = float(np.median(more))
    return usual if usual > max(LEAST_GROWTH, GROWTH * epoch_bytes) else 0.0


RULES = (oversized_source, heavy_shuffle_buffer, stale_cache, unsafe_workers, memory_growth)
