"""A model of an epoch: what it takes is the longest of what goes on side by side."""

import math
from collections.abc import Sequence
from dataclasses import replace

from helpers.doctor.stages import Stage, Stages

# Stages behind which another thread goes on.
ASYNCHRONOUS = ("Prefetch", "ParallelMap", "ParallelInterleave", "ParallelBatch")
STEP_CPU = 1.5  # CPU seconds of a training step's second


def epoch_s(stages: Sequence[Stage], step_s: float, cores: float) -> float:
    """Returns the seconds of an epoch.

    Stages between two that have threads of their own run one after the other; those that make parallel calls share
    their work out; all CPU together goes through the cores; and the model takes its steps beside all that.

    Args:
        stages: from the source on, of one epoch.
        step_s: seconds of all its steps.
        cores: that may be used.
    """
    lanes, lane = [step_s], 0.0
    for stage in stages:
        cost = _seconds(stage)
        if stage.calls and stage.calls > 1:
            lanes += [lane, cost / min(stage.calls, cores)]
            lane = 0.0
        else:
            lane += cost
        if stage.name.split()[0] in ASYNCHRONOUS:
            lanes.append(lane)
            lane = 0.0
    cpu_s = sum(stage.cost_s for stage in stages if math.isfinite(stage.cost_s))
    return max(*lanes, lane, (cpu_s + STEP_CPU * step_s) / cores, 1e-9)


def _seconds(stage: Stage) -> float:
    """What a stage takes by the clock where that is known, as it is of a PyDataset that waits; else its CPU seconds."""
    if math.isfinite(stage.wall_s) and not stage.first_epoch_only:
        return stage.wall_s
    return stage.cost_s if math.isfinite(stage.cost_s) else 0.0


def with_free_epochs(stages: Stages, measured_s: float, held_s: float, cores: float) -> Stages:
    """Returns the stages with what an epoch would take were each of them free, never less than with no input at all.

    Args:
        stages: of a part of an epoch, or of all of it.
        measured_s: seconds of the epoch as measured.
        held_s: seconds of its steps on a batch held ready.
        cores: that may be used.
    """
    told = stages.outer
    costs = sum(stage.cost_s for stage in told if math.isfinite(stage.cost_s))
    if not costs:
        return stages
    now = epoch_s(told, held_s, cores)

    def without(place):
        stage = stages.stages[place]
        if stage.inner or not math.isfinite(stage.cost_s):
            return math.nan
        rest = [replace(each, cpu_s=0.0, wall_s=0.0) if each is stage else each for each in told]
        return min(measured_s, max(held_s, measured_s * epoch_s(rest, held_s, cores) / now))

    return stages.with_free_epochs([without(place) for place in range(len(stages.stages))])
