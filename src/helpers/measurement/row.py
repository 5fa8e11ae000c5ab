"""One pipeline of one cell: a row of the results table, whose columns are this class's attributes."""

import math
from dataclasses import dataclass

from helpers.ratios import Verdict

SMALLEST = "the smallest"
SCHEMA_VERSION = 3  # 1: epochs of a `fit` each, no start and rate; 2: waits for AUTOTUNE's thread within the epochs


@dataclass(frozen=True, kw_only=True)
class Row:
    """One pipeline of one cell: a row of the results table, whose columns these attributes are.

    Attributes:
        schema_version: of the table.
        cell_id: the sweep's name for the point.
        grid: the sweep's name.
        machine_id: of the machine that measured.
        launcher: how the kernel was started; server: number of the kernel server that it came from.
        started_at: time of day, ISO 8601.
        dataset: as tasks name it; dataset_label: as people read it; real: whether it is what the label names.
        source: how it was read; decoding: when its pictures were decoded, "once" or "every epoch"; transform,
            batch_size, shuffle, seed: of the task.
        cores: that the process could use; 0 where it was not written down.
        image_height: of the source's images, pixels; image_width, channels likewise.
        examples: of an epoch.
        model: that the epochs trained: "the smallest", whose step costs next to nothing, or in words.
        pipeline: its label; builder: its name; knobs: its settings as JSON; reference: label of what it is
            compared with.
        same_work: whether it does the task; differences: aspect -> what was found
            instead of what, as JSON; "" where nothing differs.
        rounds: timed rounds, the cell's first; epochs_per_round: epochs timed in each; order_seed: of the order within
            the rounds; batches: of an epoch.
        time_ratio: its epoch's time over the reference's, for so many examples; time_ratio_low, time_ratio_high: the
            interval. NaN where one of the two does not do the task, as are the following three.
        ratio_of_totals: of all its epochs' time over all of the reference's, waits for AUTOTUNE's thread and all. No
            other figure of an epoch has them.
        turns_at_examples: of an epoch at which the order of the two turns, NaN where it is not shown to turn;
            turns_at_examples_low, turns_at_examples_high: the interval.
        verdict: a `ratios.Verdict`.
        images_per_s: of the median epoch.
        epoch_s: median, seconds, as are the following.
        start_s: what an epoch of so many examples takes beside its batches; start_s_low, start_s_high: the interval.
        start_s_per_example: how much of it each further example adds, NaN where it was not measured.
        batch_s: the rate, seconds per batch after the first; batch_s_low, batch_s_high: the interval.
        first_batch_s: from the end of an epoch until the next one's first step has ended.
        train_epoch_s: a small CNN's epoch; train_step_s: its step alone; waiting_share: 0 to 1. NaN where none
            was trained.
        cpu_us_per_image: CPU microseconds.
        peak_rss_bytes: highest resident memory; pipeline_rss_bytes: what the pipeline brought, where it was
            isolated, else NaN.
        isolated: whether every pipeline had a process of its own.
        floor_batch_s: what `fit` takes for a batch that is held ready; ceiling_images_per_s: what the machine reaches
            at best in the task's work, without any pipeline.
        two_modes: whether its epochs fall in two heaps; flags: what a reader should know of them.
        epoch_s_rounds: the raw rounds, seconds, each the mean of its epochs; steady_s_rounds, end_s_rounds,
            first_batch_s_rounds: their parts, see `timing.Epoch`; wait_s_rounds: for AUTOTUNE's thread, on top.
        positions: in the order of each round, from 0.
        wall_s: seconds of the whole point; timed_s: of it in warm-up and timed epochs.
        backend: what Keras trained on; device: where; device_busy_share: 0 to 1, NaN without a GPU.
    """

    schema_version: int = SCHEMA_VERSION
    cell_id: str = ""
    grid: str = ""
    machine_id: str = ""
    launcher: str = ""
    server: int = 1
    started_at: str = ""
    dataset: str
    dataset_label: str
    real: bool
    source: str
    decoding: str
    transform: str
    batch_size: int
    cores: int
    image_height: int
    image_width: int
    channels: int
    examples: int
    shuffle: bool
    seed: int
    model: str = SMALLEST
    pipeline: str
    builder: str
    knobs: str
    reference: str
    same_work: bool
    differences: str
    rounds: int
    order_seed: int
    epochs_per_round: int
    batches: int
    time_ratio: float = math.nan
    time_ratio_low: float = math.nan
    time_ratio_high: float = math.nan
    ratio_of_totals: float = math.nan
    turns_at_examples: float = math.nan
    turns_at_examples_low: float = math.nan
    turns_at_examples_high: float = math.nan
    verdict: str = Verdict.NOT_THE_SAME_WORK.value
    images_per_s: float
    epoch_s: float
    start_s: float
    start_s_low: float
    start_s_high: float
    start_s_per_example: float = math.nan
    batch_s: float
    batch_s_low: float
    batch_s_high: float
    first_batch_s: float
    train_epoch_s: float = math.nan
    train_step_s: float = math.nan
    waiting_share: float = math.nan
    cpu_us_per_image: float
    peak_rss_bytes: float
    pipeline_rss_bytes: float = math.nan
    isolated: bool = False
    floor_batch_s: float
    ceiling_images_per_s: float
    two_modes: bool
    flags: str
    epoch_s_rounds: list
    steady_s_rounds: list
    end_s_rounds: list
    first_batch_s_rounds: list
    wait_s_rounds: list
    positions: list
    wall_s: float
    timed_s: float
    backend: str = ""
    device: str = ""
    device_busy_share: float = math.nan
