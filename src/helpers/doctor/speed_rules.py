"""Rules for faults of speed: from what the stages cost, and how they are written."""

import itertools
import math
from dataclasses import replace

import numpy as np

from helpers import internals
from helpers.doctor import prediction
from helpers.doctor.case import IN_PYTHON, RANDOM_OPERATIONS, Case
from helpers.doctor.findings import Finding, measured, suspected
from helpers.doctor.stages import Stage

LARGE = 0.25  # share of the feed's cost that makes a stage a large one
CHEAP_S = 8e-5  # CPU seconds of an example, below which calling costs as much as what is called
KEPT_S = 5e-5  # CPU seconds of an example, from which keeping it pays
COSTLY_S = 1e-4  # CPU seconds of an example, from which a thread of its own pays
CACHED_S = 3e-6  # CPU seconds of an element that a cache keeps
BATCHED = 0.1  # of a cheap map's cost is left once it takes whole batches
LEAST_S = 2e-6  # and of a map that costs anything
FEW = 4  # examples of a tiny batch
READERS = ("TFRecord", "TextLine", "FixedLengthRecord")
IN_MEMORY = ("TensorSlice", "Tensor", "Range")  # a cache of them gains nothing
MAPS = ("Map", "ParallelMap")


def _maps(case: Case):
    """Yields (place, dataset, stage, operations of its function, examples that it makes per batch) of each map."""
    batch = max(case.epochs[0].epoch.sizes)
    kinds = case.stage_kinds
    batched_at = next((place for place, kind in enumerate(kinds) if "Batch" in kind), len(kinds))
    for place, (dataset, stage) in enumerate(zip(case.stages.datasets, case.stages.stages, strict=False)):
        if kinds[place] in MAPS and math.isfinite(stage.cost_s):
            yield place, dataset, stage, internals.function_operations(dataset), batch if place < batched_at else 1


def _stages(case: Case):
    """Yields (place, dataset, stage, kind) of each stage."""
    yield from zip(itertools.count(), case.stages.datasets, case.stages.stages, case.stage_kinds, strict=False)


def gain_of(case: Case, stage: Stage, left: float = 0.0, *, calls: int | None = None) -> float:
    """Predicts how many times as fast an epoch is once a stage costs only a share of what it does.

    Args:
        case: the feed.
        stage: of it.
        left: the share of its cost that stays, 0 to 1.
        calls: that it will make at once; None: as now.
    """
    return prediction.gain(
        case,
        lambda _, each: replace(prediction.scaled(each, left), calls=calls or each.calls) if each is stage else each,
    )


def gain_of_cache(case: Case, stage: Stage) -> float:
    """Predicts how many times as fast an epoch is once a cache keeps what a stage and those before it make.

    Args:
        case: the feed.
        stage: of it, behind which the cache will be.
    """
    at = next(place for place, each in enumerate(case.stages.outer) if each is stage)
    sizes, whole_batches = case.epochs[0].epoch.sizes, any("Batch" in kind for kind in case.stage_kinds[: at + 1])
    read_s = CACHED_S * (len(sizes) if whole_batches else sum(sizes))

    def edited(place, each):
        return each if place > at else Stage("Cache", cpu_s=read_s if place == at else 0.0)

    return prediction.gain(case, edited)


def _per_example(case: Case, stage: Stage, per_batch: int) -> float:
    return stage.cost_s / max(1, case.stages.batches * per_batch)


def python_in_map(case: Case) -> Finding | None:
    """A map that calls Python for every example."""
    for place, _, stage, operations, per_batch in _maps(case):
        if operations & IN_PYTHON and per_batch > 1 and case.stages.share(stage) > LARGE:
            return measured(
                "python_in_map",
                f"{case.stages.share(stage):.0%} of the input's CPU is Python, called for every example.",
                "write it in TensorFlow's operations, or call Python once for a whole batch [fact: python-takes-turns]",
                where=stage.where or stage.name,
                place=place,
                gain=gain_of_cache(case, stage),
            )
    return None


def slow_generator(case: Case) -> Finding | None:
    """from_generator that hands over single examples."""
    for place, dataset, stage, kind in _stages(case):
        batched = any("Batch" in each for each in case.stage_kinds)
        if kind == "FlatMap" and batched and _is_generator(dataset) and case.stages.share(stage) > LARGE:
            return measured(
                "slow_generator",
                f"{case.stages.share(stage):.0%} of the input's CPU goes to a generator of single examples.",
                "have the generator yield whole batches, or make arrays or files of the data "
                "[fact: generator-pays-per-element]",
                where=stage.where or "from_generator",
                place=place,
                gain=gain_of_cache(case, stage),
            )
    return None


def _is_generator(dataset):
    return "GeneratorDataset" in internals.function_operations(dataset)


