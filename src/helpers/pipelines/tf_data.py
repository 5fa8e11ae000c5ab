"""The task in tf.data, every stage a knob."""

import atexit
import math
from contextlib import ExitStack
from typing import Any

import tensorflow as tf

from helpers import service as data_service
from helpers.errors import StudyError
from helpers.files import scratch
from helpers.machine import GIB
from helpers.pipelines import AUTOTUNE, Feed
from helpers.tasks import Task, transforms
from helpers.tf_image_data_generator import files

GRAPH_LIMIT = 2 * GIB  # bytes of one serialised graph
DEALT_ROWS = 32  # examples that a service's worker is given at once


def source_of(task: Task, map: str, service: str = "", sharding: str = "dynamic") -> tuple[tf.data.Dataset, Any, int]:
    """Returns (dataset of undecoded elements, decode: element(s) -> (uint8 image(s), label(s)), examples)."""
    slices = _in_chunks if service and sharding == "dynamic" else tf.data.Dataset.from_tensor_slices
    if task.source == "tfds":
        # A worker of a service reads a part, and must not count all of it.
        dataset = task.data.records(examples=task.examples, whole=not service)
        return dataset, None, task.describe().examples
    if task.source == "folder":
        paths, labels, _ = task.data.files(examples=task.examples)
        size = task.image_size or task.describe().image_shape[:2]
        return slices((paths, labels)), lambda path, label: (files.decode_to(path, size), label), len(labels)
    data = task.arrays()
    if map == "gather":
        images, labels = tf.constant(data.images), tf.constant(data.labels)
        gather = lambda chosen: (tf.gather(images, chosen), tf.gather(labels, chosen))  # noqa: E731
        return slices(tf.range(len(data.labels), dtype=tf.int64)), gather, len(data.labels)
    return slices((data.images, data.labels)), None, len(data.labels)


def _in_chunks(arrays):
    """Returns the dataset of the arrays' rows for a service that deals out work as it is asked for.

    Its dispatcher gives the source's elements away one by one, each in a call over the network: so the source is one
    of chunks, which the workers open.
    """
    arrays = tf.nest.map_structure(tf.constant, arrays)
    examples = len(tf.nest.flatten(arrays)[0])

    def rows(start):
        return tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(lambda array: array[start : start + DEALT_ROWS], arrays)
        )

    return tf.data.Dataset.range(0, examples, DEALT_ROWS).flat_map(rows)


def build(
    task: Task,
    *,
    map: str = "element",
    num_parallel_calls: int = AUTOTUNE,
    cache: str = "none",
    cache_at: str = "source",
    shuffle_buffer: int = 0,
    prefetch: int = AUTOTUNE,
    deterministic: bool = True,
    autotune: bool = True,
    repeat: bool = False,
    map_parallelization: bool | None = None,
    map_and_batch_fusion: bool | None = None,
    inject_prefetch: bool | None = None,
    service: str = "",
    sharding: str = "dynamic",
) -> tf.data.Dataset | Feed:
    """Returns the task as a tf.data.Dataset, or as a `Feed` where it repeats.

    The order of the stages is source, decode, cache of the source, shuffle, draw, map, cache of results,
    batch, prefetch; where decoded pictures are not cached, the shuffle stands before decode. With `map="batch"`
    or `"gather"` batches are made before the map. Every element gets a random seed of its own before the
    parallel map, so that the draws are reproducible however many calls run at once, and fresh in every epoch.

    Args:
        task: what to deliver.
        map: "element": one example per call; "batch": one batch per call; "gather": likewise, taken by
            index from one array in memory (arrays only, elsewhere the same as "batch").
        num_parallel_calls: calls of the map at once; -1: AUTOTUNE; 0: a plain map, one after the other unless
            TensorFlow makes it parallel.
        cache: "none", "memory", or "file" (in a temporary folder, removed at the end).
        cache_at: "source" keeps decoded uint8 examples; "after_map" keeps results, augmentation frozen.
        shuffle_buffer: elements; 0: as many as there are examples.
        prefetch: batches held ready; -1: AUTOTUNE; 0: none, unless TensorFlow adds it.
        deterministic: whether a parallel map keeps the order.
        autotune: whether AUTOTUNE values adapt while the pipeline runs.
        repeat: whether it repeats without end, so that `fit`, told the steps of an epoch, makes one iterator for all
            epochs; Keras 3.15 makes two for each epoch otherwise.
        map_parallelization, map_and_batch_fusion, inject_prefetch: whether TensorFlow may make a plain map parallel,
            make a map and its batch one stage, and add a prefetch; None: as it does by itself.
        service: "grpc://host:port" of a tf.data service whose workers do all the stages up to the batches;
            "": none. Workers share no seed: draws and order are fresh, and no seed reproduces them.
        sharding: who of the workers does what: "off", "dynamic", "file" or "data"; see `service.POLICIES`.

    Raises:
        StudyError: where the service is not there, or cannot do this.
    """
    sharding = sharding or "off"
    if service:
        _check_service(task, service, sharding, cache, repeat)
    seed = None if service else task.seed  # one seed would give every worker the same draws, in every epoch
    transform, calls = transforms.get(task.transform), num_parallel_calls or None
    dataset, decode, examples = source_of(task, map, service, sharding)
    by_index = map == "gather" and task.source == "arrays"
    whole_batches = map != "element"

    # Sharded by data, workers skip each other's elements: their orders must be one, and so stay the same every epoch.
    order_seed = task.seed if service and sharding == "data" else seed
    # Undecoded elements are shuffled where no cache of decoded ones stands before: names are small, pictures are not.
    names_first = decode and not by_index and (cache == "none" or cache_at == "after_map")
    if task.shuffle and names_first:
        dataset = dataset.shuffle(shuffle_buffer or examples, seed=order_seed)
    if decode and not by_index:
        dataset = dataset.map(decode, num_parallel_calls=calls)
    if cache_at == "source" and not by_index:
        dataset = _cached(dataset, cache)
    if task.shuffle and not names_first:
        dataset = dataset.shuffle(shuffle_buffer or examples, seed=order_seed)
    if whole_batches:
        dataset = dataset.batch(task.batch_size)
    if transform.random:
        dataset = with_seeds(dataset, seed)

    def apply(*element):
        draws = {}
        *parts, own_seed = element if transform.random else (*element, None)
        example = parts[0] if len(parts) == 1 else parts
        images, labels = decode(example) if by_index else example
        if transform.random:
            batch_shape = (tf.shape(images)[0],) if whole_batches else ()
            draws = transform.draw_tf(tf.stack([own_seed, task.seed]), batch_shape, images.shape[-3:])
        return transform.apply_tf(images, draws), labels

    dataset = dataset.map(apply, num_parallel_calls=calls)
    if cache_at == "after_map":
        dataset = _cached(dataset, cache)
    if not whole_batches:
        dataset = dataset.batch(task.batch_size)
    options = tf.data.Options()
    options.deterministic = deterministic
    options.autotune.enabled = autotune
    rewriting = {
        "map_parallelization": map_parallelization,
        "map_and_batch_fusion": map_and_batch_fusion,
        "inject_prefetch": inject_prefetch,
    }
    for rewrite, allowed in rewriting.items():
        if allowed is not None:
            setattr(options.experimental_optimization, rewrite, allowed)
    if service:
        dataset = data_service.distribute(dataset.with_options(options), address=service, sharding=sharding)
        dataset = dataset.rebatch(task.batch_size)  # each worker's last batch is partial
        if sharding != "off":
            batches = math.ceil(examples / task.batch_size)
            # The client asks for the end only once a second; who takes the known number waits for no answer.
            dataset = dataset.take(batches).apply(tf.data.experimental.assert_cardinality(batches))
    steps = math.ceil(examples / task.batch_size) if repeat else None
    return finished(dataset, prefetch=prefetch, steps_per_epoch=steps, options=options)


