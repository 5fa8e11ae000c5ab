"""Forecasts the memory that a pipeline will hold, before it is built: what must fit, and what cannot.

Counted is what grows with the data: arrays, copies, caches, buffers, batches in flight. The interpreter, TensorFlow
and the model are not.
"""

import math
from collections.abc import Mapping

from helpers.datasets import Description
from helpers.errors import StudyError
from helpers.machine import GIB, memory
from helpers.machine.limits import core_numbers
from helpers.pipelines.specs import AUTOTUNE, Spec
from helpers.tasks import ONCE, Task, transforms

SOURCE = "source images in one array"  # held once, however many pipelines read it
_FLOAT = 4
GRAIN_BUFFER = 500  # batches, as Grain has it where nothing is asked for
_AUTOTUNED_BATCHES = 8  # what AUTOTUNE holds ready differs; a few batches


def parts(task: Task, spec: Spec, *, description: Description | None = None) -> dict[str, int]:
    """Forecasts what a pipeline holds in memory, by what it is, in bytes.

    Args:
        task: what is to be delivered; its data is described, not read.
        spec: the pipeline and its settings.
        description: of the task's data; None: it is asked.

    Raises:
        StudyError: for data that is not there.
    """
    knobs, data = spec.knobs, description or task.describe()
    source = data.bytes
    result = math.prod(transforms.get(task.transform).output_shape(data.image_shape)) * _FLOAT
    if spec.builder == "tf_data":
        return _of_tf_data(task, source, data.examples, result, knobs)
    held = {SOURCE: source} if spec.decoding(task) == ONCE else {}
    if spec.builder == "grain":
        return held | _of_grain(task, held.get(SOURCE, 0), data.examples, result, knobs)
    if spec.builder == "image_data_generator" and held:
        held["flow's float32 copy of it"] = source * _FLOAT
    if spec.builder == "tf_image_data_generator":
        held["a copy as a tensor"] = source
    if knobs.get("pool") == "processes" and held:
        held["a copy in each process"] = (knobs.get("pool_size") or len(core_numbers())) * source
    waiting = knobs.get("max_queue_size", 10) + 1 if knobs.get("workers", 1) > 1 else _AUTOTUNED_BATCHES
    return held | {"batches held ready": waiting * task.batch_size * result}


def _of_tf_data(task, source, count, result, knobs):
    held = {SOURCE: source, "a copy as a tensor": source} if task.source == "arrays" else {}
    by_index = knobs.get("map") == "gather" and task.source == "arrays"
    cache, cache_at = knobs.get("cache", "none"), knobs.get("cache_at", "source")
    if cache == "memory" and not (cache_at == "source" and by_index):
        results = {"the cache of float32 results": count * result}
        held |= results if cache_at == "after_map" else {"the cache of uint8 images": source}
    paths_only = task.source == "folder" and (cache == "none" or cache_at == "after_map")
    if task.shuffle and not by_index and not paths_only:
        buffer = min(knobs.get("shuffle_buffer", 0) or count, count)
        held["the shuffle buffer of uint8 images"] = source * buffer // count
    ready = knobs.get("prefetch", AUTOTUNE)
    held["batches held ready"] = (_AUTOTUNED_BATCHES if ready < 0 else ready + 1) * task.batch_size * result
    return held


def _of_grain(task, source, count, result, knobs):
    processes = len(core_numbers()) if knobs.get("autotune") else knobs.get("processes", 0)
    # The buffer is filled to the end of the data, and only endless data fills all of a large one.
    most = GRAIN_BUFFER if knobs.get("repeat") else math.ceil(count / task.batch_size)
    ready = min(knobs.get("buffer", GRAIN_BUFFER), most) if knobs.get("threads", 1) else 1
    held = {"batches held ready": max(1, processes) * ready * task.batch_size * result}
    return held | ({"a copy in each process": processes * source} if processes else {})


def check(task: Task, specs: Mapping[str, Spec], *, available_bytes: float | None = None) -> None:
    """Refuses a comparison that cannot fit in memory, before it starts.

    The source in one array counts once, and always: parity holds what is delivered against it.

    Args:
        task: what is to be delivered.
        specs: label -> Spec.
        available_bytes: None: what this process may still take.

    Raises:
        StudyError: naming the pipeline that takes most, of what, and the remedy.
    """
    available = memory.available_bytes() if available_bytes is None else available_bytes
    description = task.describe()  # once: for a folder it is a walk through all pictures
    own = {label: parts(task, spec, description=description) | {SOURCE: 0} for label, spec in specs.items()}
    totals = {label: sum(held.values()) for label, held in own.items()}
    source = description.bytes
    needed = source + sum(totals.values())
    if needed > available:
        most = max(totals, key=totals.__getitem__)
        largest = max(own[most], key=own[most].__getitem__)
        raise StudyError(
            f"what is compared must fit in memory (got a forecast of {_gib(needed)} for {_gib(available)} free: "
            f"{_gib(source)} for the source, {_gib(totals[most])} for {most}, most of it {largest}); "
            "give fewer examples, or knobs that keep less"
        )


def _gib(count):
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.0f} MiB"
