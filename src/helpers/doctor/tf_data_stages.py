"""The CPU seconds of each stage of a tf.data feed: prefixes of it are read, and subtracted from each other."""

import math
import time

from helpers import internals
from helpers.doctor import parts
from helpers.doctor.stages import Stage, Stages, disagreement
from helpers.pipelines import graph
from helpers.pipelines.graph import Graph
from helpers.pipelines.stages import in_order, kind

LEAST_CPU_S = 0.2  # CPU time may come in ticks of 10 ms
MOST_REPEATS = 20
COUNTED = 4096  # elements, of which is told what counting costs
NOTABLE = 0.1  # share of the cost from which two ways of measuring are held against each other
# Stages that give an element for each that they take.
ONE_FOR_ONE = ("Map", "ParallelMap", "Prefetch", "Shuffle", "Cache", "Options", "Zip", "AssertCardinality", "Repeat")


def of(part: parts.Part, budget_s: float) -> Stages:
    """Returns the stages of a tf.data feed.

    Each prefix is read in TensorFlow alone, without its own optimisations and in one thread, which hands nothing over,
    so that what CPU a stage takes is what its prefix takes more. Where a cache keeps what stages made, these cost
    something in the first epoch only.

    Args:
        part: the feed, or a part of it.
        budget_s: after which no prefix is read again.
    """
    datasets, batches = in_order(part.feed.data), part.batches
    seen = graph.as_it_ran(part.feed)
    seconds = _own_cpu_s(datasets, None if part.is_whole and part.feed.steps_per_epoch is None else batches, budget_s)
    nodes = _nodes_of(seen)
    written = seen.written if len(seen.written) == len(datasets) else ()
    behind_cache = _behind_a_cache(datasets)
    stages = []
    for place, dataset in enumerate(datasets):
        node = nodes.get(id(written[place])) if written else None
        file, line, function = internals.written_at(dataset) or ("", 0, "")
        stages.append(
            Stage(
                f"{kind(dataset)} {function}".strip(),
                f"{file}:{line}" if file else "",
                seconds[place],
                calls=node.parallelism if node and node.parallelism and node.parallelism > 0 else 1,
                elements=node.elements if node else None,
                bytes=node.bytes_produced if node else None,
                first_epoch_only=id(dataset) in behind_cache,
            )
        )
    measured = Stages(tuple(stages), batches, tuple(seen.remarks), seen, tuple(datasets))
    return Stages(measured.stages, batches, (*seen.remarks, *_disagreements(measured, nodes)), seen, tuple(datasets))


def _nodes_of(seen: Graph):
    return {id(stage): node for node in seen.nodes for stage in node.stages}


def _behind_a_cache(datasets):
    behind: set[int] = set()
    for dataset in datasets:
        if "Cache" in kind(dataset):
            behind |= {id(below) for below in internals.dataset_stages(dataset)[1:]}
    return behind


def _disagreements(measured, nodes):
    """Holds the seconds of the prefixes against those that TensorFlow's own model of the graph tells."""
    remarks: list[str] = []
    written = measured.graph.written
    if len(written) != len(measured.stages):
        return remarks
    for node in {id(node): node for node in nodes.values()}.values():
        mine = [stage for stage, each in zip(measured.stages, written, strict=True) if each in node.stages]
        own = sum(stage.cost_s for stage in mine if math.isfinite(stage.cost_s))
        if node.processing_s and sum(map(measured.share, mine)) > NOTABLE:
            told = " + ".join(stage.name for stage in mine)
            ways = ("replaying prefixes", own), ("TensorFlow's own model, which counts waiting", node.processing_s)
            remarks += disagreement(told, *ways)
    return remarks


def _own_cpu_s(datasets, batches, budget_s):
    """Returns the CPU seconds of each dataset without those that it draws from; NaN where it never ends."""
    import tensorflow as tf

    needed = _needed(datasets, batches)
    begin = time.perf_counter()
    counting_s = _cpu_s(tf.data.Dataset.range(COUNTED), None, begin + budget_s)[0] / COUNTED

    def without_counting(dataset, deadline):
        seconds, elements = _cpu_s(dataset, needed[id(dataset)], deadline)
        return max(0.0, seconds - counting_s * elements) if elements else seconds, elements

    prefix = {
        id(each): without_counting(each, begin + budget_s * place / len(datasets))
        for place, each in enumerate(datasets, 1)
    }
    return [
        max(0.0, prefix[id(each)][0] - sum(_scaled(prefix[id(below)], needed[id(below)]) for below in _below(each)))
        for each in datasets
    ]


def _below(dataset):
    """The datasets that it draws from, beyond such as only set options."""
    return [
        deep
        for below in internals.dataset_inputs(dataset)
        for deep in (_below(below) if kind(below) == "Options" else [below])
    ]


def _scaled(measured, needed):
    seconds, elements = measured
    return seconds * needed / elements if needed is not None and elements else seconds


def _needed(datasets, batches):
    """How many elements of each dataset an epoch takes; None: all that it has."""
    import tensorflow as tf

    needed: dict[int, int | None] = {id(datasets[-1]): batches}
    for dataset in reversed(datasets):
        count = needed[id(dataset)]
        for below in _below(dataset):
            size = getattr(dataset, "_batch_size", None)
            if count is not None and kind(dataset) in ("Batch", "ParallelBatch", "PaddedBatch") and size is not None:
                needed[id(below)] = count * int(size)
            elif count is not None and kind(dataset) in ONE_FOR_ONE:
                needed[id(below)] = count
            elif kind(dataset) == "Take" and below.cardinality() == tf.data.INFINITE_CARDINALITY:
                needed[id(below)] = int(dataset.cardinality())
            else:
                needed[id(below)] = None
    return needed


def _cpu_s(dataset, needed, deadline):
    """Returns (CPU seconds of reading what is needed of a dataset, elements read)."""
    import numpy as np
    import tensorflow as tf

    if needed is None and dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        return math.nan, 0
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.threading.private_threadpool_size = options.threading.max_intra_op_parallelism = 1
    # A cache that was read in part may pass for a whole one.
    caches = any("Cache" in kind(stage) for stage in internals.dataset_stages(dataset))
    ends = dataset.cardinality() != tf.data.INFINITE_CARDINALITY
    read = (dataset if needed is None or (caches and ends) else dataset.take(needed)).with_options(options)
    drain = tf.function(lambda: read.reduce(np.int64(0), lambda count, *_: count + 1)).get_concrete_function()
    elements = int(drain())  # fills caches
    start, repeats, cpu_s = time.process_time(), 0, 0.0
    while not repeats or (cpu_s < LEAST_CPU_S and repeats < MOST_REPEATS and time.perf_counter() < deadline):
        drain()
        repeats, cpu_s = repeats + 1, time.process_time() - start
    return cpu_s / repeats, elements