def map_per_element(case: Case) -> Finding | None:
    """A cheap map on single examples."""
    for place, _, stage, operations, per_batch in _maps(case):
        cost = _per_example(case, stage, per_batch)
        if per_batch < 8 or operations & IN_PYTHON or _is_random(operations) or not LEAST_S < cost < CHEAP_S:
            continue
        if case.stages.share(stage) > LARGE and not stage.first_epoch_only and not _reads_files(operations):
            return measured(
                "map_per_element",
                f"It takes {1e6 * cost:.0f} µs of CPU per example, much of it for the call; {per_batch} in a batch.",
                "put batch() before it, and have it take whole batches [fact: map-pays-per-call]",
                where=stage.where or stage.name,
                place=place,
                gain=gain_of(case, stage, left=BATCHED),
            )
    return None


def _reads_files(operations):
    return bool(operations & {"ReadFile", "DecodeJpeg", "DecodePng", "DecodeImage", "ParseExample", "ParseExampleV2"})


def sequential_map(case: Case) -> Finding | None:
    """A costly map that runs one call at a time, and that TensorFlow does not make parallel."""
    for place, _, stage, operations, per_batch in _maps(case):
        cost = _per_example(case, stage, per_batch)
        if operations & IN_PYTHON or (stage.calls or 1) > 1 or stage.first_epoch_only or _ran_parallel(case, place):
            continue
        if cost > COSTLY_S and case.stages.share(stage) > LARGE:
            why = "it draws random numbers" if _is_random(operations) else "autotune is off, or the call says so"
            return measured(
                "sequential_map",
                f"{case.stages.share(stage):.0%} of the input's CPU in one thread: {why}.",
                "give it num_parallel_calls=tf.data.AUTOTUNE [fact: random-map-stays-sequential]",
                where=stage.where or stage.name,
                place=place,
                gain=gain_of(case, stage, left=1.0, calls=int(prediction.cores())),
            )
    return None


def _ran_parallel(case, place):
    """Whether TensorFlow may make several calls of a map at once, however many it chose."""
    written = case.stages.graph.written
    if len(written) != len(case.stages.datasets):
        return False
    nodes = [node for node in case.stages.graph.nodes if any(stage is written[place] for stage in node.stages)]
    return any(node.settings.get("num_parallel_calls") not in (None, 1) for node in nodes)


def _is_random(operations):
    return any(operation.startswith(RANDOM_OPERATIONS) for operation in operations)


def sequential_read(case: Case) -> Finding | None:
    """Files that are read one after the other."""
    for place, dataset, stage, kind in _stages(case):
        nested = internals.function_operations(dataset)
        reads = kind in ("FlatMap", "Interleave") and any(each.startswith(READERS) for each in nested)
        if reads and case.stages.share(stage) > LARGE and (stage.calls or 1) == 1:
            return suspected(
                "sequential_read",
                "Its files are read one after the other.",
                "interleave(…, cycle_length=8, num_parallel_calls=tf.data.AUTOTUNE, deterministic=False) "
                "[fact: interleave-reads-several]",
                where=stage.where or stage.name,
                place=place,
                gain=gain_of(case, stage, left=1.0, calls=int(prediction.cores())),
            )
    return None


def no_prefetch(case: Case) -> Finding | None:
    """Nothing is prepared while the model trains, in the graph as it ran."""
    nodes = case.stages.graph.nodes
    if not nodes or case.kind != "tf.data" or case.model is None or case.headspace is None:
        return None
    if any(node.name.startswith(("Prefetch", "ParallelMap", "MapAndBatch", "ParallelBatch")) for node in nodes[-2:]):
        return None
    gain = prediction.gain(case, lambda place, stage: stage, ahead=True)
    return measured(
        "no_prefetch",
        "The graph as it ran ends without a prefetch.",
        "add prefetch(AUTOTUNE) [fact: prefetch-works-ahead]",
        gain=gain,
    )


def no_cache(case: Case) -> Finding | None:
    """The same costly work in every epoch, on data that fits in memory."""
    if not case.whole or any("Cache" in kind for kind in case.stage_kinds) or case.kind != "tf.data":
        return None  # of a PyDataset: py_dataset_rules
    import psutil

    first_random = len(case.stages.stages)
    for place, (dataset, kind) in enumerate(zip(case.stages.datasets, case.stage_kinds, strict=False)):
        operations = internals.function_operations(dataset)
        if kind in ("Shuffle", "Repeat") or _is_random(operations) or operations & IN_PYTHON:
            first_random = place
            break
    before = case.stages.stages[:first_random]
    costly = [
        stage
        for stage, kind in zip(before, case.stage_kinds, strict=False)
        if case.stages.share(stage) > LARGE and kind not in IN_MEMORY
    ]
    if not costly or _per_example(case, costly[-1], max(case.epochs[0].epoch.sizes)) < KEPT_S:
        return None
    held = [stage.bytes for stage in before if stage.bytes]
    if not held or held[-1] > 0.25 * psutil.virtual_memory().available:
        return None
    return measured(
        "no_cache",
        f"{case.stages.share(costly[-1]):.0%} of its CPU makes the same {held[-1] / 1e6:.0f} MB in every epoch.",
        "put cache() right behind it, before shuffle() and augmentation [fact: cache-keeps-what-comes-before]",
        where=costly[-1].where or costly[-1].name,
        place=before.index(costly[-1]),
        gain=gain_of_cache(case, costly[-1]),
    )


