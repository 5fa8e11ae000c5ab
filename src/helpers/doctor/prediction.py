"""A model of an epoch: what it takes is the longest of what goes on side by side."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from helpers.doctor.case import Case
from helpers.doctor.headspace import Headspace
from helpers.doctor.stages import Stage, Stages
from helpers.machine import limits

# Stages behind which another thread goes on.
ASYNCHRONOUS = ("Prefetch", "ParallelMap", "ParallelInterleave", "ParallelBatch", "MapAndBatch")
STEP_CPU = 1.5  # CPU seconds of a training step's second
DRAIN_S = 0.1  # what every epoch of a PyDataset with workers waits for at its end [fact: workers-drain]


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

    Making iterators stays; all else is brought to what was measured, because beside training everything takes longer.
    Where a PyDataset gets workers, the wait at the end of each epoch comes on top: the gain may be below 1.

    Args:
        case: the feed.
        edit: makes a stage, with its place among the outer ones, what it will be.
        ahead: whether batches will be prepared while the model trains; None: as now.
    """
    if case.headspace is None or not case.stages.outer:
        return math.nan
    share = case.stages.batches / case.headspace.batches
    measured_s, held_s = case.headspace.epoch.value * share, float(case.headspace.held_s.mean()) * share
    is_ahead = works_ahead(case.stages)
    now = epoch_s(case.stages.outer, held_s, cores(), ahead=is_ahead)
    edited = [edit(place, stage) for place, stage in enumerate(case.stages.outer)]
    after = epoch_s(edited, held_s, cores(), ahead=is_ahead if ahead is None else ahead)
    after_s = _rescaled(after / now, measured_s, held_s, start_s(case.headspace) * share)
    gets_workers = case.kind == "PyDataset" and _calls(case.stages.outer) <= 1 < _calls(edited)
    return measured_s / (after_s + DRAIN_S * share * gets_workers)


def _calls(stages):
    return max(stage.calls or 1 for stage in stages)


def start_s(head: Headspace) -> float:
    """Returns what making iterators adds to an epoch of a feed, in seconds; 0 where that was not measured.

    Args:
        head: of the feed.
    """
    return max(0.0, float(np.median(head.iterators_s))) if len(head.iterators_s) else 0.0


def _rescaled(times, measured_s, held_s, start_s):
    """An epoch of which all but its start takes so many times what it did, and no less than its steps do."""
    start_s = min(start_s, max(0.0, measured_s - held_s))
    return min(measured_s, max(held_s + start_s, start_s + (measured_s - start_s) * times))


def with_free_epochs(stages: Stages, measured_s: float, held_s: float, cores: float, start_s: float = 0.0) -> Stages:
    """Returns the stages with what an epoch would take were each of them free, never less than with no input at all.

    Args:
        stages: of a part of an epoch, or of all of it.
        measured_s: seconds of the epoch as measured.
        held_s: seconds of its steps on a batch held ready.
        cores: that may be used.
        start_s: seconds that making iterators adds to it.
    """
    told = stages.outer
    costs = sum(stage.cost_s for stage in told if math.isfinite(stage.cost_s))
    if not costs:
        return stages
    ahead = works_ahead(stages)
    now = epoch_s(told, held_s, cores, ahead=ahead)

    def without(place):
        stage = stages.stages[place]
        if stage.inner or not math.isfinite(stage.cost_s):
            return math.nan
        rest = [scaled(each, 0.0) if each is stage else each for each in told]
        return _rescaled(epoch_s(rest, held_s, cores, ahead=ahead) / now, measured_s, held_s, start_s)

    return stages.with_free_epochs([without(place) for place in range(len(stages.stages))])
