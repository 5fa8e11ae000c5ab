"""The pipelines that the kit compares, by name: `build(name, task, **knobs)` gives what `fit` takes.

Nothing here imports TensorFlow; a pipeline's module does when it is built.
"""

import numbers
from dataclasses import dataclass
from importlib import import_module

from helpers import service
from helpers.errors import StudyError
from helpers.machine import device
from helpers.tasks import Task

AUTOTUNE = -1


@dataclass(frozen=True)
class Knob:
    """What one setting of a pipeline may be: one of `choices`, a whole number from `least` on, or an address."""

    summary: str
    choices: tuple = ()
    least: int | None = None
    address: bool = False

    def check(self, pipeline: str, name: str, value) -> None:
        """Raises StudyError where the value is not allowed."""
        if self.address:
            if value != "":
                service.host_and_port(value)
        elif self.choices:
            if not any(value is choice or (isinstance(value, str) and value == choice) for choice in self.choices):
                allowed = ", ".join(repr(choice) for choice in self.choices)
                raise StudyError(f"{pipeline}: {name} must be one of {allowed} (got {value!r})")
        elif isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < self.least:
            raise StudyError(f"{pipeline}: {name} must be a whole number >= {self.least} (got {value!r})")


@dataclass(frozen=True)
class Pipeline:
    """One entry of the registry: where its `build` function is, what it is, what can be set."""

    place: str
    summary: str
    knobs: dict[str, Knob]
    published: bool = False


_SWITCH = (True, False)
_WORKERS = {
    "workers": Knob("threads (or processes) that prepare batches", least=0),
    "max_queue_size": Knob("batches that may wait in the queue", least=1),
}
_PARALLEL = Knob("elements prepared at once; -1: AUTOTUNE, 0: one after the other", least=-1)
_PREFETCH = Knob("batches held ready; -1: AUTOTUNE, 0: none", least=-1)
_TUNE = Knob("whether tf.data adapts its AUTOTUNE settings while it runs", choices=_SWITCH)

_PIPELINES = {
    "py_dataset": Pipeline(
        "helpers.pipelines.py_dataset:build",
        "a Keras Sequence (PyDataset) that prepares whole batches with NumPy",
        {**_WORKERS, "use_multiprocessing": Knob("processes instead of threads", choices=_SWITCH)},
    ),
    "image_data_generator": Pipeline(
        "helpers.pipelines.image_data_generator:build",
        "the legacy ImageDataGenerator: flow, or flow_from_directory for a folder",
        dict(_WORKERS),
    ),
    "tf_data": Pipeline(
        "helpers.pipelines.tf_data:build",
        "tf.data",
        {
            "map": Knob(
                "what one call of the map prepares: an element, a batch, or a batch gathered by index",
                choices=("element", "batch", "gather"),
            ),
            "num_parallel_calls": _PARALLEL,
            "cache": Knob("where results are kept", choices=("none", "memory", "file")),
            "cache_at": Knob(
                "what is cached: the decoded source, or the map's results", choices=("source", "after_map")
            ),
            "shuffle_buffer": Knob("elements in the shuffle buffer; 0: all of them", least=0),
            "prefetch": _PREFETCH,
            "deterministic": Knob("whether elements keep their order under a parallel map", choices=_SWITCH),
            "autotune": _TUNE,
            "service": Knob("address of a tf.data service that does the work; '': none", address=True),
            # YAML reads off as false.
            "sharding": Knob("who of the service's workers does what", choices=(*service.POLICIES, False)),
        },
    ),
    "tf_image_data_generator": Pipeline(
        "helpers.pipelines.tf_image_data_generator:build",
        "ImageDataGenerator's work in tf.data, compiled by XLA",
        {
            "coordinates": Knob("of the warp: exact, or faster", choices=("float64", "float32")),
            "jit_compile": Knob("whether XLA compiles the pixel arithmetic", choices=_SWITCH),
        },
    ),
    "keras_layers": Pipeline(
        "helpers.pipelines.keras_layers:build",
        "Keras' preprocessing layers in the map of tf.data",
        {"num_parallel_calls": _PARALLEL, "prefetch": _PREFETCH},
    ),
    "published_a1_sequence": Pipeline(
        "helpers.pipelines.published:a1_sequence",
        "first answer, example 1: a Sequence adds noise, float64",
        {},
        published=True,
    ),
    "published_a2_tf_data": Pipeline(
        "helpers.pipelines.published:a2_tf_data",
        "first answer, example 2: tf.data changes brightness instead",
        {},
        published=True,
    ),
    "published_a3_tf_data_heavy": Pipeline(
        "helpers.pipelines.published:a3_tf_data_heavy",
        "first answer, example 3: resize, standardise, cache the results",
        {},
        published=True,
    ),
    "published_b1_tfds": Pipeline(
        "helpers.pipelines.published:b1_tfds",
        "second answer, example 1: MNIST from TFDS, shuffled in part",
        {},
        published=True,
    ),
    "published_b2_image_data_generator": Pipeline(
        "helpers.pipelines.published:b2_image_data_generator",
        "second answer, example 2: ImageDataGenerator from folders",
        {},
        published=True,
    ),
    "published_b3_imitation": Pipeline(
        "helpers.pipelines.published:b3_imitation",
        "second answer, example 3: other transforms, cached after them",
        {},
        published=True,
    ),
}


def names() -> tuple[str, ...]:
    """Returns the names that `build` takes."""
    return tuple(_PIPELINES)


def describe(name: str) -> Pipeline:
    """Returns the registry's entry of one pipeline.

    Raises:
        StudyError: if there is none of that name.
    """
    if name not in _PIPELINES:
        raise StudyError(f"pipeline must be one of {', '.join(names())} (got {name!r})")
    return _PIPELINES[name]


def check_knobs(name: str, knobs: dict) -> None:
    """Checks a pipeline's name and settings without importing TensorFlow.

    Raises:
        StudyError: for an unknown pipeline or knob, or a value that it does not take.
    """
    known = describe(name).knobs
    for knob, value in knobs.items():
        if knob not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise StudyError(f"{name} has no knob {knob!r}; {has}")
        known[knob].check(name, knob, value)


def build(name: str, task: Task, **knobs):
    """Builds a pipeline that does the task.

    Args:
        name: one of `names()`.
        task: what to deliver.
        **knobs: settings of that pipeline; `describe(name).knobs` lists them.

    Returns:
        What `fit` takes: a tf.data.Dataset, a PyDataset or an ImageDataGenerator's iterator. It yields
        (images float32 (batch, height, width, channels), labels int64 (batch,)), except for the published
        pipelines, which yield what their answers' code yields.

    Raises:
        StudyError: for a bad name, knob or value, data that is not there, or work it cannot do.
    """
    check_knobs(name, knobs)
    device.prepare()
    module, function = describe(name).place.split(":")
    return getattr(import_module(module), function)(task, **knobs)
