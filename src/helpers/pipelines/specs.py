"""Which pipelines there are, what can be set on each, and a checked choice of both. Imports no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Any

from helpers import checks, service
from helpers.errors import StudyError
from helpers.machine import device
from helpers.tasks import EVERY_EPOCH, ONCE, Task

AUTOTUNE = -1


@dataclass(frozen=True)
class Knob:
    """What one setting of a pipeline may be: one of `choices`, a whole number from `least` on, or an address."""

    summary: str
    choices: tuple = ()
    least: int | None = None
    address: bool = False

    def check(self, pipeline: str, name: str, value: object) -> None:
        """Raises StudyError where the value is not allowed."""
        what = f"{pipeline}: {name}"
        if self.address:
            if value != "":
                service.host_and_port(str(value))
        elif self.choices:
            checks.one_of(what, value, self.choices)
        else:
            checks.whole(what, value, least=self.least or 0)


@dataclass(frozen=True)
class Pipeline:
    """One entry of the registry.

    Attributes:
        build: where its function is, "module:function".
        summary: what it is.
        knobs: what can be set.
        decodes: source -> when it decodes what that holds, whatever the task asks for; sources that are not named: as
            the task asks.
        in_model: whether a part of its work is done within the model, so that whole training epochs are compared.
        extra: of this project's extras, which has the same name as the module: what it needs to be installed.
    """

    build: str
    summary: str
    knobs: dict[str, Knob] = field(default_factory=dict)
    decodes: Mapping[str, str] = field(default_factory=dict)
    in_model: bool = False
    extra: str = ""


@dataclass(frozen=True)
class Spec:
    """A pipeline's name and its settings, checked.

    Attributes:
        builder: one of `names()`.
        knobs: setting -> value; those that are not named have their defaults.

    Raises:
        StudyError: for an unknown pipeline or knob, or a value that it does not take.
    """

    builder: str
    knobs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the name and the settings."""
        known = describe(self.builder).knobs
        for knob, value in self.knobs.items():
            if knob not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise StudyError(f"{self.builder} has no knob {knob!r}; {has}")
            known[knob].check(self.builder, knob, value)

    def build(self, task: Task) -> Any:
        """Builds the pipeline; see `helpers.pipelines.build`."""
        entry = describe(self.builder)
        if entry.extra and find_spec(entry.extra) is None:
            raise StudyError(
                f"pipeline {self.builder} needs the package {entry.extra}, which is not installed; install it: "
                f"pip install -e '.[{entry.extra}]'"
            )
        device.prepare()
        return resolve_name(entry.build)(task, **self.knobs)

    def decoding(self, task: Task) -> str:
        """Returns when the pipeline decodes the task's pictures: "once" or "every epoch"."""
        if task.source == "arrays" or self.knobs.get("cache", "none") != "none":
            return ONCE
        return describe(self.builder).decodes.get(task.source, task.decoding)

    def to_dict(self) -> dict[str, Any]:
        """Returns {"builder": name, **knobs}, as grids and tables write it."""
        return {"builder": self.builder, **self.knobs}


def read_specs(given: Mapping[str, Spec | Mapping[str, Any]], *, least: int = 2) -> dict[str, Spec]:
    """Returns label -> Spec.

    Args:
        given: label -> Spec or {"builder": name, **knobs}; without a builder the label is its name.
        least: how many there must be.

    Raises:
        StudyError: where a pipeline or knob is not right, or there are fewer.
    """
    specs = {}
    for label, spec in given.items():
        if not isinstance(spec, Spec):
            if not isinstance(spec, Mapping):
                raise StudyError(f"the knobs of {label} must be a mapping of names to values (got {spec!r})")
            spec = Spec(spec.get("builder", label), {name: value for name, value in spec.items() if name != "builder"})
        specs[label] = spec
    if len(specs) < least:
        raise StudyError(f"a comparison needs at least two pipelines (got {len(specs)})")
    return specs


def services_of(specs: Mapping[str, Spec]) -> tuple[str, ...]:
    """Returns the addresses of the tf.data services that pipelines use, each once."""
    return tuple({spec.knobs["service"]: None for spec in specs.values() if spec.knobs.get("service")})


def names() -> tuple[str, ...]:
    """Returns the names of the pipelines."""
    return tuple(_PIPELINES)


def describe(name: str) -> Pipeline:
    """Returns the registry's entry of one pipeline.

    Raises:
        StudyError: if there is none of that name.
    """
    checks.one_of("pipeline", name, _PIPELINES)
    return _PIPELINES[name]


_SWITCH = (True, False)
_ALWAYS = {"tfds": EVERY_EPOCH, "folder": EVERY_EPOCH}
_ARRAYS_FROM_RECORDS = {"tfds": ONCE}  # it reads none itself
_WORKERS = {
    "workers": Knob("threads (or processes) that prepare batches", least=0),
    "max_queue_size": Knob("batches that may wait in the queue", least=1),
}
_REPEAT = Knob("whether it repeats without end: one iterator for all epochs, not two for each", choices=_SWITCH)
_PARALLEL = Knob("elements prepared at once; -1: AUTOTUNE, 0: a plain map", least=-1)
_PREFETCH = Knob("batches held ready; -1: AUTOTUNE, 0: none asked for", least=-1)

