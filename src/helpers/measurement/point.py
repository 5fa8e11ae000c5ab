"""One point of the study: build the pipelines of a task, prove them alike, compare them, give the table's rows."""

import functools
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers import checks, comparison, parity, service, timing
from helpers.comparison import Comparison, run_quality, start_and_rate
from helpers.datasets import Description
from helpers.errors import StudyError
from helpers.machine import device, limits, memory
from helpers.machine.device import Device
from helpers.measurement.row import SMALLEST, Row
from helpers.parity import Report
from helpers.pipelines import Spec, describe, feeds as feed_kinds, forecast, read_specs
from helpers.pipelines.specs import services_of
from helpers.tasks import Task
from helpers.timing import Training, ceilings, isolation, models

SMALL_CNN = "a small CNN"
# Pairs of openings, to tell how a start grows with the examples: two at least, then as many as fit.
LEAST_OPENINGS, MOST_OPENINGS, OPENINGS_S = 2, 5, 0.5


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
        start_s_per_example: label -> seconds that each further example adds to the start of an epoch; NaN where it
            was not measured.
        floor_batch_s: seconds of `fit` for a batch held ready.
        ceiling_images_per_s: what this machine reaches at best in the task's work, without any pipeline.
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
    start_s_per_example: dict[str, float]
    floor_batch_s: float
    ceiling_images_per_s: float
    wall_s: float
    timed_s: float
    device: Device

    def rows(self, **identity: Any) -> pd.DataFrame:
        """Returns one row per pipeline, in the columns of the results table.

        A ratio is given only between pipelines that both deliver the task.

        Args:
            **identity: what the measurement does not know: grid, cell_id, launcher, server, machine_id, started_at.
        """
        table = self.comparison.table.set_index("pipeline")
        return pd.DataFrame([asdict(self._row(label, table.loc[label], identity)) for label in self.specs])

    def _turns_at_examples(self, label):
        """The length of an epoch, in examples, at which the order of a pipeline and the reference turns."""
        size, examples, reference = self.task.batch_size, self.description.examples, self.comparison.reference
        grows = float(np.subtract(*(np.nan_to_num(self.start_s_per_example[name]) for name in (label, reference))))
        starts, rates = (
            np.subtract(*self.comparison.paired(label, column=column)) for column in ("start_s", "batch_s")
        )
        turns = start_and_rate.turning_point(starts - grows * examples, rates + grows * size)
        return (
            {}
            if turns is None
            else {
                "turns_at_examples": turns.value * size,
                "turns_at_examples_low": turns.low * size,
                "turns_at_examples_high": turns.high * size,
            }
        )

    def _row(self, label: str, compared: pd.Series, identity: dict[str, Any]) -> Row:
        task, rounds = self.task, self.comparison
        height, width, channels = self.description.image_shape
        differences = self.parity.differences_of(label)
        raw = rounds.rounds[rounds.rounds["pipeline"] == label]
        start, rate = rounds.start(label), rounds.rate(label)

        def median(column):
            return float(np.median(rounds.seconds(label, column)))

        measured: dict[str, Any] = dict(identity)
        if not differences and self.parity.does_the_task(rounds.reference):
            measured |= {
                "time_ratio": compared["time_ratio"],
                "time_ratio_low": compared["low"],
                "time_ratio_high": compared["high"],
                "ratio_of_totals": rounds.ratio_of_totals(label),
                "verdict": compared["verdict"],
                **self._turns_at_examples(label),
            }
        if training := self.training.get(label):
            measured |= {
                "train_epoch_s": training.epoch_s,
                "train_step_s": training.step_s,
                "waiting_share": training.waiting_share,
                "device_busy_share": training.device_busy_share,
            }
        return Row(
            dataset=task.dataset,
            dataset_label=self.description.label,
            real=self.description.real,
            source=task.source,
            decoding=task.decoding,
            cores=len(limits.core_numbers()),
            transform=task.transform,
            batch_size=task.batch_size,
            image_height=height,
            image_width=width,
            channels=channels,
            examples=self.description.examples,
            shuffle=task.shuffle,
            seed=task.seed,
            model=self.comparison.trained or SMALLEST,
            pipeline=label,
            builder=self.specs[label].builder,
            knobs=json.dumps(dict(self.specs[label].knobs), sort_keys=True),
            reference=rounds.reference,
            same_work=not differences,
            differences=json.dumps(differences) if differences else "",
            rounds=int(compared["rounds"]),
            order_seed=rounds.seed,
            epochs_per_round=int(raw["epoch"].max()),
            batches=rounds.batches(label),
            images_per_s=self.description.examples / median("epoch_s"),
            epoch_s=median("epoch_s"),
            start_s=start.value,
            start_s_low=start.low,
            start_s_high=start.high,
            start_s_per_example=self.start_s_per_example[label],
            batch_s=rate.value,
            batch_s_low=rate.low,
            batch_s_high=rate.high,
            first_batch_s=median("first_batch_s"),
            cpu_us_per_image=median("cpu_s") / self.description.examples * 1e6,
            peak_rss_bytes=self.peak_rss_bytes[label],
            pipeline_rss_bytes=self.pipeline_rss_bytes[label],
            isolated=self.isolated,
            floor_batch_s=self.floor_batch_s,
            ceiling_images_per_s=self.ceiling_images_per_s,
            two_modes=run_quality.two_modes(rounds.seconds(label)),
            flags=compared["flags"],
            **{
                f"{part}_rounds": rounds.seconds(label, part).tolist()
                for part in ("epoch_s", "steady_s", "end_s", "first_batch_s", "wait_s")
            },
            positions=raw.groupby("round")["position"].first().tolist(),
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
    until: str = "precise",
    train: bool = False,
    isolate: bool = False,
    filters: int = 16,
) -> Measurement:
    """Builds, proves and compares.

    Feeds are compared with the smallest model, whose step costs next to nothing. Where a pipeline does its work within
    the model, all of them are compared in whole training epochs of a small CNN instead, and the rows say so.

    Args:
        task: what every pipeline must deliver.
        specs: label -> Spec, or {"builder": name, **knobs}.
        reference: label of the pipeline that the others are compared with; None: the first.
        precision: half-width of the intervals at which the rounds stop, as a share.
        margin: within which ratios count as the same.
        budget_s: seconds for the rounds, warm-up included.
        until: "precise" or "decided", see `comparison.compare`.
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
    checks.one_of("until", until, comparison.UNTIL)
    settings = {"reference": reference, "precision": precision, "margin": margin, "budget_s": budget_s, "until": until}
    with service.watched(*services_of(checked)):
        feeds = {label: spec.build(task) for label, spec in checked.items()}
        report = parity.check(task, feeds, decoding={label: spec.decoding(task) for label, spec in checked.items()})
        first = functools.cache(lambda label: timing.first_batch(feeds[label]))  # which reads a whole epoch
        settings["examples"] = task.describe().examples
        model = models.smallest
        if in_model := [label for label, spec in checked.items() if describe(spec.builder).in_model]:
            if isolate:
                raise StudyError(
                    f"isolate measures feeds without a training model (got {', '.join(in_model)}, whose work is done "
                    "within one); leave one of them out"
                )
            model = functools.partial(models.small_cnn, classes=task.describe().classes, filters=filters)
            settings["trained"] = SMALL_CNN
        rounds, peaks = _compare(task, checked, feeds, first, isolate, model, **settings)
        before_training = time.perf_counter()
        training = _train(task, feeds, first, filters) if train and not in_model else {}
        timed_s = rounds.wall_s + time.perf_counter() - before_training
        grows = {label: _start_s_per_example(task, spec, feeds[label]) for label, spec in checked.items()}
        one_batch = timing.held(first(rounds.reference), 1)
        floor_batch_s = timing.floor_batch_s(one_batch, rounds.batches(rounds.reference))
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
        start_s_per_example=grows,
        floor_batch_s=floor_batch_s,
        ceiling_images_per_s=ceilings.of_task(task).images_per_s,
        wall_s=time.perf_counter() - started,
        timed_s=timed_s,
        device=trains_on,
    )


def _compare(task, specs, feeds, first, isolate, model, **settings):
    """Returns the comparison and label -> peak memory in bytes, of the tree and of the pipeline alone."""
    if isolate:
        with isolation.started(task, specs) as isolated:
            return comparison.compare(isolated, **settings), {
                label: process.memory() for label, process in isolated.items()
            }
    watched = {
        label: _Watched(models.of(model, first(label), layers=feed_kinds.opened(feed).layers), feed_kinds.settled(feed))
        for label, feed in feeds.items()
    }
    rounds = comparison.compare(watched, **settings)
    return rounds, {label: {"tree": feed.peak_bytes, "pipeline": math.nan} for label, feed in watched.items()}


class _Watched:
    """A feed with its model, which notes the peak of this process's memory in its first epochs."""

    def __init__(self, model, feed):
        self.fitted = timing.Fitted(model, feed)
        self.peak_bytes = math.nan

    def time_epochs(self, epochs):
        is_first = math.isnan(self.peak_bytes)
        if is_first:
            memory.reset_peak()
        timed = self.fitted.time_epochs(epochs)
        if is_first:
            self.peak_bytes = memory.peak_bytes()
        return timed


def _start_s_per_example(task, spec, feed):
    """Seconds that each further example adds to the start of an epoch: from the first batches of all and of half."""
    examples = task.describe().examples
    if examples < 4 * task.batch_size:
        return math.nan
    try:
        half = spec.build(task.but(examples=examples // 2))
    except StudyError:  # it reads a whole folder only
        return math.nan
    timing.first_batch(half)  # reads to the end, so that a cache is filled
    whole: list[float] = []
    part: list[float] = []
    while len(part) < LEAST_OPENINGS or (len(part) < MOST_OPENINGS and sum(whole + part) < OPENINGS_S):
        whole.append(timing.opening_s(feed))
        part.append(timing.opening_s(half))
    return float(np.median(np.subtract(whole, part))) / (examples - examples // 2)


def _train(task, feeds, first, filters):
    """Trains a small CNN on each feed and returns label -> its epoch taken apart."""
    classes = task.describe().classes
    return {
        label: timing.take_training_apart(models.small_cnn(first(label), classes=classes, filters=filters), feed)
        for label, feed in feeds.items()
    }
