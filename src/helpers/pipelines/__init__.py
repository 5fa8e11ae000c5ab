"""The pipelines that the kit compares, by name: `build(name, task, **knobs)` gives what `fit` takes."""

from typing import Any

from helpers.pipelines.feeds import Feed as Feed
from helpers.pipelines.specs import (
    AUTOTUNE as AUTOTUNE,
    Spec as Spec,
    describe as describe,
    names as names,
    read_specs as read_specs,
)
from helpers.pipelines.stages import after_each_stage as after_each_stage
from helpers.tasks import Task


def build(name: str, task: Task, **knobs: Any) -> Any:
    """Builds a pipeline that does the task.

    Args:
        name: one of `names()`.
        task: what to deliver.
        **knobs: settings of that pipeline; `describe(name).knobs` lists them.

    Returns:
        What `fit` takes: a tf.data.Dataset, a PyDataset or an ImageDataGenerator's iterator; or a `Feed`, where that
        goes with an argument of `fit`: a Sequence that is not to be shuffled. It yields
        (images float32 (batch, height, width, channels), labels int64 (batch,)), except for the published
        pipelines, which yield what their answers' code yields.

    Raises:
        StudyError: for a bad name, knob or value, data that is not there, or work it cannot do.
    """
    return Spec(name, knobs).build(task)