def wasted_work(case: Case) -> Finding | None:
    """Examples that are prepared and then thrown away."""
    kinds = case.stage_kinds
    for place, kind in enumerate(kinds):
        if kind not in ("Shard", "Filter", "Skip", "Take"):
            continue
        before = [stage for stage in case.stages.stages[1:place] if case.stages.share(stage) > LARGE]
        size, taken = (int(case.stages.datasets[n].cardinality()) for n in (place, place - 1))
        dropped = 1 - size / taken if min(size, taken) > 0 else 0.0
        if kind == "Filter":
            delivered = case.stages.stages[place].elements or 0
            made = case.stages.stages[place - 1].elements or 0
            dropped = 1 - delivered / made if made else 0.0
        if before and dropped > 0.3 and kind != "Take":
            return measured(
                "wasted_work",
                f"{dropped:.0%} of what is prepared there is thrown away by {kind.lower()}() behind it.",
                f"put {kind.lower()}() before it",
                where=before[-1].where or before[-1].name,
                place=place,
                gain=gain_of(case, before[-1], left=1 - dropped),
            )
    return None


def thread_starvation(case: Case) -> Finding | None:
    """Fewer threads than parallel calls."""
    if case.kind != "tf.data":
        return None
    threads = case.feed.data.options().threading.private_threadpool_size
    asked = [stage for stage in case.stages.stages if (stage.calls or 1) > 1 or "Parallel" in stage.name]
    if threads and asked and threads < max(2, *(stage.calls or 1 for stage in asked)):
        told = f"private_threadpool_size is {threads}, for {max(stage.calls or 1 for stage in asked)} parallel calls."
        return suspected(
            "thread_starvation",
            told,
            "leave private_threadpool_size out [fact: threads-limit-parallel-calls]",
            where=asked[-1].where,
        )
    return None


def cache_too_large(case: Case) -> Finding | None:
    """A cache that takes most of the memory."""
    import psutil

    for stage, kind in zip(case.stages.stages, case.stage_kinds, strict=False):
        if "Cache" in kind and stage.bytes and case.whole:
            available = psutil.virtual_memory().available
            if stage.bytes > 0.5 * available:
                told = f"It holds {stage.bytes / 1e9:.1f} GB; {available / 1e9:.1f} GB are free."
                return measured(
                    "cache_too_large",
                    told,
                    "cache the files' bytes or uint8, before the conversion [fact: cache-keeps-what-comes-before]",
                )
    return None


def wide_dtype(case: Case) -> Finding | None:
    """Inputs of eight bytes a number."""
    reading = case.epochs[0]
    for name in reading.names:
        part = reading.epoch.parts[name]
        width = max((int(np.prod(shape)) for shape in part.shapes), default=0)
        if set(part.dtypes) & {"float64", "int64"} and width >= 256:
            told = f"{name} comes as {' and '.join(part.dtypes)}, {8 * width:,} bytes per example; half would do."
            return measured("wide_dtype", told, "make it float32 (or uint8) where it is made")
    return None


def tiny_batches(case: Case) -> Finding | None:
    """Batches of a few examples."""
    sizes = case.epochs[0].epoch.sizes
    if max(sizes) > FEW or len(sizes) < 32 or case.role != "training":
        return None
    told = (
        f"Batches hold {max(sizes)} example{'s' * (max(sizes) > 1)}; each of {len(sizes)} steps has a cost of its own."
    )
    return suspected("tiny_batches", told, "take larger batches, and adapt the learning rate")


def retracing(case: Case) -> Finding | None:
    """Shapes that vary from batch to batch."""
    reading = case.epochs[0]
    for name in reading.names:
        shapes = reading.epoch.parts[name].shapes
        sizes = np.array([size for size in reading.epoch.sizes if size])
        starts = np.cumsum(sizes) - sizes
        different = len({shapes[start] for start in starts})
        if len(starts) >= 8 and different > max(4, 0.3 * len(starts)):
            told = f"{different} different shapes of {name} in {len(starts)} batches."
            return suspected(
                "retracing",
                told,
                "pad to a few lengths: bucket_by_sequence_length, or one size [fact: new-shapes-compile-anew]",
            )
    return None


RULES = (
    python_in_map,
    slow_generator,
    map_per_element,
    sequential_map,
    sequential_read,
    no_prefetch,
    no_cache,
    wasted_work,
    thread_starvation,
    cache_too_large,
    wide_dtype,
    tiny_batches,
    retracing,
)