def finished(
    dataset: tf.data.Dataset,
    *,
    prefetch: int = AUTOTUNE,
    steps_per_epoch: int | None = None,
    options: tf.data.Options | None = None,
) -> tf.data.Dataset | Feed:
    """Returns a dataset of batches with what comes last: repeat, prefetch, options.

    Args:
        dataset: of batches, one epoch.
        prefetch: batches held ready; -1: AUTOTUNE; 0: none.
        steps_per_epoch: of a feed that repeats without end; None: it ends, and is returned as a dataset.
        options: of the dataset.
    """
    if steps_per_epoch:
        dataset = dataset.repeat()
    if prefetch:
        dataset = dataset.prefetch(prefetch)
    if options:
        dataset = dataset.with_options(options)
    return Feed(dataset, steps_per_epoch=steps_per_epoch) if steps_per_epoch else dataset


def with_seeds(dataset: tf.data.Dataset, seed: int | None) -> tf.data.Dataset:
    """Returns the dataset with a random number, int64, behind every element, another one in every epoch.

    Args:
        dataset: of elements or of batches.
        seed: of the numbers; None: no seed reproduces them.
    """
    if seed is None:
        # Not zipped as below: a dataset of random numbers cannot be sharded by files.
        return dataset.map(lambda *element: (*element, tf.random.uniform((), maxval=tf.int64.max, dtype=tf.int64)))
    return tf.data.Dataset.zip(dataset, tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True))


def _check_service(task, service, sharding, cache, repeat):
    """Refuses what a service's workers could not do, or would do in vain."""
    if repeat:
        raise StudyError("a service gives each epoch to its workers anew (got repeat=True); leave repeat out")
    if cache != "none":
        raise StudyError(
            f"a service's workers start every epoch anew and lose their caches (got cache={cache}); use cache=none"
        )
    if sharding == "file":
        files = task.data.record_files() if task.source == "tfds" else 0
        if files < (count := len(data_service.workers(service))):
            raise StudyError(
                f"sharding file needs at least as many record files as workers (got {files} for {count}); use dynamic"
            )
    if task.source == "arrays" and (size := task.describe().bytes) > GRAPH_LIMIT * 0.9:
        raise StudyError(
            "arrays reach a service's workers inside the graph, which holds 2 GiB "
            f"(got {size / GIB:.1f} GiB); use source tfds or folder"
        )
    data_service.require(service, sharding)


def _cached(dataset, kind):
    """Returns the dataset with a cache: none, in memory, or in a folder removed when the process ends."""
    if kind == "none":
        return dataset
    if kind == "memory":
        return dataset.cache()
    kept = ExitStack()
    folder = kept.enter_context(scratch("cache"))
    atexit.register(kept.close)
    return dataset.cache(str(folder / "elements"))
