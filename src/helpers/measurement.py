"""One point of the study: build the pipelines of a task, prove them alike, compare them, give the table's rows."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers import comparison, parity, service, timing
from helpers.comparison import Comparison, run_quality
from helpers.datasets import Description
from helpers.machine import device, memory
from helpers.machine.device import Device
from helpers.parity import Report
from helpers.pipelines import Spec, forecast, read_specs
from helpers.pipelines.specs import services_of
from helpers.ratios import Verdict
from helpers.tasks import Task
from helpers.timing import Training, ceilings, isolation, models

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Row:
    """One pipeline of one cell: a row of the results table, whose columns these attributes are.

    Attributes:
        schema_version: of the table.
        cell_id: the sweep's name for the point.
        grid: the sweep's name.
        machine_id: of the machine that measured.
        launcher: how the kernel was started.
        started_at: time of day, ISO 8601.
        dataset: as tasks name it; dataset_label: as people read it; real: whether it is what the label names.
        source: how it was read; transform, batch_size, shuffle, seed: of the task.
        image_height: of the source's images, pixels; image_width, channels likewise.
        examples: of an epoch.
        pipeline: its label; builder: its name; knobs: its settings as JSON; reference: label of what it is
            compared with.
        same_work: whether it does the task; differences: aspect -> what was found
            instead of what, as JSON; "" where nothing differs.
        rounds: timed rounds.
        time_ratio: its epoch's time over the reference's; time_ratio_low, time_ratio_high: the interval. NaN
            where one of the two does not do the task.
        verdict: a `ratios.Verdict`.
        images_per_s: of the median epoch.
        epoch_s: median, seconds, as are the following; first_batch_cold_s: of the very first epoch.
        train_epoch_s: a small CNN's epoch; train_step_s: its step alone; waiting_share: 0 to 1. NaN where none
            was trained.
        cpu_us_per_image: CPU microseconds.
        peak_rss_bytes: highest resident memory; pipeline_rss_bytes: what the pipeline brought, where it was
            isolated, else NaN.
        isolated: whether every pipeline had a process of its own.
        gather_ceiling_images_per_s: what the machine gathers at best; step_ceiling_images_per_s: what the CNN takes.
        two_modes: whether its epochs fall in two heaps; flags: what a reader should know of them.
        epoch_s_rounds: the raw rounds, seconds.
        wall_s: seconds of the whole point; timed_s: of it in warm-up and timed epochs.
        backend: what Keras trained on; device: where; device_busy_share: 0 to 1, NaN without a GPU.
    """

    schema_version: int = SCHEMA_VERSION
    cell_id: str = ""
    grid: str = ""
    machine_id: str = ""
    launcher: str = ""
    started_at: str = ""
    dataset: str
    dataset_label: str
    real: bool
    source: str
    transform: str
    batch_size: int
    image_height: int
    image_width: int
    channels: int
    examples: int
    shuffle: bool
    seed: int
    pipeline: str
    builder: str
    knobs: str
    reference: str
    same_work: bool
    differences: str
    rounds: int
    time_ratio: float = math.nan
    time_ratio_low: float = math.nan
    time_ratio_high: float = math.nan
    verdict: str = Verdict.NOT_THE_SAME_WORK.value
    images_per_s: float
    epoch_s: float
    first_batch_cold_s: float
    first_batch_s: float
    steady_batch_s: float
    train_epoch_s: float = math.nan
    train_step_s: float = math.nan
    waiting_share: float = math.nan
    cpu_us_per_image: float
    peak_rss_bytes: float
    pipeline_rss_bytes: float = math.nan
    isolated: bool = False
    gather_ceiling_images_per_s: float
    step_ceiling_images_per_s: float = math.nan
    two_modes: bool
    flags: str
    epoch_s_rounds: list
    wall_s: float
    timed_s: float
    backend: str = ""
    device: str = ""
    device_busy_share: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was found at one point.

    Attributes:
        task: what was to be delivered.
        description: of the data, real or stand-in.
        specs: label -> Spec.
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
    description: Description
    specs: dict[str, Spec]
    parity: Report
    comparison: Comparison
    training: dict[str, Training]
    peak_rss_bytes: dict[str, float]
    pipeline_rss_bytes: dict[str, float]
    isolated: bool
    gather_images_per_s: float
    wall_s: float
    timed_s: float
    device: Device

    def rows(self, **identity: str) -> pd.DataFrame:
        """Returns one row per pipeline, in the columns of the results table.

        A ratio is given only between pipelines that both deliver the task.

        Args:
            **identity: what the measurement does not know: grid, cell_id, launcher, machine_id, started_at.
        """
        return pd.DataFrame([asdict(self._row(label, identity)) for label in self.specs])

    def _row(self, label: str, identity: dict[str, str]) -> Row:
        task, rounds = self.task, self.comparison
        height, width, channels = self.description.image_shape
        differences = self.parity.differences_of(label)
        compared = rounds.table.set_index("pipeline").loc[label]

        def median(column):
            return float(np.median(rounds.seconds(label, column)))

        measured: dict[str, Any] = dict(identity)
        if not differences and self.parity.does_the_task(rounds.reference):
            measured |= {
                "time_ratio": compared["time_ratio"],
                "time_ratio_low": compared["low"],
                "time_ratio_high": compared["high"],
                "verdict": compared["verdict"],
            }
        if training := self.training.get(label):
            measured |= {
                "train_epoch_s": training.epoch_s,
                "train_step_s": training.step_s,
                "waiting_share": training.waiting_share,
                "step_ceiling_images_per_s": task.batch_size / training.step_s,
                "device_busy_share": training.device_busy_share,
            }
        return Row(
            dataset=task.dataset,
            dataset_label=self.description.label,
            real=self.description.real,
            source=task.source,
            transform=task.transform,
            batch_size=task.batch_size,
            image_height=height,
            image_width=width,
            channels=channels,
            examples=self.description.examples,
            shuffle=task.shuffle,
            seed=task.seed,
            pipeline=label,
            builder=self.specs[label].builder,
            knobs=json.dumps(dict(self.specs[label].knobs), sort_keys=True),
            reference=rounds.reference,
            same_work=not differences,
            differences=json.dumps(differences) if differences else "",
            rounds=int(compared["rounds"]),
            images_per_s=self.description.examples / median("epoch_s"),
            epoch_s=median("epoch_s"),
            first_batch_cold_s=float(rounds.cold.set_index("pipeline").loc[label, "first_batch_s"]),
            first_batch_s=median("first_batch_s"),
            steady_batch_s=median("steady_batch_s"),
            cpu_us_per_image=median("cpu_s") / self.description.examples * 1e6,
            peak_rss_bytes=self.peak_rss_bytes[label],
            pipeline_rss_bytes=self.pipeline_rss_bytes[label],
            isolated=self.isolated,
            gather_ceiling_images_per_s=self.gather_images_per_s,
            two_modes=run_quality.two_modes(rounds.seconds(label)),
            flags=compared["flags"],
            epoch_s_rounds=rounds.seconds(label).tolist(),
            wall_s=self.wall_s,
            timed_s=self.timed_s,
            backend=self.device.backend,
            device=str(self.device),
            **measured,
        )


def measure(
    task: Task,
    specs: Mapping[str, Spec | Mapping[str, Any]],
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
        specs: label -> Spec, or {"builder": name, **knobs}.
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
    started = time.perf_counter()
    checked = read_specs(specs)
    forecast.check(task, checked)
    trains_on = device.prepare()
    settings = {"reference": reference, "precision": precision, "margin": margin, "budget_s": budget_s}
    with service.watched(*services_of(checked)):
        feeds = {label: spec.build(task) for label, spec in checked.items()}
        report = parity.check(task, feeds)
        rounds, peaks = _compare(task, checked, feeds, isolate, seed=task.seed, **settings)
        before_training = time.perf_counter()
        training = _train(task, feeds, filters) if train else {}
    timed_s = rounds.wall_s + time.perf_counter() - before_training
    return Measurement(
        task=task,
        description=task.describe(),
        specs=checked,
        parity=report,
        comparison=rounds,
        training=training,
        peak_rss_bytes={label: peak["tree"] for label, peak in peaks.items()},
        pipeline_rss_bytes={label: peak["pipeline"] for label, peak in peaks.items()},
        isolated=isolate,
        gather_images_per_s=ceilings.of_task(task).images_per_s,
        wall_s=time.perf_counter() - started,
        timed_s=timed_s,
        device=trains_on,
    )


def _compare(task, specs, feeds, isolate, **settings):
    """Returns the comparison and label -> peak memory in bytes, of the tree and of the pipeline alone."""
    if isolate:
        with isolation.started(task, specs) as isolated:
            return comparison.compare(isolated, **settings), {
                label: process.memory() for label, process in isolated.items()
            }
    rounds = comparison.compare(feeds, **settings)
    return rounds, {label: {"tree": _peak_of_an_epoch(feed), "pipeline": math.nan} for label, feed in feeds.items()}


def _peak_of_an_epoch(feed):
    memory.reset_peak()
    timing.time_epoch(models.smallest(timing.first_batch(feed)), feed)
    return memory.peak_bytes()


def _train(task, feeds, filters):
    """Trains a small CNN on each feed and returns label -> its epoch taken apart."""
    classes = task.describe().classes
    return {
        label: timing.take_training_apart(
            models.small_cnn(timing.first_batch(feed), classes=classes, filters=filters), feed
        )
        for label, feed in feeds.items()
    }
