"""A tf.data pipeline made anew from its own parts, with an edit: the user's functions stay untouched."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from helpers import internals
from helpers.errors import StudyError
from helpers.pipelines import AUTOTUNE
from helpers.pipelines.stages import kind as kind_of

MAPS = ("Map", "ParallelMap")
BATCHES = ("Batch", "ParallelBatch")
# Stages that give the elements they take, unchanged.
SAME_ELEMENTS = ("Shuffle", "Cache", "Prefetch", "Repeat", "Take", "Skip", "Shard", "Options", "AssertCardinality")


class CannotRebuild(StudyError):
    """A pipeline has a part that cannot be made anew, or that a remedy does not fit."""


@dataclass(frozen=True)
class Step:
    """A stage of a pipeline.

    Attributes:
        kind: as in `tf_data_stages.kind`.
        make: what it makes of its input.
        original: the tf.data.Dataset that it was; None where a remedy put it in.
        is_edited: whether it makes something else than the original.
    """

    kind: str
    make: Callable[[Any], Any]
    original: Any = None
    is_edited: bool = False

    def made_by(self, make: Callable[[Any], Any]) -> "Step":
        """Returns the same step, made in another way."""
        return replace(self, make=make, is_edited=True)


@dataclass(frozen=True)
class Chain:
    """A pipeline as a straight line.

    Attributes:
        source: a tf.data.Dataset; where branches meet, the dataset in which they do.
        steps: behind it, in their order.
    """

    source: Any
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, dataset: Any) -> "Chain":
        """Takes a tf.data.Dataset apart."""
        steps: list[Step] = []
        while len(inputs := internals.dataset_inputs(dataset)) == 1:
            steps.insert(0, Step(kind_of(dataset), again(dataset), dataset))
            dataset = inputs[0]
        return cls(dataset, tuple(steps))

    @property
    def kinds(self) -> list[str]:
        """The kinds of its steps."""
        return [step.kind for step in self.steps]

    def place_of(self, dataset: Any) -> int:
        """Returns the place of the step that a dataset was; -1 for the source.

        Raises:
            CannotRebuild: where it lies in a branch.
        """
        if dataset is self.source:
            return -1
        for place, step in enumerate(self.steps):
            if step.original is dataset:
                return place
        raise CannotRebuild("only a straight line of stages is made anew (the stage lies in a branch)")

    def with_steps(self, steps: list[Step]) -> "Chain":
        """Returns it with other steps."""
        return replace(self, steps=tuple(steps))

    def replaced(self, place: int, *steps: Step) -> "Chain":
        """Returns it with other steps instead of one."""
        return self.with_steps([*self.steps[:place], *steps, *self.steps[place + 1 :]])

    def inserted(self, place: int, *steps: Step) -> "Chain":
        """Returns it with more steps before the one at a place."""
        return self.with_steps([*self.steps[:place], *steps, *self.steps[place:]])

    def moved(self, place: int, before: int) -> "Chain":
        """Returns it with one step moved to before another one, further ahead."""
        steps = list(self.steps)
        steps.insert(before, replace(steps.pop(place), is_edited=True))
        return self.with_steps(steps)

    def before(self, place: int) -> Any:
        """Returns the dataset that a step takes."""
        return self.with_steps(list(self.steps[:place])).built()

    def built(self) -> Any:
        """Makes the tf.data.Dataset; what comes before the first edit is used as it is.

        Raises:
            CannotRebuild: where a step behind it cannot be made anew.
        """
        made, as_it_was = self.source, True
        for step in self.steps:
            as_it_was = as_it_was and not step.is_edited and _takes(step.original, made)
            made = step.original if as_it_was else step.make(made)
        return made


def _takes(dataset, below):
    return dataset is not None and any(each is below for each in internals.dataset_inputs(dataset))


def again(dataset: Any) -> Callable[[Any], Any]:
    """Returns what makes a stage of a tf.data.Dataset anew, of another input."""
    kind = kind_of(dataset)

    def make(below):
        if kind not in _MAKERS:
            raise CannotRebuild(f"a pipeline is made anew from stages that can be (got {kind})")
        return _MAKERS[kind](dataset, below)

    return make


def _map(stage, below):
    calls = internals.told(stage, "num_parallel_calls")
    function = internals.function_of(stage)
    if calls is None:
        return below.map(function, synchronous=bool(internals.told(stage, "force_synchronous")))
    return below.map(function, num_parallel_calls=calls, deterministic=_deterministic(stage))


def _deterministic(stage):
    return {"true": True, "false": False}.get(internals.told(stage, "deterministic"))


def _batch(stage, below):
    calls = internals.told(stage, "num_parallel_calls")
    size, drops = internals.told(stage, "batch_size"), internals.told(stage, "drop_remainder")
    options = {} if calls is None else {"num_parallel_calls": calls, "deterministic": _deterministic(stage)}
    return below.batch(size, drop_remainder=drops, **options)


def _shuffle(stage, below):
    seeds = internals.told(stage, "seed"), internals.told(stage, "seed2")
    return below.shuffle(
        internals.told(stage, "buffer_size"),
        seed=None if seeds == (0, 0) else seeds[1],
        reshuffle_each_iteration=internals.told(stage, "reshuffle_each_iteration"),
    )


def _cache(stage, below):
    if internals.told(stage, "filename"):
        raise CannotRebuild("a cache in a file is left alone")
    return below.cache()


def _interleave(stage, below):
    calls = internals.told(stage, "num_parallel_calls")
    lengths = {name: internals.told(stage, name) for name in ("cycle_length", "block_length")}
    options = {} if calls is None else {"num_parallel_calls": calls, "deterministic": _deterministic(stage)}
    return below.interleave(internals.function_of(stage), **lengths, **options)


def _assert_cardinality(stage, below):
    import tensorflow as tf

    return below.apply(tf.data.experimental.assert_cardinality(int(stage.cardinality())))


_MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "Map": _map,
    "ParallelMap": _map,
    "Batch": _batch,
    "ParallelBatch": _batch,
    "Shuffle": _shuffle,
    "Cache": _cache,
    "Interleave": _interleave,
    "ParallelInterleave": _interleave,
    "AssertCardinality": _assert_cardinality,
    "FlatMap": lambda stage, below: below.flat_map(internals.function_of(stage)),
    "Filter": lambda stage, below: below.filter(internals.function_of(stage)),
    "Prefetch": lambda stage, below: below.prefetch(internals.told(stage, "buffer_size")),
    "Repeat": lambda stage, below: below.repeat(internals.told(stage, "count")),
    "Take": lambda stage, below: below.take(internals.told(stage, "count")),
    "Skip": lambda stage, below: below.skip(internals.told(stage, "count")),
    "Shard": lambda stage, below: below.shard(internals.told(stage, "num_shards"), internals.told(stage, "index")),
    "Options": lambda stage, below: below.with_options(stage.options()),
}


def parallel(step: Step) -> Step:
    """Returns a map that makes as many calls at once as TensorFlow finds right.

    Raises:
        CannotRebuild: for a step that is none.
    """
    if step.kind not in MAPS:
        raise CannotRebuild(f"only a map is made parallel (got {step.kind})")
    function = internals.function_of(step.original)
    return step.made_by(lambda below: below.map(function, num_parallel_calls=AUTOTUNE))


def vectorised(step: Step) -> Step:
    """Returns a map that takes whole batches instead of single examples.

    Raises:
        CannotRebuild: for a step that is none.
    """
    if step.kind not in MAPS:
        raise CannotRebuild(f"only a map takes whole batches (got {step.kind})")
    function: Any = internals.function_of(step.original)
    operations = internals.function_operations(step.original)
    calls = None if step.kind == "Map" else AUTOTUNE
    if operations <= ELEMENTWISE:
        return step.made_by(lambda below: below.map(function, num_parallel_calls=calls))

    def whole_batch(*elements):
        import tensorflow as tf

        given = elements if len(elements) > 1 else elements[0]
        return tf.vectorized_map(lambda each: function(*each) if len(elements) > 1 else function(each), given)

    return step.made_by(lambda below: below.map(whole_batch, num_parallel_calls=calls))


# Operations that treat each number by itself; with constants of no axis, a batch needs nothing else.
ELEMENTWISE = {
    *("Abs", "Add", "AddV2", "Cast", "ClipByValue", "Const", "Cos", "Div", "DivNoNan", "Exp", "Identity", "Log"),
    *("Log1p", "Maximum", "Minimum", "Mul", "Neg", "NoOp", "Pow", "RealDiv", "Relu", "Round", "Rsqrt", "Sigmoid"),
    *("Sin", "Sqrt", "Square", "Sub", "Tanh", "Placeholder", "_Arg", "_Retval", "While", "StatelessWhile", "Less"),
    *("PartitionedCall", "StatefulPartitionedCall", "Reciprocal", "Sign", "Erf"),
}
