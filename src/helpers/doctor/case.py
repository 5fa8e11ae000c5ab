"""All that is known of a feed, in the words that the rules use."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from helpers import internals
from helpers.doctor import parts
from helpers.doctor.called import Called, during
from helpers.doctor.headspace import Headspace
from helpers.doctor.seen import Matched, Reading, match
from helpers.doctor.stages import Stages
from helpers.pipelines.feeds import Feed
from helpers.pipelines.stages import kind as kind_of_stage

RANDOM_OPERATIONS = ("Random", "StatelessRandom", "Stateful", "StatelessTruncated", "Multinomial", "SampleDistorted")
RANDOM_NAMES = {"default_rng", "RandomState", "uniform", "normal", "integers", "randint", "random", "rand", "randn"}
IN_PYTHON = {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


@dataclass(frozen=True)
class Case:
    """A feed that was read.

    Attributes:
        feed: as it was opened; kind: of `feeds.kind`.
        role: "training" or "evaluation".
        epochs: two.
        whole: whether they are all of an epoch.
        stages: what they cost.
        headspace: what the input takes of an epoch.
        model: as it was given, or None.
        source: the raw examples, or None.
        validation: two epochs of the validation data, or None; validation_is_whole: whether they are all of it.
        given_steps: steps_per_epoch as it was given, or None.
        old_files: names of cache files that were there before.
    """

    feed: Feed
    kind: str
    role: str
    epochs: tuple[Reading, Reading]
    whole: bool
    stages: Stages
    headspace: Headspace | None = None
    model: Any = None
    source: Reading | None = None
    validation: tuple[Reading, Reading] | None = None
    validation_is_whole: bool = False
    given_steps: int | None = None
    old_files: frozenset[str] = frozenset()

    @cached_property
    def matched(self) -> tuple[Matched, ...]:
        """Of each epoch, which source example each was made from; () without a source."""
        return () if self.source is None else tuple(match(reading, self.source) for reading in self.epochs)

    @cached_property
    def matched_validation(self) -> Matched | None:
        """The same of the validation data."""
        return None if self.source is None or self.validation is None else match(self.validation[0], self.source)

    @cached_property
    def duplicates_of_source(self) -> np.ndarray:
        """Hashes of the source's inputs that come more than once in it."""
        values, counts = (
            np.unique(self.source.inputs, return_counts=True) if self.source else (np.array([]), np.array([]))
        )
        return values[counts > 1]

    @cached_property
    def stage_kinds(self) -> list[str]:
        """The kinds of tf.data's stages, sources first."""
        return [kind_of_stage(dataset) for dataset in self.stages.datasets]

    def has_stage(self, kind: str) -> bool:
        """Whether tf.data has a stage of a kind."""
        return kind in self.stage_kinds

    def where_of(self, kind: str) -> str:
        """Returns the user's line nearest to a stage of a kind: the one of the function before it; "" without."""
        if kind not in self.stage_kinds:
            return ""
        before = self.stages.stages[: self.stage_kinds.index(kind) + 1]
        lines = [stage.where for stage in before if stage.where]
        return f"{kind.lower()}, behind {lines[-1]}" if lines else kind.lower()

    @property
    def shuffles_batches(self) -> bool:
        """Whether tf.data shuffles behind batch(), and nowhere before it."""
        kinds = self.stage_kinds
        batch = next((place for place, each in enumerate(kinds) if each in ("Batch", "ParallelBatch")), None)
        return batch is not None and "Shuffle" in kinds[batch:] and "Shuffle" not in kinds[:batch]

    @property
    def graph_has_zip_of_two_shuffles(self) -> bool:
        """Whether two inputs of one zip are shuffled, each for itself."""
        for dataset in self.stages.datasets:
            if kind_of_stage(dataset) == "Zip":
                below = [internals.dataset_stages(each) for each in internals.dataset_inputs(dataset)]
                if sum(any(kind_of_stage(each) == "Shuffle" for each in chain) for chain in below) > 1:
                    return True
        return False

    @cached_property
    def is_permuted_by_the_feed(self) -> bool:
        """Whether a PyDataset that `fit` does not shuffle delivers the source in another order than its own."""
        if self.kind != "PyDataset" or self.feed.shuffle or self.source is None or not self.matched[0].is_reliable:
            return False
        index = self.matched[0].index[self.matched[0].clear]
        return bool((np.diff(index) < 0).mean() > 0.2)

    def identities(self, number: int) -> np.ndarray | None:
        """Returns what tells an epoch's examples apart: their sources, or contents that come again; None without."""
        if self.source is not None and self.matched[number].is_reliable:
            index = self.matched[number].index
            return np.where(index >= 0, index, -1 - np.arange(len(index)))
        first, second = (reading.inputs for reading in self.epochs)
        again = np.isin(first, second).mean()
        return self.epochs[number].inputs if again > 0.3 else None

    @cached_property
    def draws_random(self) -> str:
        """Where random numbers are drawn for inputs: a line, or a stage's name; "" where none are seen."""
        for dataset, stage in zip(self.stages.datasets, self.stages.stages, strict=False):
            if self.is_random(dataset):
                return stage.where or stage.name
            if internals.function_operations(dataset) & IN_PYTHON and any(
                map(_is_random, _names_in(_function_of(dataset)))
            ):
                return stage.where or stage.name
        if self.kind == "PyDataset":
            own = (function.__code__ for function in _user_methods(type(self.feed.data)))
            for code in dict.fromkeys((*own, *sorted(self.called.functions, key=lambda code: code.co_firstlineno))):
                if any(map(_is_random, _names_in_code(code))):
                    return f"{code.co_filename}:{code.co_firstlineno}"
        return ""

    @cached_property
    def called(self) -> Called:
        """Which of the user's functions run for a batch of a PyDataset, and what they call; it is read once more."""
        if self.kind != "PyDataset":
            return Called()
        data = getattr(self.feed.data, "whole", self.feed.data)
        return during(lambda: data[0])

    @cached_property
    def random_before_cache(self) -> bool:
        """Whether tf.data draws random numbers for inputs before a cache."""
        kinds = self.stage_kinds
        if not any("Cache" in kind for kind in kinds):
            return False
        cache = max(place for place, kind in enumerate(kinds) if "Cache" in kind)
        return any(map(self.is_random, self.stages.datasets[:cache]))

    @cached_property
    def examples_in_graph(self) -> int | None:
        """The examples that tf.data's source has, where each becomes one of the feed's; None where it is not known."""
        if self.kind != "tf.data" or not self.stages.datasets:
            return None
        plain = {"Map", "ParallelMap", "Prefetch", "Shuffle", "Cache", "Repeat", "Batch", "ParallelBatch"}
        plain.add("AssertCardinality")
        source, *rest = self.stage_kinds
        known = int(self.stages.datasets[0].cardinality())
        batches = [kind for kind in rest if kind in ("Batch", "ParallelBatch")]
        if known < 0 or not set(rest) <= plain or len(batches) != 1 or source not in ("TensorSlice", "Range"):
            return None
        return known

    @cached_property
    def first_batch(self) -> Any:
        """The first batch, as NumPy arrays."""
        return parts.first_batch(self.feed)

    @staticmethod
    def is_random(dataset: Any) -> bool:
        """Whether the functions of one stage of a tf.data.Dataset draw random numbers."""
        return any(each.startswith(RANDOM_OPERATIONS) for each in internals.function_operations(dataset))

    @property
    def drops_remainder(self) -> bool:
        """Whether tf.data drops a partial batch."""
        return any(bool(stage.settings.get("drop_remainder")) for stage in self.stages.graph.written)


def _function_of(dataset):
    import inspect

    function = getattr(getattr(dataset, "_map_func", None), "_func", None)
    return inspect.unwrap(function) if function else None


def _user_methods(made_of: type) -> Iterator[types.FunctionType]:
    """Yields the methods of a class that make its batches."""
    for base in made_of.__mro__:
        if base.__module__.partition(".")[0] in ("keras", "builtins"):
            continue
        for name, value in vars(base).items():
            if isinstance(value, types.FunctionType) and name not in ("__init__", "on_epoch_end", "on_epoch_begin"):
                yield value


def _is_random(name):
    return name in RANDOM_NAMES or name.startswith(("random_", "stateless_random"))


def _names_in(function) -> set[str]:
    """The names that a function uses, and those of functions within it."""
    code = getattr(function, "__code__", None)
    return _names_in_code(code) if code else set()


def _names_in_code(code: types.CodeType) -> set[str]:
    names: set[str] = set()
    waiting = [code]
    for each in waiting:
        names |= set(each.co_names)
        waiting += [constant for constant in each.co_consts if isinstance(constant, types.CodeType)]
    return names
