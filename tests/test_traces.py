import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from helpers.errors import StudyError
from helpers.plots import timeline
from helpers.timing import models, traces

BATCH = (np.zeros((4, 8, 8, 3), "float32"), np.zeros(4, "int64"))


def made_up(rows):
    columns = ["thread", "event", "stage", "start_s", "end_s"]
    return traces.Trace(pd.DataFrame(rows, columns=columns).assign(parallelism=np.nan, buffer_limit=np.nan))


def test_the_share_of_waiting_is_the_waits_over_the_steps():
    trace = made_up(
        [
            ("python", traces.STEP, "", 1.0, 3.0),
            ("python", traces.STEP, "", 3.0, 5.0),
            ("get_next", traces.WAIT, "", 1.0, 2.0),
            ("get_next", traces.WAIT, "", 3.0, 3.5),
        ]
    )
    assert trace.epoch_s == 4 and trace.waiting_s == 1.5 and trace.waiting_share == 0.375


def test_a_stages_own_seconds_are_without_those_that_it_calls_in_its_thread():
    stages = made_up(
        [
            ("a", "Iterator::Root", "root", 0.0, 10.0),
            ("a", "Iterator::Root::Map", "slow", 1.0, 9.0),
            ("a", "Iterator::Root::Map::Map", "quick", 2.0, 3.0),
            ("a", "Iterator::Root::Map::Map", "quick", 4.0, 5.0),
            ("b", "Iterator::Root::Map::Map", "quick", 2.0, 8.0),
        ]
    ).stages()
    assert list(stages["stage"]) == ["root", "slow", "quick"]
    assert list(stages["alone_s"]) == [2, 6, 8] and list(stages["inside_s"]) == [10, 8, 8]
    assert list(stages["calls"]) == [1, 1, 3]


def test_the_queue_counts_what_was_made_and_not_yet_taken():
    trace = made_up(
        [
            ("p", traces.PRODUCED, "", 0.0, 1.0),
            ("p", traces.PRODUCED, "", 1.0, 2.0),
            ("p", traces.PRODUCED, "", 2.0, 2.5),  # finds the end, makes none
            ("c", traces.CONSUMED, "", 1.4, 1.5),
            ("c", traces.CONSUMED, "", 2.9, 3.0),
        ]
    )
    times, ready = timeline.queue(trace)
    assert list(times) == [1, 1.5, 2, 3] and list(ready) == [1, 0, 1, 0]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    model = models.smallest(BATCH)
    folder = tmp_path_factory.mktemp("trace")

    def slow(images, labels):
        total = tf.reduce_sum(tf.random.stateless_normal([200_000], [1, 2]))
        return images + 0 * total, labels

    feed = tf.data.Dataset.from_tensors(BATCH).repeat(8).map(slow, 2, name="slow").prefetch(2)
    return traces.record(model, feed, folder=folder), folder, model


def test_a_real_epoch_has_its_steps_its_waits_its_named_stage_and_its_settings(recorded):
    trace, folder, _ = recorded
    assert len(trace.named(traces.STEP)) == len(trace.named(traces.WAIT)) == 8
    assert 0 < trace.waiting_share < 1
    stages = trace.stages().set_index("stage")
    assert stages.loc["slow", "calls"] >= 8 and stages.loc["slow", "parallelism"] == 2
    assert list(folder.glob("**/*.xplane.pb")) and trace.folder == str(folder)


def test_a_timeline_tells_its_shares_in_words_and_has_a_row_a_part(recorded):
    trace, _, _ = recorded
    _, ready = timeline.queue(trace)
    assert ready.min() == 0 and ready.max() >= 1
    figure = timeline.draw({"tf.data": trace}, batches=4)
    assert f"tf.data: {trace.waiting_share:.0%} waiting" in figure.get_label()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "producer" and labels[2] == "consumer"


def test_a_sequence_with_workers_has_no_queue_of_tensorflows_and_says_so(recorded):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return BATCH

    trace = traces.record(recorded[2], Batches(workers=2), warm_up=False)
    with pytest.raises(StudyError, match="needs a prefetch"):
        timeline.queue(trace)
