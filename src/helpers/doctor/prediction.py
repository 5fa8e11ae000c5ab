"""A model of an epoch: what it takes is the longest of what goes on side by side."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from helpers import internals
from helpers.doctor.case import Case
from helpers.doctor.headspace import Headspace
from helpers.doctor.stages import Stage, Stages
from helpers.machine import limits

# Stages behind which another thread goes on.
ASYNCHRONOUS = ("Prefetch", "ParallelMap", "ParallelInterleave", "ParallelBatch", "MapAndBatch")
STEP_CPU = 1.5  # CPU seconds of a training step's second
DRAIN_S = 0.1  # what every epoch of a PyDataset with workers waits for at its end [fact: workers-drain]
POOL_S = 0.05  # and what making its workers takes at its start [fact: workers-anew-every-epoch]


def cores() -> float:
    """Returns how many cores may be used at once."""
    return min(len(limits.core_numbers()), limits.cpu_quota())


def works_ahead(stages: Stages) -> bool:
    """Whether a feed prepares batches while the model trains, as TensorFlow's graph ran, or as Keras reads others.

    Args:
        stages: of the feed.
    """
    nodes = stages.graph.nodes
    return not nodes or any(node.name.startswith(ASYNCHRONOUS) for node in nodes[-2:])


def epoch_s(stages: Sequence[Stage], step_s: float, cores: float, *, ahead: bool = True) -> float:
    """Returns the seconds of an epoch.

    Stages between two that have threads of their own run one after the other; those that make parallel calls share
    their work out; all CPU together goes through the cores; and the model takes its steps beside all that.

    Args:
        stages: from the source on, of one epoch.
        step_s: seconds of all its steps.
        cores: that may be used.
        ahead: whether batches are prepared while the model trains.
    """
    lanes, lane = [step_s], 0.0
    for stage in stages:
        if stage.calls and stage.calls > 1:
            waits = math.isfinite(stage.wall_s)  # waiting takes no core
            lanes += [lane, _seconds(stage) / (stage.calls if waits else min(stage.calls, cores))]
            lane = 0.0
        else:
            lane += _seconds(stage)
        if stage.name.split()[0] in ASYNCHRONOUS:
            lanes.append(lane)
            lane = 0.0
    cpu_s = sum(stage.cost_s for stage in stages if math.isfinite(stage.cost_s))
    last = lane if ahead else lane + step_s
    return max(*lanes, last, (cpu_s + STEP_CPU * step_s) / cores, 1e-9)


def _seconds(stage: Stage) -> float:
    """What a stage takes by the clock where that is known, as it is of a PyDataset that waits; else its CPU seconds."""
    if math.isfinite(stage.wall_s) and not stage.first_epoch_only:
        return stage.wall_s
    return stage.cost_s if math.isfinite(stage.cost_s) else 0.0


def scaled(stage: Stage, left: float) -> Stage:
    """Returns a stage that costs a share of what it does.

    Args:
        stage: that costs all of it.
        left: the share, 0 to 1.
    """
    return replace(stage, cpu_s=left * stage.cpu_s, wall_s=left * stage.wall_s)


def gain(case: Case, edit: Callable[[int, Stage], Stage], *, ahead: bool | None = None) -> float:
    """Predicts how many times as fast an epoch is once its stages are others; at most as with no input at all.

    All is brought to what was measured, because beside training everything takes longer. Where a PyDataset gets
    workers, its start is another one: their pool, the first batch, and the wait at the end of each epoch. So the gain
    may be below 1.

    Args:
        case: the feed.
        edit: makes a stage, with its place among the outer ones, what it will be.
        ahead: whether batches will be prepared while the model trains; None: as now.
    """
    if case.headspace is None or not case.stages.outer:
        return math.nan
    measured = Measured.of(case.headspace, case.stages.batches)
    edited = [edit(place, stage) for place, stage in enumerate(case.stages.outer)]
    if case.kind == "PyDataset" and _calls(case.stages.outer) <= 1 < _calls(edited):
        share = case.stages.batches / case.headspace.batches
        start_s = (POOL_S + DRAIN_S) * share + _seconds(edited[0]) / max(1, case.stages.batches)
        return measured.epoch_s / (start_s + epoch_s(edited, measured.held_s, cores()))
    return measured.epoch_s / _after_s(case.stages, edited, measured, cores(), ahead)


def filling_s(case: Case) -> float:
    """Returns the seconds that filling the buffers of shuffles takes of an epoch's start; 0 where there is none.

    Args:
        case: the feed.
    """
    first, batches = before_the_first_batch(case.stages), max(1, case.stages.batches)
    if case.headspace is None or max(first, default=0.0) <= 1 / batches:
        return 0.0
    begun_s = epoch_s(_parts_of(case.stages.outer, first), 0.0, cores())
    share = batches / case.headspace.batches
    return min(Measured.of(case.headspace, batches).start_s, begun_s) / share


def _parts_of(stages, shares):
    return [scaled(stage, share) for stage, share in zip(stages, shares, strict=True)]


def _calls(stages):
    return max(stage.calls or 1 for stage in stages)


@dataclass(frozen=True)
class Measured:
    """What was measured of an epoch, or of a part of one, in seconds.

    Attributes:
        epoch_s: all of it.
        held_s: its steps on a batch held ready.
        start_s: what the feed's start takes longer than that of a batch held ready; 0 where it was not measured.
    """

    epoch_s: float
    held_s: float
    start_s: float = 0.0

    @classmethod
    def of(cls, head: Headspace, batches: int) -> "Measured":
        """Returns what was measured of a feed.

        Args:
            head: of the feed.
            batches: of the part that is asked for.
        """
        share = batches / head.batches
        start_s = max(0.0, float(np.median(head.iterators_s))) if len(head.iterators_s) else 0.0
        return cls(head.epoch.value * share, float(np.median(head.held_s)) * share, start_s * share)


def _after_s(stages, edited, measured, cores, ahead=None):
    """An epoch of other stages, no shorter than its steps.

    Its start holds the work before the first batch, which changes with the stages, and the making of iterators, which
    belongs to the stages with functions: one that costs nothing any more, behind a cache, is not made.
    """
    is_ahead = works_ahead(stages)
    outer, first = stages.outer, before_the_first_batch(stages)
    later = [1 - share for share in first]

    def start_and_rest(some, ahead):
        rest_s = epoch_s(_parts_of(some, later), measured.held_s, cores, ahead=ahead)
        return epoch_s(_parts_of(some, first), 0.0, cores), rest_s

    now, after = start_and_rest(outer, is_ahead), start_and_rest(edited, is_ahead if ahead is None else ahead)
    start_s = min(measured.start_s, max(0.0, measured.epoch_s - measured.held_s))
    work_s = min(start_s, now[0])
    making_s = (start_s - work_s) * _still_made(outer, edited)
    rest_s = max(measured.held_s, (measured.epoch_s - start_s) * after[1] / now[1])
    return min(measured.epoch_s, making_s + work_s * after[0] / now[0] + rest_s)


def _still_made(outer, edited):
    """The share of the stages with functions that are not behind a cache, nor free, now."""
    made = [place for place, stage in enumerate(outer) if stage.where and stage.cost_s > 0]
    return sum(edited[place].cost_s > 0 and edited[place].where != "" for place in made) / len(made) if made else 1.0


def before_the_first_batch(stages: Stages) -> list[float]:
    """Returns the share of each outer stage's work that is done before the first batch, 0 to 1.

    That of one batch, and of as many elements as the buffer of a shuffle() behind it holds.

    Args:
        stages: of a feed.
    """
    share = 1 / max(1, stages.batches)
    datasets = stages.datasets or (None,) * len(stages.outer)
    shares = []
    for dataset, stage in reversed(list(zip(datasets, stages.outer, strict=True))):
        buffer = None if dataset is None else internals.told(dataset, "buffer_size")
        if stage.name.startswith("Shuffle") and buffer:
            elements = max(int(dataset.cardinality()), stage.elements or 0)
            share = max(share, min(1.0, buffer / elements)) if elements > 0 else share
        shares.append(share)
    return shares[::-1]


def with_free_epochs(stages: Stages, measured: Measured, cores: float) -> Stages:
    """Returns the stages with what an epoch would take were each of them free, never less than with no input at all.

    Args:
        stages: of a part of an epoch, or of all of it.
        measured: of the same.
        cores: that may be used.
    """
    told = stages.outer
    if not sum(stage.cost_s for stage in told if math.isfinite(stage.cost_s)):
        return stages

    def without(stage):
        if stage.inner or not math.isfinite(stage.cost_s):
            return math.nan
        return _after_s(stages, [scaled(each, 0.0) if each is stage else each for each in told], measured, cores)

    return stages.with_free_epochs([without(stage) for stage in stages.stages])
