"""One point of the study: build the pipelines of a task, prove them alike, compare them, give table rows."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import comparison, parity, pipelines, service, timing
from helpers.comparison import Comparison
from helpers.errors import StudyError
from helpers.machine import device, memory
from helpers.machine.device import Device
from helpers.parity import Report
from helpers.pipelines import forecast
from helpers.tasks import Task
from helpers.timing import isolation, models


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was found at one point.

    Attributes:
        task: what was to be delivered.
        description: of the data, real or stand-in.
        specs: label -> {"builder": name, **knobs}.
        parity: whether the pipelines deliver the task.
        comparison: their epochs through `fit` with the smallest model.
        training: label -> a small CNN's epoch taken apart; empty where it was not asked for.
        peak_rss_bytes: label -> highest resident memory during one epoch, of this process, or of the pipeline's
            own process with its children where it was isolated.
        pipeline_rss_bytes: label -> how much of it the pipeline brought, where it was isolated; else NaN.
        isolated: whether every pipeline had a process of its own.
        gather_images_per_s: what this machine gathers and converts at best.
        wall_s: seconds from the first build to the end.
        timed_s: seconds of it in warm-up and timed epochs.
        device: what trained, and by which backend.
    """

    task: Task
    description: object
    specs: dict
    parity: Report
    comparison: Comparison
    training: dict
    peak_rss_bytes: dict
    pipeline_rss_bytes: dict
    isolated: bool
    gather_images_per_s: float
    wall_s: float
    timed_s: float
    device: Device

    def rows(self, **identity) -> pd.DataFrame:
        """Returns a row a pipeline, in the columns of the results table.

        A ratio is given only between pipelines that both deliver the task.

        Args:
            **identity: what the measurement does not know: grid, cell_id, launcher, machine_id …
        """
        table = self.comparison.table.set_index("pipeline")
        reference_is_fair = self.parity.does_the_task(self.comparison.reference)
        return pd.DataFrame([self._row(label, table, reference_is_fair) | identity for label in self.specs])

    def _row(self, label, table, reference_is_fair):
        task, comparison_ = self.task, self.comparison
        knobs = {name: value for name, value in self.specs[label].items() if name != "builder"}
        mine = self.parity.differences.query("pipeline == @label")
        fair = reference_is_fair and mine.empty
        height, width, channels = self.description.image_shape
        examples = self.description.examples
        training = self.training.get(label)
        nan = math.nan

        def median(column):
            return float(np.median(comparison_.seconds(label, column)))

        return {
            "dataset": task.dataset,
            "dataset_label": self.description.label,
            "real": self.description.real,
            "source": task.source,
            "transform": task.transform,
            "batch_size": task.batch_size,
            "image_height": height,
            "image_width": width,
            "channels": channels,
            "examples": examples,
            "shuffle": task.shuffle,
            "seed": task.seed,
            "pipeline": label,
            "builder": self.specs[label]["builder"],
            "knobs": json.dumps(knobs, sort_keys=True),
            "reference": comparison_.reference,
            "same_work": mine.empty,
            "differences": "; ".join(
                f"{row.aspect}: {row.found} instead of {row.expected}" for row in mine.itertuples()
            ),
            "rounds": int(table.loc[label, "rounds"]),
            "time_ratio": table.loc[label, "time_ratio"] if fair else nan,
            "time_ratio_low": table.loc[label, "low"] if fair else nan,
            "time_ratio_high": table.loc[label, "high"] if fair else nan,
            "verdict": table.loc[label, "verdict"] if fair else "not the same work",
            "images_per_s": examples / median("epoch_s"),
            "epoch_s": median("epoch_s"),
            "first_batch_cold_s": float(comparison_.cold.set_index("pipeline").loc[label, "first_batch_s"]),
            "first_batch_s": median("first_batch_s"),
            "steady_batch_s": median("steady_batch_s"),
            "cpu_us_per_image": median("cpu_s") / examples * 1e6,
            "train_epoch_s": training.epoch_s if training else nan,
            "train_step_s": training.step_s if training else nan,
            "waiting_share": training.waiting_share if training else nan,
            "step_ceiling_images_per_s": task.batch_size / training.step_s if training else nan,
            "gather_ceiling_images_per_s": self.gather_images_per_s,
            "peak_rss_bytes": self.peak_rss_bytes[label],
            "pipeline_rss_bytes": self.pipeline_rss_bytes[label],
            "isolated": self.isolated,
            "two_modes": "two modes" in comparison_.flags(label),
            "flags": ", ".join(comparison_.flags(label)),
            "epoch_s_rounds": comparison_.seconds(label).tolist(),
            "wall_s": self.wall_s,
            "timed_s": self.timed_s,
            "backend": self.device.backend,
            "device": str(self.device),
            "device_busy_share": training.device_busy_share if training else nan,
        }


