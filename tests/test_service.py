import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from helpers import pipelines, service
from helpers.cli import parse_pipelines
from helpers.errors import StudyError
from helpers.service import processes
from helpers.tasks import Task

TASK = Task(transform="noise", examples=300)


@pytest.fixture(scope="module")
def two_workers():
    with processes.local(2) as started:
        yield started


@pytest.fixture(scope="module")
def command():
    """`study service start --workers 1` as a real process, and the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "helpers.cli", "service", "start", "--workers", "1", "--trusted-network"],
        stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(service.__file__).parents[2])},
    )  # fmt: skip
    with process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def one_worker(command, two_workers):  # both start side by side
    return command.stdout.readline().split("service at ")[1].split(",")[0]


def test_dynamic_sharding_on_two_workers_delivers_every_example_once(command, two_workers):
    from helpers import parity

    feed = pipelines.build("tf_data", TASK, service=two_workers.address, sharding="dynamic")
    with service.watched(two_workers.address):
        report = parity.check(TASK, {"dynamic": feed})
    # Each worker shuffles what it takes, so that the order of the whole may keep a trace of the stored one.
    assert set(report.differences["aspect"]) <= {"shuffling"}
    assert feed.cardinality() == 10


@pytest.mark.slow
def test_without_sharding_one_worker_does_the_task_and_two_do_it_twice(one_worker, two_workers):
    from helpers import parity

    feeds = {
        "one": pipelines.build("tf_data", TASK, service=one_worker, sharding="off"),
        "two": pipelines.build("tf_data", TASK, service=two_workers.address, sharding="off"),
    }
    report = parity.check(TASK, feeds)
    assert report.does_the_task("one"), str(report)
    assert set(report.differences["aspect"]) == {"batches", "examples"}


def test_a_seed_would_give_every_worker_the_same_draws_and_the_knob_takes_none(two_workers):
    import tensorflow as tf

    def draws(dataset):
        shared = service.distribute(dataset, address=two_workers.address, sharding="off")
        return [int(draw) for draw in shared.as_numpy_iterator()]

    seeded = draws(tf.data.Dataset.random(seed=1, rerandomize_each_iteration=True).take(20))
    assert len(seeded) == 40 and len(set(seeded)) == 20
    task = TASK.but(transform="brightness", examples=40, shuffle=False)
    feed = pipelines.build("tf_data", task, service=two_workers.address, sharding="off")
    images = np.concatenate([images for images, _ in feed.as_numpy_iterator()])
    assert len(np.unique(images.reshape(80, -1), axis=0)) == 80


def test_what_a_service_cannot_do_is_refused_before_it_starts(two_workers):
    address = two_workers.address
    for knobs, message in [
        ({"cache": "memory"}, "lose their caches"),
        ({"sharding": "file"}, "at least as many record files as workers"),
        ({"service": "localhost:1"}, "must read grpc://host:port"),
        ({"service": "grpc://localhost:1"}, "must answer at grpc://localhost:1"),
        ({"sharding": "fair"}, "sharding must be one of"),
    ]:
        with pytest.raises(StudyError, match=message):
            pipelines.build("tf_data", TASK, **{"service": address, **knobs})


def test_static_sharding_needs_a_dispatcher_that_was_told_its_workers():
    import tensorflow as tf

    dispatcher = tf.data.experimental.service.DispatchServer()  # in this process, as one without workers
    address = dispatcher.target
    with pytest.raises(StudyError, match="has no worker yet"):
        service.require(address, "dynamic")
    worker = tf.data.experimental.service.WorkerServer(
        tf.data.experimental.service.WorkerConfig(dispatcher_address=address.removeprefix("grpc://"))
    )
    with pytest.raises(StudyError, match="told its workers' addresses"):
        service.require(address, "data")
    del worker, dispatcher


def test_the_command_line_takes_an_address_among_a_pipeline_s_knobs():
    spec = parse_pipelines("py_dataset,tf_data:service=grpc://localhost:5050:sharding=off:map=batch")
    knobs = {"service": "grpc://localhost:5050", "sharding": False, "map": "batch"}  # YAML reads off as false
    assert list(spec.values())[1] == {"builder": "tf_data", **knobs}
    pipelines.Spec("tf_data", knobs)


@pytest.mark.slow
def test_a_restarted_worker_makes_each_policy_lose_or_repeat_as_it_promises(two_workers):
    from helpers.service import faults

    table = faults.account(two_workers, "restarted", elements=400).set_index("sharding")
    assert (table["ended"] == "by itself").all()
    assert (table[["never", "once", "twice", "more often"]].sum(axis=1) == 400).all()
    assert table.loc[["off", "file", "data"], "never"].eq(0).all()  # the shard begins anew: nothing is lost
    assert table.loc["off", "more often"] > 0
    assert (table.loc[["file", "data"], "twice"] > 0).all()
    assert table.loc["dynamic", ["twice", "more often"]].sum() == 0  # at most once: lost, never repeated


@pytest.mark.slow
def test_a_killed_worker_hangs_no_epoch_because_the_watchdog_ends_it(two_workers):
    from helpers.service import faults

    table = faults.account(two_workers, "killed", worker=1, elements=400).set_index("sharding")
    assert (table["ended"] == "by the watchdog").any()
    assert set(table["ended"]) <= {"by the watchdog", "by itself"}
    assert table.loc[table["ended"] == "by itself", "never"].eq(0).all()  # what the client held already
    assert table.loc["off", "never"] == 0  # the other worker delivers everything
    assert table.loc[["dynamic", "file", "data"], "twice"].eq(0).all()


@pytest.mark.slow
def test_fit_on_a_service_whose_dispatcher_is_gone_ends_with_one_clear_error(two_workers):
    from helpers import timing
    from helpers.timing import models

    two_workers.restart(1)
    feed = pipelines.build("tf_data", TASK.but(transform="rescale"), service=two_workers.address)
    model = models.smallest(timing.first_batch(feed))
    with (
        pytest.raises(StudyError, match=r"dispatcher of the tf\.data service"),
        service.watched(two_workers.address, grace_s=1),
    ):
        model.fit(feed, shuffle=False, verbose=0)
        two_workers.dispatcher.kill()
        model.fit(feed, shuffle=False, verbose=0)


@pytest.mark.parametrize("role", ["dispatcher", "worker"])
def test_a_server_of_tf_data_that_hangs_is_ended_and_told_of(role, monkeypatch):
    server = processes.Server(role)
    os.kill(server.pid, signal.SIGSTOP)
    monkeypatch.setattr(processes, "START_S", 1)
    with pytest.raises(StudyError, match=rf"the {role} must start \(it ended: it said nothing for 1 s\)"):
        server.begin(port=0, host="localhost", dispatcher="localhost:1")
    assert not server.alive and not psutil.pid_exists(server.pid)


def test_ctrl_c_ends_the_command_and_every_process_it_started(command, one_worker):
    started = psutil.Process(command.pid).children()
    assert len(started) == 2 and len(service.workers(one_worker)) == 1
    command.send_signal(signal.SIGINT)
    assert command.wait(timeout=30) == 0
    deadline = time.monotonic() + 10
    while any(child.is_running() for child in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(child.is_running() for child in started)