_BACKEND = Knob(
    "what decodes, resizes and warps: NumPy with SciPy and Pillow, or OpenCV, with threads of its own",
    choices=("numpy", "opencv"),
)

_PIPELINES = {
    "py_dataset": Pipeline(
        "helpers.pipelines.py_dataset:build",
        "a Keras Sequence (PyDataset) that prepares whole batches with NumPy, or with OpenCV",
        {
            "backend": _BACKEND,
            **_WORKERS,
            "use_multiprocessing": Knob("processes instead of threads", choices=_SWITCH),
            "pool": Knob(
                "what shares the images of each batch, one at a time", choices=("none", "threads", "processes")
            ),
            "pool_size": Knob("threads or processes of the pool; 0: one for each core", least=0),
        },
    ),
    "image_data_generator": Pipeline(
        "helpers.pipelines.image_data_generator:build",
        "the legacy ImageDataGenerator: flow, or flow_from_directory for a folder",
        dict(_WORKERS),
        _ARRAYS_FROM_RECORDS,
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
            "autotune": Knob("whether tf.data adapts its AUTOTUNE settings while it runs", choices=_SWITCH),
            "repeat": _REPEAT,
            "map_parallelization": Knob(
                "whether TensorFlow makes a map parallel that was not asked to", choices=_SWITCH
            ),
            "map_and_batch_fusion": Knob("whether TensorFlow makes a map and its batch one stage", choices=_SWITCH),
            "inject_prefetch": Knob("whether TensorFlow adds a prefetch that was not asked for", choices=_SWITCH),
            "service": Knob("address of a tf.data service that does the work; '': none", address=True),
            # YAML reads off as false.
            "sharding": Knob("who of the service's workers does what", choices=(*service.POLICIES, False)),
        },
        _ALWAYS,
    ),
    "tf_image_data_generator": Pipeline(
        "helpers.pipelines.tf_image_data_generator:build",
        "ImageDataGenerator's work in tf.data, compiled by XLA",
        {
            "coordinates": Knob("of the warp: exact, or faster", choices=("float64", "float32")),
            "jit_compile": Knob("whether XLA compiles the pixel arithmetic", choices=_SWITCH),
            "repeat": _REPEAT,
        },
        _ARRAYS_FROM_RECORDS,
    ),
    "keras_layers": Pipeline(
        "helpers.pipelines.keras_layers:build",
        "Keras' preprocessing layers in the map of tf.data",
        {"num_parallel_calls": _PARALLEL, "prefetch": _PREFETCH, "repeat": _REPEAT},
        _ALWAYS,
    ),
    "layers_in_model": Pipeline(
        "helpers.pipelines.keras_layers:build_in_model",
        "tf.data reads; Keras' preprocessing layers do the work within the model: whole training epochs are compared",
        {"num_parallel_calls": _PARALLEL, "prefetch": _PREFETCH, "repeat": _REPEAT},
        _ALWAYS,
        in_model=True,
    ),
    "grain": Pipeline(
        "helpers.pipelines.grain:build",
        "Grain, which Keras takes as it is; needs the extra grain",
        {
            "map": Knob(
                "what one call of the map prepares: an element, a batch, or a batch gathered by index",
                choices=("element", "batch", "gather"),
            ),
            "backend": _BACKEND,
            "threads": Knob("that prepare batches; 0: none", least=0),
            "buffer": Knob("batches that they prepare ahead, in each process", least=1),
            "processes": Knob("that prepare batches, each with these threads; 0: none", least=0),
            "autotune": Knob("whether Grain chooses buffer and processes", choices=_SWITCH),
            "repeat": _REPEAT,
        },
        extra="grain",
    ),
    "keras_directory": Pipeline(
        "helpers.pipelines.keras_directory:build",
        "Keras' image_dataset_from_directory, for folders",
        {
            "finish": Knob("whether a map does the rest of the task after it", choices=_SWITCH),
            "repeat": _REPEAT,
        },
        _ALWAYS,
    ),
    "published_a1_sequence": Pipeline(
        "helpers.pipelines.published:a1_sequence", "first answer, example 1: a Sequence adds noise, float64"
    ),
    "published_a2_tf_data": Pipeline(
        "helpers.pipelines.published:a2_tf_data", "first answer, example 2: tf.data changes brightness instead"
    ),
    "published_a3_tf_data_heavy": Pipeline(
        "helpers.pipelines.published:a3_tf_data_heavy",
        "first answer, example 3: resize, standardise, cache the results",
    ),
    "published_b1_tfds": Pipeline(
        "helpers.pipelines.published:b1_tfds",
        "second answer, example 1: MNIST from TFDS, shuffled in part",
        decodes={"tfds": ONCE},
    ),
    "published_b2_image_data_generator": Pipeline(
        "helpers.pipelines.published:b2_image_data_generator",
        "second answer, example 2: ImageDataGenerator from folders",
        decodes={"folder": EVERY_EPOCH},
    ),
    "published_b3_imitation": Pipeline(
        "helpers.pipelines.published:b3_imitation",
        "second answer, example 3: other transforms, cached after them",
        decodes={"tfds": ONCE},
    ),
}
