"""One point of the study, measured for real: what its rows say of starts, rates and rounds."""

import dataclasses
import json
import math
import multiprocessing
import os
import time

import numpy as np
import pytest
from test_comparison import made_up

from helpers import measurement, timing
from helpers.machine import processes
from helpers.measurement import point
from helpers.pipelines import Spec
from helpers.tasks import Task

TASK = Task(transform="rescale", examples=256, batch_size=32, image_size=(8, 8))
SPECS = {
    "py_dataset": {"builder": "py_dataset"},
    "tf_data": {"builder": "tf_data"},
    "tf_data, one iterator": {"builder": "tf_data", "repeat": True},
}


@pytest.fixture(scope="module")
def read_whole():
    """The feeds that were read whole for their first batch, in the making of `rows`."""
    return []


@pytest.fixture(scope="module")
def rows(read_whole):
    first_batch = timing.first_batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timing, "first_batch", lambda feed: read_whole.append(feed) or first_batch(feed))
        return measurement.measure(TASK, SPECS, budget_s=1, precision=0.5).rows()


def test_each_feed_is_read_once_for_its_first_batch_and_half_of_it_once(rows, read_whole):
    assert len(rows) == 3 and len(read_whole) == 2 * len(rows)
    assert (rows["peak_rss_bytes"] > 1e8).all()  # noted in the warm-up, which reads nothing more


def test_the_drawn_seed_of_the_order_is_in_the_rows(rows):
    assert rows["order_seed"].nunique() == 1 and rows["seed"].eq(TASK.seed).all()


def test_a_feed_that_repeats_does_the_same_work_and_is_ranked(rows):
    assert rows["same_work"].all()
    assert rows["time_ratio"].notna().all()
    assert json.loads(rows["knobs"][2]) == {"repeat": True}


def test_the_raw_parts_of_every_round_sum_to_its_epochs(rows):
    for row in rows.itertuples():
        parts = [row.steady_s_rounds, row.end_s_rounds, row.first_batch_s_rounds]
        assert {len(part) for part in parts} == {row.rounds} == {len(row.epoch_s_rounds)} == {len(row.positions)}
        np.testing.assert_allclose(np.sum(parts, axis=0), row.epoch_s_rounds)
        assert row.batches == 8 and 1 <= row.epochs_per_round <= 2
    assert rows["epochs_per_round"].nunique() == 1
    assert sorted([positions[0] for positions in rows["positions"]]) == [0, 1, 2]


def test_start_and_rate_lie_in_their_intervals_and_above_the_floor_of_fit(rows):
    for row in rows.itertuples():
        assert row.start_s_low <= row.start_s <= row.start_s_high
        assert row.batch_s_low <= row.batch_s <= row.batch_s_high
        medians = np.median(np.array(row.steady_s_rounds) / 7)
        assert row.batch_s == pytest.approx(medians)
    assert (rows["floor_batch_s"] > 0).all() and (rows["ceiling_images_per_s"] > 0).all()
    assert rows["ratio_of_totals"].iloc[0] == pytest.approx(1)


def test_how_a_start_grows_is_the_difference_of_all_and_half_per_example(monkeypatch):
    monkeypatch.setattr(timing, "opening_s", lambda feed: 0.1 + 1e-4 * len(feed.read))
    spec = Spec("py_dataset")
    assert point._start_s_per_example(TASK, spec, spec.build(TASK)) == pytest.approx(1e-4)
    few = TASK.but(examples=100)
    assert np.isnan(point._start_s_per_example(few, spec, spec.build(few)))


def measured_of(comparison, grows):
    """A measurement with made-up rounds of 11 batches."""
    description = dataclasses.replace(TASK.describe(), examples=11 * TASK.batch_size)
    return point.Measurement(
        task=TASK,
        description=description,
        specs={},
        parity=None,
        comparison=comparison,
        training={},
        peak_rss_bytes={},
        pipeline_rss_bytes={},
        isolated=False,
        start_s_per_example=grows,
        floor_batch_s=1e-3,
        ceiling_images_per_s=1.0,
        wall_s=1.0,
        timed_s=1.0,
        device=None,
    )


def test_the_order_turns_where_the_starts_that_grow_have_paid():
    shift = np.random.default_rng(0).normal(0, 1e-5, 12)
    rounds = made_up(a=[(0.1 + by, 0.02) for by in shift], b=[(0.5, 0.01)] * 12)
    fixed = measured_of(rounds, {"a": 0.0, "b": math.nan})._turns_at_examples("b")
    assert fixed["turns_at_examples"] == pytest.approx(40 * 32, rel=0.03)
    # Of b's 0.5 s, 0.11 s are for its 352 examples, 10 ms for each batch: its rate is no better than a's.
    assert measured_of(rounds, {"a": 0.0, "b": 0.11 / 352})._turns_at_examples("b") == {}
    half = measured_of(rounds, {"a": 0.0, "b": 0.055 / 352})._turns_at_examples("b")
    assert half["turns_at_examples"] == pytest.approx((0.445 - 0.1) / 0.005 * 32, rel=0.03)
    assert half["turns_at_examples_low"] <= half["turns_at_examples"] <= half["turns_at_examples_high"]


def _burn(seconds, done):
    """Spends CPU time, tells how much, and lives on for a moment."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    done.put(time.process_time())
    time.sleep(5)


def test_cpu_seconds_count_this_process_living_children_and_ended_ones_finely():
    spawn = multiprocessing.get_context("spawn")
    done = spawn.Queue()
    before = processes.cpu_seconds()
    child = spawn.Process(target=_burn, args=(0.3, done))
    child.start()
    try:
        spent = done.get(timeout=60)
        own = time.process_time()
        while time.process_time() < own + 0.05:
            pass
        living = processes.cpu_seconds() - before
        assert living >= spent + 0.05 - 0.02
    finally:
        child.kill()
        child.join()
    assert processes.cpu_seconds() - before >= spent - 0.02  # and ended
    if os.name == "posix":
        readings = {processes.cpu_seconds() for _ in range(100)}
        assert len(readings) == 100  # no ticks of 10 ms