def check_specs(specs: Mapping[str, Mapping]) -> dict:
    """Checks label -> {"builder": name, **knobs} and returns it as plain dicts; imports no TensorFlow.

    Raises:
        StudyError: where a label, pipeline or knob is not right.
    """
    checked = {}
    for label, spec in specs.items():
        knobs = dict(spec)
        name = knobs.pop("builder", label)
        pipelines.check_knobs(name, knobs)
        checked[label] = {"builder": name, **knobs}
    if len(checked) < 2:
        raise StudyError(f"a comparison needs at least two pipelines (got {len(checked)})")
    return checked


def build_all(task: Task, specs: Mapping[str, Mapping]) -> dict:
    """Returns label -> feed for checked specs."""
    return {
        label: pipelines.build(spec["builder"], task, **{k: v for k, v in spec.items() if k != "builder"})
        for label, spec in specs.items()
    }


def measure(
    task: Task,
    specs: Mapping[str, Mapping],
    *,
    reference: str | None = None,
    precision: float = 0.03,
    margin: float = 0.05,
    budget_s: float = 60.0,
    train: bool = False,
    isolate: bool = False,
    filters: int = 16,
) -> Measurement:
    """Builds, proves and compares.

    Args:
        task: what every pipeline must deliver.
        specs: label -> {"builder": name, **knobs}.
        reference: label of the pipeline that the others are compared with; None: the first.
        precision: half-width of the intervals at which the rounds stop, as a share.
        margin: within which ratios count as the same.
        budget_s: seconds for the rounds, warm-up included.
        train: also train a small CNN on each pipeline and tell the share of waiting.
        isolate: give each pipeline a process of its own while the rounds run.
        filters: of that CNN's first convolution: more make its step longer.

    Raises:
        StudyError: before anything is timed, for anything that cannot be.
    """
    specs = check_specs(specs)
    forecast.check(task, specs)
    settings = {
        "reference": reference,
        "precision": precision,
        "margin": margin,
        "budget_s": budget_s,
        "seed": task.seed,
    }
    with service.watched(*service.addresses(specs)):
        return _measure(task, specs, settings, filters=filters if train else None, isolate=isolate)


def _measure(task, specs, settings, *, filters, isolate):
    from helpers.timing import ceilings

    start = time.perf_counter()
    trains_on = device.prepare()
    feeds = build_all(task, specs)
    description = task.describe()
    report = parity.check(task, feeds)
    if isolate:
        with isolation.started(task, specs) as started:
            rounds = comparison.compare(started, **settings)
            peaks = {label: isolated.memory() for label, isolated in started.items()}
    else:
        rounds = comparison.compare(feeds, **settings)
        peaks = {label: {"tree": _peak_of_an_epoch(feed), "pipeline": math.nan} for label, feed in feeds.items()}
    before_training = time.perf_counter()
    training = {}
    for label, feed in feeds.items() if filters else ():
        model = models.small_cnn(timing.first_batch(feed), classes=description.classes, filters=filters)
        training[label] = timing.take_training_apart(model, feed)
    timed_s = rounds.wall_s + time.perf_counter() - before_training
    return Measurement(
        task=task,
        description=description,
        specs=specs,
        parity=report,
        comparison=rounds,
        training=training,
        peak_rss_bytes={label: peak["tree"] for label, peak in peaks.items()},
        pipeline_rss_bytes={label: peak["pipeline"] for label, peak in peaks.items()},
        isolated=isolate,
        gather_images_per_s=ceilings.gather_ceiling(task.arrays().images, batch_size=task.batch_size).images_per_s,
        wall_s=time.perf_counter() - start,
        timed_s=timed_s,
        device=trains_on,
    )


def _peak_of_an_epoch(feed):
    memory.reset_peak()
    timing.time_epoch(models.smallest(timing.first_batch(feed)), feed)
    return memory.peak_bytes()
